// RFC 5961 4.2, 1): "If the SYN bit is set, irrespective of the sequence number, TCP MUST send an
// ACK (also referred to as challenge ACK)".
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, SynInWindowIsChallenged) {
  Exchange t;
  t.Accept();
  t.Peer(Syn().At(100));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
