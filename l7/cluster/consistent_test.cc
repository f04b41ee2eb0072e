// Consistent balancers: the same hash means the same host; when one is out, only its hashes move,
// and they move back with it; another look-up for who must not get the same host again.
#include <gtest/gtest.h>

#include <map>

#include "l7/base/xx_hash.h"
#include "l7/cluster/cluster.h"
#include "l7/config/hash_table.h"

namespace meltemi::cluster {
namespace {

constexpr int kHashCount = 20'000;

class ConsistentTest : public ::testing::TestWithParam<config::LbPolicy> {
 protected:
  ConsistentTest() {
    config_.stable_id = 1;
    config_.lb = GetParam();
  }
  void Add(uint32_t weight) {
    config::Endpoint endpoint;
    endpoint.stable_id = static_cast<uint32_t>(config_.endpoints.size() + 1);
    endpoint.address = {IpAddr::V4(0x0a000000 + endpoint.stable_id), 80};
    endpoint.weight = weight;
    config_.endpoints.push_back(endpoint);
  }
  void Update() {
    config_.hash_tables = config::BuildHashTables(config_);
    cluster_.Update(config_, prng_, Instant(), &closing_);
  }
  std::vector<uint32_t> PickAll() {
    std::vector<uint32_t> picks;
    for (int i = 0; i < kHashCount; ++i) {
      Host* host = cluster_.Pick({.hash = XxHash64(std::to_string(i))}, prng_);
      picks.push_back(host == nullptr ? 0 : host->address.ip.v4_host_order() & 255);
    }
    return picks;
  }
  static std::map<uint32_t, int> Count(const std::vector<uint32_t>& picks) {
    std::map<uint32_t, int> counts;
    for (const uint32_t pick : picks) ++counts[pick];
    return counts;
  }
  config::Cluster config_;
  Cluster cluster_;
  Prng prng_{3};
  std::vector<ConnId> closing_;
};

TEST_P(ConsistentTest, TheSameHashMeansTheSameHost) {
  for (int i = 0; i < 5; ++i) Add(1);
  Update();
  EXPECT_EQ(PickAll(), PickAll());
}

TEST_P(ConsistentTest, SharesFollowTheWeights) {
  Add(1), Add(2), Add(5);
  config_.ring_size_min = 64 * 1024;  // a ring is as even as it is large
  Update();
  const auto counts = Count(PickAll());
  EXPECT_NEAR(counts.at(1), kHashCount / 8, kHashCount / 100);
  EXPECT_NEAR(counts.at(2), kHashCount / 4, kHashCount / 100);
  EXPECT_NEAR(counts.at(3), kHashCount * 5 / 8, kHashCount / 100);
}

TEST_P(ConsistentTest, OnlyTheHashesOfWhoIsOutMoveAndComeBack) {
  for (int i = 0; i < 10; ++i) Add(1);
  Update();
  const auto before = PickAll();
  config_.endpoints[3].health = config::Health::kUnhealthy;
  Update();
  const auto without = PickAll();
  for (int i = 0; i < kHashCount; ++i) {
    if (before[i] != 4) EXPECT_EQ(before[i], without[i]);
    EXPECT_NE(without[i], 4u);
  }
  // What it had goes to all others, to none of them more than half of it.
  const auto was = Count(before), is = Count(without);
  for (const auto& [host, count] : is) {
    EXPECT_LE(count, was.at(host) + was.at(4) / 2) << host;
  }
  config_.endpoints[3].health = config::Health::kHealthy;
  Update();
  EXPECT_EQ(PickAll(), before);
}

TEST_P(ConsistentTest, AnEjectedHostIsPassedOver) {
  for (int i = 0; i < 4; ++i) Add(1);
  config_.outlier.emplace().consecutive_5xx = 1;
  config_.outlier->ejection_percent_max = 50;
  Update();
  const auto before = PickAll();
  cluster_.Report(cluster_.hosts()[0].get(), OutcomeOf(500), prng_, Instant());
  ASSERT_EQ(cluster_.ejected_count(), 1u);
  const auto without = PickAll();
  for (int i = 0; i < kHashCount; ++i) {
    EXPECT_EQ(before[i] == 1, before[i] != without[i]);
  }
}

TEST_P(ConsistentTest, NearlyAllOutAndTheLastOneStillServes) {
  for (int i = 0; i < 200; ++i) Add(1);
  config_.panic_percent = 0;
  config_.ring_size_min = 100'000;
  for (size_t i = 1; i < config_.endpoints.size(); ++i) {
    config_.endpoints[i].health = config::Health::kUnhealthy;
  }
  config_.endpoints[100].health = config::Health::kHealthy;
  Update();
  EXPECT_EQ(Count(PickAll()).size(), 2u);
  EXPECT_EQ(PickAll(), PickAll());
}

TEST_P(ConsistentTest, WhoWasTriedIsAvoidedByAnotherHash) {
  for (int i = 0; i < 5; ++i) Add(1);
  Update();
  Host* first = cluster_.Pick({.hash = 42}, prng_);
  const Cluster::PickOptions again{.avoid = {&first, 1}, .attempt_count_max = 20, .hash = 42};
  Host* second = cluster_.Pick(again, prng_);
  EXPECT_NE(first, second);
  EXPECT_EQ(cluster_.Pick(again, prng_), second);
}

TEST_P(ConsistentTest, WithoutAHashItIsAnyHost) {
  for (int i = 0; i < 4; ++i) Add(1);
  Update();
  std::map<const Host*, int> counts;
  for (int i = 0; i < 4000; ++i) ++counts[cluster_.Pick({}, prng_)];
  for (const auto& [host, count] : counts) EXPECT_NEAR(count, 1000, 120);
}

TEST_P(ConsistentTest, TheNextPriorityHasATableOfItsOwn) {
  Add(1), Add(1), Add(1);
  config_.endpoints[1].priority = config_.endpoints[2].priority = 1;
  Update();
  EXPECT_EQ(Count(PickAll()), (std::map<uint32_t, int>{{1, kHashCount}}));
  config_.endpoints[0].health = config::Health::kUnhealthy;
  Update();
  const auto counts = Count(PickAll());
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(1));
}

INSTANTIATE_TEST_SUITE_P(Policies, ConsistentTest,
                         ::testing::Values(config::LbPolicy::kRingHash, config::LbPolicy::kMaglev),
                         [](const auto& info) {
                           return info.param == config::LbPolicy::kRingHash ? "Ring" : "Maglev";
                         });

}  // namespace
}  // namespace meltemi::cluster
