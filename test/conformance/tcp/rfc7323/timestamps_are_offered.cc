// RFC 7323 3.2: TSopt in an initial <SYN>: TSecr is zero.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc7323, TimestampsAreOffered) {
  Exchange t;
  t.Connect();
  const Packet syn = t.Take();
  ASSERT_TRUE(syn.ts.has_value());
  EXPECT_EQ(syn.ts->echo, 0u);
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
