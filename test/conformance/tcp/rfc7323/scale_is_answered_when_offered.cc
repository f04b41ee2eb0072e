// RFC 7323 2.2: both sides must have sent it; zero is an offer too.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleIsAnsweredWhenOffered) {
  Exchange t;
  t.Peer(Syn().Mss(1460).Scale(0));
  const Packet answer = t.Take();
  ASSERT_TRUE(answer.scale.has_value());
  EXPECT_GE(0xffffu << *answer.scale, limits::kTcpReceiveWindowBytes);
}

}  // namespace meltemi::tcp::conformance
