// RFC 7323 2.2: a SYN offers the window scale; ours makes a header's window cover our largest.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, ScaleIsOffered) {
  Exchange t;
  t.Connect();
  const Packet syn = t.Take();
  ASSERT_TRUE(syn.scale.has_value());
  EXPECT_GE(0xffffu << *syn.scale, limits::kTcpReceiveWindowBytes);
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
