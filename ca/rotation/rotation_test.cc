#include "ca/rotation/rotation.h"

#include <gtest/gtest.h>

namespace meltemi::ca {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kDay = absl::Hours(24);

TEST(Rotation, GoesRoundInOneOrder) {
  const RotationState steady{Phase::kSteady, 1, 0, absl::UnixEpoch()};
  EXPECT_FALSE(Switch(steady, kNow).ok());
  EXPECT_FALSE(Retire(steady, kNow).ok());
  const auto distributing = Begin(steady, 2, kNow);
  EXPECT_EQ(*distributing, (RotationState{Phase::kDistributing, 1, 2, kNow}));
  EXPECT_EQ(Begin(*distributing, 3, kNow).status().message(), "cannot begin while distributing");
  EXPECT_FALSE(Retire(*distributing, kNow).ok());
  const auto switched = Switch(*distributing, kNow + kDay);
  EXPECT_EQ(*switched, (RotationState{Phase::kSwitched, 2, 1, kNow + kDay}));
  EXPECT_FALSE(Begin(*switched, 3, kNow).ok());
  EXPECT_FALSE(Switch(*switched, kNow).ok());
  EXPECT_EQ(*Retire(*switched, kNow + 2 * kDay),
            (RotationState{Phase::kSteady, 2, 0, kNow + 2 * kDay}));
}

TEST(Rotation, StepsAreDueInTime) {
  // Goal: each step by itself, and before anything expires. Method: rows of dates.
  const RotationPolicy policy{.distribute = 2 * kDay, .retire = 4 * kDay};
  const GenerationDates year{kNow, kNow + 365 * kDay};
  const RotationState steady{Phase::kSteady, 1, 0, kNow};
  EXPECT_EQ(Next(steady, year, {}, policy).step, Step::kBegin);
  EXPECT_EQ(Next(steady, year, {}, policy).due, kNow + 292 * kDay);  // a fifth of 365 days is left
  // Distributing takes longer than a fifth.
  const GenerationDates week{kNow, kNow + 7 * kDay};
  EXPECT_EQ(Next(steady, week, {}, policy).due, kNow + 5 * kDay);
  // Even half of its life is not enough: half it is.
  const GenerationDates short_life{kNow, kNow + 2 * kDay};
  EXPECT_EQ(Next(steady, short_life, {}, policy).due, kNow + kDay);

  RotationState distributing{Phase::kDistributing, 1, 2, kNow};
  EXPECT_EQ(Next(distributing, year, {}, policy).step, Step::kSwitch);
  EXPECT_EQ(Next(distributing, year, {}, policy).due, kNow + 2 * kDay);
  EXPECT_EQ(Next(distributing, short_life, {}, policy).due, kNow + kDay);
  EXPECT_EQ(Next(distributing, {kNow - 9 * kDay, kNow - kDay}, {}, policy).due, kNow);  // too late

  const RotationState switched{Phase::kSwitched, 2, 1, kNow};
  EXPECT_EQ(Next(switched, year, year, policy).step, Step::kRetire);
  EXPECT_EQ(Next(switched, year, year, policy).due, kNow + 4 * kDay);
  EXPECT_EQ(Next(switched, year, short_life, policy).due, kNow + 2 * kDay);
}

TEST(Rotation, StateIsReadAsItWasWritten) {
  for (const RotationState& state :
       {RotationState{Phase::kSteady, 1, 0, kNow}, RotationState{Phase::kDistributing, 1, 2, kNow},
        RotationState{Phase::kSwitched, 2, 1, kNow}}) {
    EXPECT_EQ(*StateFromJson(StateToJson(state)), state);
  }
  for (const std::string_view bad :
       {"", "{}", "[]", R"({"version":2,"phase":"steady","active":1,"other":0,"since":0})",
        R"({"version":1,"phase":"steady","active":0,"other":0,"since":0})",
        R"({"version":1,"phase":"steady","active":1,"other":2,"since":0})",
        R"({"version":1,"phase":"switched","active":1,"other":0,"since":0})",
        R"({"version":1,"phase":"switched","active":1,"other":1,"since":0})",
        R"({"version":1,"phase":"running","active":1,"other":2,"since":0})",
        R"({"version":1,"phase":"steady","active":1,"other":0})"}) {
    EXPECT_FALSE(StateFromJson(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace meltemi::ca
