// Goal: readers that have stopped, each with a sender that has not, take no other connection's
// memory, and get all of their bytes when they read on. Method: worlds whose plane has the packets
// of a real node, its free packets looked at after every step; requests of honest clients
// meanwhile.
#include <algorithm>
#include <memory>
#include <string>

#include "dataplane/tcp/room_budget.h"
#include "gtest/gtest.h"
#include "test/sim/config.h"
#include "test/sim/expect.h"
#include "test/sim/slow_pods.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

constexpr int kSlowPod = 61, kFastPod = 62;
// With the memory of a default node.
constexpr int kPairs = 10'000, kMemoryMb = 128;
constexpr Duration kAttackAfter = Duration::Millis(500);
constexpr Duration kLimit = Duration::Seconds(1200);

struct Attack {
  size_t bytes = 16 * 1024;           // of each pair
  uint32_t reader_window = 4 * 1024;  // what a reader's kernel takes for it
  uint16_t fast_mtu = 1500;           // of the sender: the length of its segments
  int workers = 1;
};

WorldOptions Options(const Attack& a) {
  WorldOptions o;
  o.plane.workers = a.workers;
  o.plane.memory_mb = kMemoryMb;
  o.plane.conn_count_max = 32'768;
  o.plane.l7_conn_count_max = 65'536;
  o.host_conn_count_max = 16'384;
  o.clients = 1;
  o.pod_servers = 1;
  o.uplink_servers = 0;
  o.ipv6 = false;
  o.rx_ring_frames = 8192;
  o.load.request_count = 0;
  o.load.requests_per_connection = 1;
  o.load.connection_count = 4;
  return o;
}

class Rig {
 public:
  explicit Rig(const Attack& a) : world(Options(a)) {
    tcp::TcpOptions small;
    small.conn_count_max = 16'384;
    small.receive_window_bytes = a.reader_window;
    HostOptions fast{.mtu = a.fast_mtu};
    world.AddPod(kFastPod, fast, std::make_unique<FastPod>(a.bytes));
    auto readers = std::make_unique<SlowPod>(ServiceV4(kStreamPort), kPairs, a.bytes,
                                             world.now() + kAttackAfter);
    slow = readers.get();
    world.AddPod(kSlowPod, {.tcp = small}, std::move(readers));
    ConfigSpec spec = OneCluster(world);
    spec.clusters.push_back(
        {.name = "fast", .endpoints = {{PodAddresses(1, kFastPod)[0], kFastPort}}});
    spec.tcp = {{.port = kStreamPort, .cluster = "fast", .idle_timeout = Duration()}};
    world.plane().Publish(config_.Make(spec));
  }

  // Steps, and notes the least that the pool had.
  bool Run(Duration limit, const std::function<bool()>& done) {
    return world.Run(limit, [&] {
      const packet::PacketPool& pool = world.plane().pool(0);
      small_least = std::min(small_least, pool.free_count(packet::kSmall));
      large_least = std::min(large_least, pool.free_count(packet::kLarge));
      return done();
    });
  }
  void RunFor(Duration time) {
    const Instant end = world.now() + time;
    Run(time, [&] { return world.now() >= end; });
  }
  // Requests of an honest client, each on a connection of its own: answered, and how late.
  Duration Honest(uint64_t count) {
    const size_t before = world.client(0).outcomes().size();
    world.Extend(count);
    EXPECT_TRUE(Run(kLimit, [&] { return world.client(0).done(); }));
    Duration slowest;
    for (size_t i = before; i < before + count; ++i) {
      const Outcome& o = world.client(0).outcomes()[i];
      EXPECT_EQ(o.status, 200) << i;
      slowest = std::max(slowest, o.done - o.sent);
    }
    return slowest;
  }
  void ExpectBounds() {
    const packet::PacketPool& pool = world.plane().pool(0);
    const tcp::RoomBudget budget(pool.count_max(packet::kSmall), pool.count_max(packet::kLarge));
    // ACKs that wait for their port are all that may take of its lower half.
    EXPECT_GE(small_least, budget.control_reserve() / 2);
    // Between workers packets wait in mailboxes, which no budget knows of.
    EXPECT_GE(large_least, world.plane().workers() == 1 ? budget.large_reserve() : 1u);
    EXPECT_EQ(world.plane().pool_failures(), 0u);
    EXPECT_EQ(world.plane().TcpTotals().shed_slow_readers, 0u);
  }

  World world;
  SlowPod* slow = nullptr;
  uint32_t small_least = UINT32_MAX, large_least = UINT32_MAX;

 private:
  ConfigMaker config_;
};

void ExpectAllServed(const Attack& attack, uint32_t read_per_second) {
  Rig rig(attack);
  const Duration before = rig.Honest(100);
  ASSERT_EQ(rig.slow->opened(), 0);
  ASSERT_TRUE(rig.Run(kLimit, [&] { return rig.slow->opened() == kPairs; }));
  rig.slow->ReadSlowly(read_per_second, rig.world.now());
  rig.RunFor(Duration::Seconds(5));
  const Duration beside = rig.Honest(100);
  EXPECT_LE(beside, before + before + Duration::Millis(5));
  rig.world.plane().worker(0).tcp().CheckInvariants();
  rig.ExpectBounds();
  rig.slow->ReadAll();
  EXPECT_TRUE(rig.Run(kLimit, [&] { return rig.slow->whole() == kPairs; }));
  EXPECT_EQ(rig.slow->whole(), kPairs);
  EXPECT_EQ(rig.slow->broken(), 0);
  rig.ExpectBounds();
}

TEST(SlowReaders, StoppedOnesLeaveThePacketsOfOthers) { ExpectAllServed({}, 0); }

// What one worker receives, connections of the other hold.
TEST(SlowReaders, OfTwoWorkers) { ExpectAllServed({.workers = 2}, 0); }

TEST(SlowReaders, OfOneByteASecond) { ExpectAllServed({}, 1); }

TEST(SlowReaders, OfTinySegments) {
  ExpectAllServed({.bytes = 4 * 1024, .reader_window = 1024, .fast_mtu = 140}, 0);
}

}  // namespace
}  // namespace meltemi::sim
