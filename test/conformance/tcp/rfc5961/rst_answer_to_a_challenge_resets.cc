// RFC 5961 3.2: a peer that has lost the connection answers the challenge with a RST at the number
// acknowledged.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc5961, RstAnswerToAChallengeResets) {
  Exchange t;
  t.Accept();
  t.Peer(Rst(500));
  t.Expect(Ack(1));
  t.At(10_ms).Peer(Rst(1));
  t.ExpectEvent(Kind::kClosed, TcpError::kReset);
}

}  // namespace meltemi::tcp::conformance
