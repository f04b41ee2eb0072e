// Goal: the arithmetic of room_budget.h, at its edges.
#include "dataplane/tcp/room_budget.h"

#include "gtest/gtest.h"

namespace meltemi::tcp {
namespace {

using Standing = RoomBudget::Standing;

// 10,000 stopped pairs hold two rooms each, in 20,000 queues, on one worker with the memory of a
// default node; what is left is the reserve and what the next connections share.
TEST(RoomBudget, TheFloorsOfTenThousandPairsFitADefaultNode) {
  const packet::SegmentCounts counts = packet::SplitMemory(128 << 20);
  EXPECT_EQ(counts[packet::kSmall], 27'594u);
  const RoomBudget budget(counts[packet::kSmall], counts[packet::kLarge]);
  EXPECT_EQ(budget.floors(), 20'694u);
  EXPECT_EQ(budget.reserve(), 1'724u);
  EXPECT_EQ(budget.large_reserve(), 800u);
  EXPECT_GE(budget.floors(), 2u * 10'000);
  EXPECT_LE(budget.floors() + budget.reserve(), counts[packet::kSmall]);
  EXPECT_FALSE(budget.pressed()) << "an idle node makes no window smaller";
}

// Bursts are as long when there is little memory.
TEST(RoomBudget, ASmallPoolKeepsEnoughForBursts) {
  const struct {
    uint32_t small, reserve;
  } rows[] = {{8'208, 513}, {8'207, 512}, {8'192, 512}, {4'096, 512}, {4'095, 511}, {800, 100}};
  for (const auto& row : rows) {
    EXPECT_EQ(RoomBudget(row.small, 100).reserve(), row.reserve) << row.small;
    EXPECT_EQ(RoomBudget(row.small, 100).control_reserve(), row.reserve / 2);
  }
}

TEST(RoomBudget, SharesAreOfWhatNobodyIsOwed) {
  RoomBudget budget(16'000, 1'600);  // reserve 1,000, floors 12,000, elastic 3,000
  EXPECT_EQ(budget.ShareOf(Standing::kNew).small, 3'000u / 16);
  EXPECT_EQ(budget.ShareOf(Standing::kProven).small, 1'500u);
  EXPECT_EQ(budget.ShareOf(Standing::kNew).large, 1'200u / 16);
  // What is given as floors takes nothing from the shares.
  for (int i = 0; i < 12'000; ++i) budget.QueueBegins();
  budget.Update(4'000, 1'600);
  EXPECT_EQ(budget.ShareOf(Standing::kProven).small, 1'500u);
  // Beyond the floors, it does.
  budget.QueueBegins();
  budget.Update(3'999, 1'600);
  EXPECT_EQ(budget.ShareOf(Standing::kProven).small, 1'499u);
  budget.QueueEnds();
  budget.Update(3'999, 1'600);
  EXPECT_EQ(budget.ShareOf(Standing::kProven).small, 1'499u);
}

TEST(RoomBudget, NobodyHasLessThanAFloorUntilTheReserveIsAllThereIs) {
  RoomBudget budget(16'000, 1'600);
  for (int i = 0; i < 12'000; ++i) budget.QueueBegins();
  const struct {
    uint32_t free, share;
    bool exhausted;
  } rows[] = {{1'032, 2, false}, {1'031, 1, false}, {1'001, 1, false},
              {1'000, 1, true},  {999, 1, true},    {0, 1, true}};
  for (const auto& row : rows) {
    budget.Update(row.free, 1'600);
    EXPECT_EQ(budget.ShareOf(Standing::kNew).small, row.share) << row.free;
    EXPECT_EQ(budget.exhausted(), row.exhausted) << row.free;
    EXPECT_TRUE(budget.pressed());
  }
}

TEST(RoomBudget, LargeRoomsHaveNoFloor) {
  RoomBudget budget(16'000, 1'600);
  const struct {
    uint32_t free, share;
  } rows[] = {{433, 2}, {432, 2}, {431, 1}, {416, 1}, {415, 0}, {400, 0}, {0, 0}};
  for (const auto& row : rows) {
    budget.Update(16'000, row.free);
    EXPECT_EQ(budget.ShareOf(Standing::kNew).large, row.share) << row.free;
  }
}

// The window that a share offers: ordinary segments fill half of their rooms at least.
TEST(RoomBudget, AShareIsAWindowOfHalfItsRooms) {
  EXPECT_EQ(RoomBudget::Share{.small = 1}.window_bytes(), kRoomTextBytes);
  EXPECT_EQ(RoomBudget::Share{.small = 2}.window_bytes(), kRoomTextBytes);
  EXPECT_EQ(RoomBudget::Share{.small = 3}.window_bytes(), 3 * kRoomWindowBytes);
}

// However many come, one after the other, and take all that they may: a sixteenth of what is left
// each, down to 16 rooms.
TEST(RoomBudget, ThoseWhoTakeAllTheyMayLeaveSixteenRooms) {
  RoomBudget budget(27'594, 3'201);
  uint32_t free = 27'594;
  for (int i = 0; i < 20'000; ++i) {
    budget.Update(free, 3'201);
    free -= budget.ShareOf(Standing::kNew).small;
    budget.QueueBegins();
  }
  budget.Update(free, 3'201);
  EXPECT_FALSE(budget.exhausted());
  EXPECT_GE(free, budget.reserve() + 16);
  EXPECT_GE(budget.ShareOf(Standing::kProven).small, 8u);
}

TEST(RoomBudget, PoolsWithoutEndHoldNobodyBack) {
  RoomBudget budget(UINT32_MAX, UINT32_MAX);
  budget.Update(UINT32_MAX, UINT32_MAX);
  EXPECT_FALSE(budget.pressed());
  EXPECT_FALSE(budget.exhausted());
  EXPECT_EQ(budget.ShareOf(Standing::kNew).small, UINT32_MAX);
}

}  // namespace
}  // namespace meltemi::tcp
