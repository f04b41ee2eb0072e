// Goal: a stage gets its own cycles and entries, of turns that did something. Method: one thread,
// this file alone built as the binaries for bench/profile are.
#include "gtest/gtest.h"
#include "l7/base/stage.h"

namespace meltemi {
namespace {

static_assert(kProfile);

uint64_t Entries(const StageTotals& totals, Stage stage) {
  return totals.entries[static_cast<int>(stage)];
}

TEST(Stage, ScopesGoBackToTheStageBefore) {
  StageTotals totals;
  BeginStages();
  EnterStage(Stage::kEngine);
  {
    const StageScope parse(Stage::kParse);
    const StageScope route(Stage::kRoute);
  }
  EndStages(true, &totals);
  EXPECT_EQ(Entries(totals, Stage::kEngine), 2u);  // entered, and come back to
  EXPECT_EQ(Entries(totals, Stage::kParse), 2u);
  EXPECT_EQ(Entries(totals, Stage::kRoute), 1u);
  EXPECT_EQ(Entries(totals, Stage::kTx), 0u);
}

TEST(Stage, CyclesOfAllStagesAreThoseOfTheTurn) {
  StageTotals totals;
  const uint64_t before = __rdtsc();
  BeginStages();
  EnterStage(Stage::kRx);
  EnterStage(Stage::kTx);
  EndStages(true, &totals);
  const uint64_t whole = __rdtsc() - before;
  uint64_t sum = 0;
  for (const uint64_t cycles : totals.cycles) sum += cycles;
  EXPECT_GT(sum, 0u);
  EXPECT_LE(sum, whole);
}

TEST(Stage, TurnsThatDidNothingAreNoOnesCost) {
  StageTotals totals;
  BeginStages();
  EnterStage(Stage::kRx);
  EndStages(false, &totals);
  BeginStages();
  EndStages(true, &totals);
  EXPECT_EQ(Entries(totals, Stage::kRx), 0u);
}

}  // namespace
}  // namespace meltemi
