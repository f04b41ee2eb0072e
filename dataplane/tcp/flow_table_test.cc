// Goal: every entry is found at every moment of the table's growth, and no step moves much.
// Method: a model of the standard library beside it; what moved is counted by the table.
#include "dataplane/tcp/flow_table.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::tcp {
namespace {

using Kind = FlowTable::Kind;
using Entry = FlowTable::Entry;

struct alignas(64) Flow {
  uint32_t hash = 0;
  Kind kind = Kind::kConn;
};

// What Find answers for that very flow.
bool Has(const FlowTable& table, const Flow& flow) {
  const Entry found = table.Find(flow.hash, [&flow](const Entry& e) { return e.value == &flow; });
  return found.value == &flow && found.kind == flow.kind;
}

FlowTable MakeTable(uint32_t capacity) { return FlowTable(capacity, {7, 1, 9}); }

FourTuple Tuple(uint32_t i) {
  return {.local = {IpAddr::V4(0x0a000001), 80},
          .remote = {IpAddr::V4(0x0a010000 + (i >> 16)), static_cast<uint16_t>(i)}};
}

// Through several doublings up and down, in hashes of few bits (long chains) and of all bits.
TEST(FlowTable, AgreesWithAMapUnderInsertsAndErases) {
  for (const uint32_t hash_mask : {UINT32_MAX, 0xfffu, 0x7u, 0u}) {
    const uint32_t count = hash_mask < 0x100 ? 200 : 20'000;
    FlowTable table = MakeTable(count);
    std::vector<Flow> flows(count);
    std::vector<bool> present(count, false);
    Prng prng(5);
    for (uint32_t i = 0; i < count; ++i) {
      flows[i] = {static_cast<uint32_t>(prng.Next()) & hash_mask,
                  prng.Below(3) == 0 ? Kind::kTimeWait : Kind::kConn};
    }
    std::unordered_map<const Flow*, uint32_t> model;
    for (uint32_t step = 0; step < count * 12; ++step) {
      Flow& flow = flows[prng.Below(count)];
      const bool there = model.contains(&flow);
      ASSERT_EQ(Has(table, flow), there);
      // Mostly growing, then mostly shrinking, and again.
      const bool growing = step / (count * 3) % 2 == 0;
      if (there && prng.Below(4) < (growing ? 1u : 3u)) {
        table.Erase(flow.hash, &flow);
        model.erase(&flow);
      } else if (!there && prng.Below(4) < (growing ? 3u : 1u)) {
        table.Insert(flow.hash, flow.kind, &flow);
        model[&flow] = flow.hash;
      }
      ASSERT_EQ(table.size(), model.size());
      if (step % (count / 2) == 0) {
        for (const Flow& each : flows) ASSERT_EQ(Has(table, each), model.contains(&each));
      }
    }
    for (const auto& [flow, hash] : model) table.Erase(hash, flow);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.chained(), 0u);
    for (const Flow& flow : flows) ASSERT_FALSE(Has(table, flow));
  }
}

// Three doublings, looked at after each single insert: all that are in are found.
TEST(FlowTable, FindsAllAtEveryStepOfItsGrowth) {
  constexpr uint32_t kCount = 5'200;  // splits begin at 641 and the table is doubled three times
  FlowTable table = MakeTable(kCount);
  std::vector<Flow> flows(kCount);
  const uint32_t first = table.bucket_count();
  for (uint32_t i = 0; i < kCount; ++i) {
    flows[i].hash = table.Hash(Tuple(i));
    table.Insert(flows[i].hash, flows[i].kind, &flows[i]);
    for (uint32_t k = i % 16 == 0 ? 0 : i - i % 16; k <= i; ++k) ASSERT_TRUE(Has(table, flows[k]));
  }
  EXPECT_EQ(table.bucket_count(), (kCount * 2 + 4) / 5);
  EXPECT_GT(table.bucket_count(), 8 * first);
}

// The "millions": none moves more than one bucket with what hangs behind it, and chains
// stay rare whatever the addresses look like.
TEST(FlowTable, GrowsToFourMillionsByAFewEntriesAtATime) {
  constexpr uint32_t kCount = 4'200'000;
  FlowTable table = MakeTable(kCount);
  std::vector<uint64_t> slots(kCount);  // values need only be aligned and distinct
  uint64_t moved = 0;
  uint64_t moved_max = 0;
  uint32_t chained_max = 0;
  Prng prng(11);
  const auto found = [&](uint32_t i) {
    return table.Find(table.Hash(Tuple(i)), [&](const Entry& e) { return e.value == &slots[i]; })
               .value != nullptr;
  };
  for (uint32_t i = 0; i < kCount; ++i) {
    table.Insert(table.Hash(Tuple(i)), Kind::kConn, &slots[i]);
    moved_max = std::max(moved_max, table.moved() - moved);
    moved = table.moved();
    chained_max = std::max(chained_max, table.chained() * 100 / table.bucket_count());
    ASSERT_TRUE(found(static_cast<uint32_t>(prng.Below(i + 1))));
    ASSERT_FALSE(found(i + 1 < kCount ? i + 1 : 0) && i + 1 < kCount);
  }
  for (uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(found(i));
  EXPECT_EQ(table.size(), kCount);
  EXPECT_LE(moved_max, 25u);    // five buckets: of so many entries none is as crowded
  EXPECT_LE(chained_max, 15u);  // of a hundred buckets
  RecordProperty("moved_max", static_cast<int>(moved_max));
  RecordProperty("chained_max", static_cast<int>(chained_max));
  for (uint32_t i = 0; i < kCount; ++i) table.Erase(table.Hash(Tuple(i)), &slots[i]);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.chained(), 0u);
}

TEST(FlowTable, TakesAsManyAsItsCapacity) {
  for (const uint32_t capacity : {1u, 5u, 6u, 640u, 641u}) {
    FlowTable table = MakeTable(capacity);
    std::vector<Flow> flows(capacity + 1);
    for (uint32_t i = 0; i < capacity; ++i) {
      flows[i].hash = i * 0x9e37'79b9u;
      table.Insert(flows[i].hash, Kind::kConn, &flows[i]);
    }
    EXPECT_EQ(table.size(), capacity);
    EXPECT_DEATH(table.Insert(1, Kind::kConn, &flows[capacity]), "capacity");
    table.Erase(flows[0].hash, &flows[0]);
    table.Insert(1, Kind::kTimeWait, &flows[capacity]);
    EXPECT_EQ(table.size(), capacity);
  }
}

// Who knows the key can aim at one bucket; who does not cannot, whichever addresses it has.
TEST(FlowTable, AnotherKeyIsAnotherOrder) {
  const FlowTable one(10, {1});
  const FlowTable other(10, {2});
  int same = 0;
  for (uint32_t i = 0; i < 4096; ++i) {
    same += (one.Hash(Tuple(i)) & 1023) == (other.Hash(Tuple(i)) & 1023);
  }
  EXPECT_LT(same, 20);
}

TEST(FlowTable, PeekTellsWhatFindWillLookAt) {
  FlowTable table = MakeTable(4);
  Flow flow{.hash = 42, .kind = Kind::kTimeWait};
  EXPECT_EQ(table.Peek(42).value, nullptr);
  EXPECT_EQ(table.Peek(0).value, nullptr);
  table.Insert(42, flow.kind, &flow);
  EXPECT_EQ(table.Peek(42).value, &flow);
  table.Erase(42, &flow);
  EXPECT_EQ(table.Peek(42).value, nullptr);
}

}  // namespace
}  // namespace meltemi::tcp
