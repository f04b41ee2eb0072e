// RFC 5961 4.2, 1): even a SYN exactly at RCV.NXT.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, SynAtRcvNxtIsChallenged) {
  Exchange t;
  t.Accept();
  t.Peer(Syn().At(1));
  t.Expect(Ack(1).At(1));
  t.ExpectNoEvent().ExpectConnections(1);
}

}  // namespace meltemi::tcp::conformance
