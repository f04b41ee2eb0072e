// RFC 9293 3.10.7.3, first: "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset ...
// <SEQ=SEG.ACK><CTL=RST>"; figure 8, an old duplicate.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, SynSentWrongAckGetsRst) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  t.Peer(SynAck(91));
  t.Expect(Rst(91));
  t.ExpectNoEvent();
  t.Peer(SynAck(1));
  t.Expect(Ack(1));
  t.ExpectEvent(Kind::kConnected);
}

}  // namespace meltemi::tcp::conformance
