// RFC 6528 3: ISN = M + F(...), M "the 4 microsecond timer": the same tuple gets a greater number
// later.
#include "test/conformance/tcp/harness.h"

namespace meltemi::tcp::conformance {

TEST(Rfc6528, IsnGrowsWithTheClock) {
  Exchange t;
  t.Connect();
  t.Expect(Syn());
  const uint32_t first = t.our_isn();
  t.Abort();
  t.At(4_s).Connect();
  t.Forget();
  EXPECT_EQ(t.our_isn() - first, 1'000'000u);
  t.Abort();
}

}  // namespace meltemi::tcp::conformance
