// RFC 9293 3.10.7.4, fifth, SYN-RECEIVED: "If the segment acknowledgment is not acceptable, form a
// reset segment <SEQ=SEG.ACK><CTL=RST>".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynReceivedWrongAckGetsRst) {
  Exchange t;
  t.Peer(Syn());
  t.Expect(SynAck());
  t.Peer(Ack(2).At(1));
  t.Expect(Rst(2));
  t.Peer(Ack(0).At(1));
  t.Expect(Rst(0));
  t.Peer(Ack(1));
  t.ExpectEvent(Kind::kAccepted);
}

}  // namespace meltemi::tcp::conformance
