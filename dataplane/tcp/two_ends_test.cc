// Whole connections between two Tcp instances over a bad wire, on a virtual clock, by seed.
#include "dataplane/tcp/testing/two_ends.h"

#include <string>

#include "gtest/gtest.h"

namespace meltemi::tcp {
namespace {

using testing::TwoEnds;
using testing::WireOptions;

std::string Text(size_t n, uint64_t seed) {
  Prng prng(seed);
  std::string text(n, 0);
  for (char& c : text) c = static_cast<char>('a' + prng.Below(26));
  return text;
}

void Check(const WireOptions& wire, uint64_t seed, size_t up, size_t down) {
  const std::string a = Text(up, seed), b = Text(down, seed + 1000);
  TwoEnds net(wire, seed);
  EXPECT_TRUE(net.Run(a, b, Duration::Seconds(3600)))
      << "seed " << seed << " at " << net.now.nanos() / 1'000'000 << " ms: client closed "
      << net.client.closed << " error " << static_cast<int>(net.client.error) << ", server closed "
      << net.server.closed << " error " << static_cast<int>(net.server.error);
  EXPECT_TRUE(net.server.received == a) << "seed " << seed << " " << net.server.received.size();
  EXPECT_TRUE(net.client.received == b) << "seed " << seed << " " << net.client.received.size();
  EXPECT_EQ(net.client.tcp.conn_count(), 0u);
  EXPECT_EQ(net.server.tcp.conn_count(), 0u);
}

TEST(TwoEnds, CleanWireBothDirections) { Check({}, 1, 1'000'000, 1'000'000); }

TEST(TwoEnds, SuperFrames) { Check({.super_frame_bytes_max = 65'000}, 2, 3'000'000, 3'000'000); }

TEST(TwoEnds, EmptyConnectionClosesInOrder) { Check({}, 3, 0, 0); }

TEST(TwoEnds, Loss) {
  for (uint64_t seed = 1; seed <= 50; ++seed) Check({.loss_per_mille = 20}, seed, 200'000, 100'000);
}

TEST(TwoEnds, HeavyLoss) {
  for (uint64_t seed = 1; seed <= 20; ++seed) Check({.loss_per_mille = 200}, seed, 30'000, 30'000);
}

TEST(TwoEnds, ReorderingDuplicationCorruption) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Check({.loss_per_mille = 5,
           .duplicate_per_mille = 30,
           .corrupt_per_mille = 20,
           .reorder_per_mille = 100},
          seed, 200'000, 100'000);
  }
}

TEST(TwoEnds, SmallMtu) { Check({.loss_per_mille = 10, .mtu = 600}, 7, 200'000, 200'000); }

// The seed draws the wire: 200 of them, every impairment at once.
TEST(TwoEnds, WiresDrawnBySeed) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    WireOptions wire;
    wire.loss_per_mille = static_cast<int>(prng.Below(60));
    wire.duplicate_per_mille = static_cast<int>(prng.Below(50));
    wire.corrupt_per_mille = static_cast<int>(prng.Below(30));
    wire.reorder_per_mille = static_cast<int>(prng.Below(200));
    wire.delay = Duration::Micros(static_cast<int64_t>(50 + prng.Below(20'000)));
    wire.reorder_delay = Duration::Micros(static_cast<int64_t>(prng.Below(10'000)));
    wire.mtu = static_cast<uint16_t>(600 + prng.Below(8400));
    if (prng.Chance(1, 3)) wire.super_frame_bytes_max = 65'000;
    Check(wire, seed, prng.Below(400'000), prng.Below(400'000));
  }
}

TEST(TwoEnds, TenMegabytesBothWays) {
  Check({.loss_per_mille = 10, .duplicate_per_mille = 10, .reorder_per_mille = 20}, 9, 10'000'000,
        10'000'000);
}

TEST(TwoEnds, TheSameSeedIsTheSameRun) {
  const WireOptions wire{.loss_per_mille = 30, .reorder_per_mille = 50};
  uint64_t hash[2];
  for (uint64_t& h : hash) {
    TwoEnds net(wire, 42);
    EXPECT_TRUE(net.Run(Text(300'000, 5), Text(1000, 6), Duration::Seconds(600)));
    h = net.trace_hash;
  }
  EXPECT_EQ(hash[0], hash[1]);
}

}  // namespace
}  // namespace meltemi::tcp
