// RFC 9293 3.10.7.1: "If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>."
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ClosedAnswersAckWithRstAtItsAck) {
  Exchange t({.listening = false});
  t.Peer(Ack(1234).At(1));
  t.Expect(Rst(1234));
}

}  // namespace meltemi::tcp::conformance
