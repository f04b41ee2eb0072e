#include "l7/base/time.h"

#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi {
namespace {

TEST(Time, InstantPlusUnlimitedIsNever) {
  EXPECT_TRUE((Instant::FromNanos(5) + Duration::Max()).never());
  EXPECT_EQ(Instant::FromNanos(5) + Duration::Nanos(2), Instant::FromNanos(7));
  EXPECT_LT(Instant::FromNanos(5), Instant::Never());
}

TEST(Time, UnitsAgree) {
  EXPECT_EQ(Duration::Seconds(1), Duration::Millis(1000));
  EXPECT_EQ(Duration::Millis(1), Duration::Micros(1000));
  EXPECT_EQ(WallClock{.offset_nanos = 10}.UnixNanos(Instant::FromNanos(5)), 15);
}

TEST(Prng, SameSeedSameSequenceAndBelowStaysInRange) {
  Prng a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t x = a.Next();
    EXPECT_EQ(x, b.Next());
    differs |= x != c.Next();
    EXPECT_LT(a.Below(10), 10u);
    b.Below(10);
    const double unit = a.Unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
    b.Unit();
  }
  EXPECT_TRUE(differs);
}

// Goal: Chance(n, d) follows its probability. Method: binomial, 6 sigma.
TEST(Prng, ChanceIsFair) {
  Prng prng(1);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += prng.Chance(10, 100);
  EXPECT_NEAR(hits, 10'000, 6 * 95);
}

}  // namespace
}  // namespace meltemi
