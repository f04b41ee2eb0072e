// RFC 9293 3.10.7.2, second: "Any acknowledgment is bad if it arrives on a connection still in the
// LISTEN state. ... <SEQ=SEG.ACK><CTL=RST>"
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc9293, ListenAnswersAckWithRst) {
  Exchange t;
  t.Peer(Ack(77).At(1));
  t.Expect(Rst(77));
  t.ExpectConnections(0);
}

}  // namespace meltemi::tcp::conformance
