// RFC 5961 3.2, 3): "If the RST bit is set and the sequence number does not exactly match the next
// expected sequence value, yet is within the current receive window, TCP MUST send an
// acknowledgment (challenge ACK)".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstInWindowIsChallenged) {
  Exchange t;
  t.Accept();
  t.Peer(Rst(2));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
