// Goal: every step of the time of day is followed, and what is none is not. Method: readings of our
// own.
#include "dataplane/wall_clock_watch.h"

#include "gtest/gtest.h"

namespace meltemi {
namespace {

constexpr int64_t kEpoch = 1'750'000'000'000'000'000;
constexpr int64_t kDay = int64_t{86'400} * 1'000'000'000;

// At `steady`, the time of day being set `ahead` of what it was at first; read within `took`.
ClockReading At(int64_t steady, int64_t ahead, int64_t took = 100) {
  return {.before = Instant::FromNanos(steady - took / 2),
          .unix_nanos = kEpoch + steady + ahead,
          .after = Instant::FromNanos(steady + took - took / 2)};
}

TEST(WallClockWatch, FollowsJumpsBothWays) {
  WallClockWatch watch(At(1'000, 0));
  EXPECT_EQ(watch.clock().offset_nanos, kEpoch);
  EXPECT_FALSE(watch.Look(At(2'000, 0)).has_value());
  ASSERT_TRUE(watch.Look(At(3'000, kDay / 2)).has_value());
  EXPECT_EQ(watch.clock().offset_nanos, kEpoch + kDay / 2);
  EXPECT_FALSE(watch.Look(At(4'000, kDay / 2)).has_value());
  ASSERT_TRUE(watch.Look(At(5'000, -kDay)).has_value());
  EXPECT_EQ(watch.clock().UnixNanos(Instant::FromNanos(5'000)), kEpoch + 5'000 - kDay);
  EXPECT_EQ(watch.steps(), 2u);
}

TEST(WallClockWatch, SmallStepsAreNotToldUntilTheyAddUp) {
  const int64_t least = WallClockWatch::kStepMin.nanos();
  for (const int64_t sign : {1, -1}) {
    WallClockWatch watch(At(1'000, 0));
    EXPECT_FALSE(watch.Look(At(2'000, sign * (least - 1))).has_value());
    EXPECT_TRUE(watch.Look(At(3'000, sign * least)).has_value());
    EXPECT_FALSE(watch.Look(At(4'000, sign * (least + 1))).has_value());
    EXPECT_TRUE(watch.Look(At(5'000, sign * 2 * least)).has_value());
  }
}

TEST(WallClockWatch, AReadingThatTookLongSaysNothing) {
  WallClockWatch watch(At(1'000, 0));
  const int64_t most = WallClockWatch::kBlurMax.nanos();
  EXPECT_FALSE(watch.Look(At(most, kDay, most + 2)).has_value());
  EXPECT_EQ(watch.steps(), 0u);
  EXPECT_TRUE(watch.Look(At(most, kDay, most)).has_value());
}

}  // namespace
}  // namespace meltemi
