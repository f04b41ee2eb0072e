#include <poll.h>

#include <memory>
#include <thread>

#include "dataplane/shared/doorbell.h"
#include "dataplane/shared/locked_stack.h"
#include "dataplane/shared/mailbox.h"
#include "dataplane/shared/snapshot_slot.h"
#include "gtest/gtest.h"

namespace meltemi::shared {
namespace {

TEST(Mailbox, IsBoundedAndKeepsARefusedValue) {
  Mailbox<std::unique_ptr<int>> box(2);
  EXPECT_TRUE(box.Push(std::make_unique<int>(1)));
  EXPECT_TRUE(box.Push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(box.Push(std::move(third)));
  EXPECT_NE(third, nullptr);
  std::unique_ptr<int> out;
  EXPECT_TRUE(box.Pop(&out));
  EXPECT_EQ(*out, 1);
  EXPECT_TRUE(box.Push(std::move(third)));
  EXPECT_TRUE(box.Pop(&out));
  EXPECT_TRUE(box.Pop(&out));
  EXPECT_EQ(*out, 3);
  EXPECT_FALSE(box.Pop(&out));
}

// Goal: nothing lost, nothing twice, in order, no lost wake-up. Method: two threads, the receiver
// sleeps in poll whenever the box is empty.
TEST(Mailbox, TwoThreadsWithADoorbell) {
  constexpr int kCount = 100'000;
  Mailbox<int> box(64);
  Doorbell bell;
  std::thread sender([&] {
    for (int i = 0; i < kCount; ++i) {
      int value = i;
      while (!box.Push(std::move(value))) std::this_thread::yield();
      bell.Ring();
    }
  });
  for (int expected = 0; expected < kCount;) {
    int value = -1;
    if (box.Pop(&value)) {
      ASSERT_EQ(value, expected++);
      continue;
    }
    bell.Arm();
    if (box.empty()) {
      pollfd p{.fd = bell.fd(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(poll(&p, 1, 10'000), 1) << "a wake-up was lost";
    }
    bell.Disarm();
  }
  sender.join();
}

TEST(SnapshotSlot, FreesASnapshotWhenEveryWorkerHasMovedOn) {
  SnapshotSlot slot(2);
  EXPECT_EQ(slot.Current(), nullptr);
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    auto snapshot = std::make_unique<config::Snapshot>();
    snapshot->sequence = sequence;
    slot.Publish(std::move(snapshot));
  }
  EXPECT_EQ(slot.Current()->sequence, 3u);
  EXPECT_EQ(slot.Reclaim(), 3u);
  slot.Release(0, 3);
  EXPECT_EQ(slot.Reclaim(), 3u);
  slot.Release(1, 2);
  EXPECT_EQ(slot.Reclaim(), 2u);
  slot.Release(1, 3);
  EXPECT_EQ(slot.Reclaim(), 1u);
}

TEST(LockedStack, GivesWhatItHas) {
  LockedStack<int> stack;
  const int in[3] = {1, 2, 3};
  stack.PushAll(in, 3);
  int out[4];
  EXPECT_EQ(stack.PopUpTo(out, 2), 2);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(stack.PopUpTo(out, 4), 1);
}

}  // namespace
}  // namespace meltemi::shared
