// Goal: tables hold what consistent balancing promises: shares by weight within a bound, and few
// hashes that change their host when one goes. Method: count over the whole table, exactly.
#include "l7/config/hash_table.h"

#include <gtest/gtest.h>

#include <map>

namespace meltemi::config {
namespace {

Cluster Config(LbPolicy lb, const std::vector<uint32_t>& weights) {
  Cluster cluster;
  cluster.stable_id = 1;
  cluster.lb = lb;
  for (uint32_t i = 0; i < weights.size(); ++i) {
    Endpoint endpoint;
    endpoint.address = {IpAddr::V4(0x0a000001 + i), 80};
    endpoint.weight = weights[i];
    cluster.endpoints.push_back(endpoint);
  }
  return cluster;
}

std::map<uint32_t, size_t> MaglevCounts(const Cluster& cluster) {
  std::map<uint32_t, size_t> counts;
  const std::vector<HashTable> tables = BuildHashTables(cluster);
  for (const uint32_t endpoint : tables[0].maglev) ++counts[endpoint];
  return counts;
}

TEST(MaglevTable, EqualHostsDifferByOnePlace) {
  for (const size_t host_count : {1, 2, 3, 10, 100, 1000}) {
    const Cluster cluster = Config(LbPolicy::kMaglev, std::vector<uint32_t>(host_count, 1));
    const auto counts = MaglevCounts(cluster);
    ASSERT_EQ(counts.size(), host_count);
    for (const auto& [endpoint, count] : counts) {
      EXPECT_GE(count, 65537 / host_count);
      EXPECT_LE(count, 65537 / host_count + 1);
    }
  }
}

TEST(MaglevTable, WeightsAreKeptToAThousandth) {
  const auto counts = MaglevCounts(Config(LbPolicy::kMaglev, {5, 3, 2, 90}));
  EXPECT_NEAR(counts.at(0), 65537 * 0.05, 65);
  EXPECT_NEAR(counts.at(1), 65537 * 0.03, 65);
  EXPECT_NEAR(counts.at(2), 65537 * 0.02, 65);
  EXPECT_NEAR(counts.at(3), 65537 * 0.90, 65);
}

TEST(MaglevTable, OneOfTenGoesAndFewOthersMove) {
  Cluster cluster = Config(LbPolicy::kMaglev, std::vector<uint32_t>(10, 1));
  const std::vector<uint32_t> before = BuildHashTables(cluster)[0].maglev;
  cluster.endpoints.pop_back();  // the other indices stay
  const std::vector<uint32_t> after = BuildHashTables(cluster)[0].maglev;
  size_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) moved += before[i] != 9 && before[i] != after[i];
  // The paper's figure 12: about as many again as had to.
  EXPECT_LT(moved, before.size() * 12 / 100);
}

TEST(RingTable, SharesFollowFromWeights) {
  const Cluster cluster = Config(LbPolicy::kRingHash, {1, 2, 5});
  const std::vector<HashTable> tables = BuildHashTables(cluster);
  ASSERT_EQ(tables.size(), 1u);
  // The lightest has 1024 / 8 points, a whole number already.
  EXPECT_EQ(tables[0].ring.size(), 1024u);
  std::map<uint32_t, size_t> counts;
  for (const HashTable::Point& point : tables[0].ring) ++counts[point.endpoint];
  EXPECT_EQ(counts, (std::map<uint32_t, size_t>{{0, 128}, {1, 256}, {2, 640}}));
}

TEST(RingTable, GrowsUntilTheLightestHasAWholePoint) {
  Cluster cluster = Config(LbPolicy::kRingHash, {1, 9999});
  EXPECT_EQ(BuildHashTables(cluster)[0].ring.size(), 10'000u);
  cluster.ring_size_max = 1024;  // then it may have none
  EXPECT_EQ(BuildHashTables(cluster)[0].ring.size(), 1024u);
  EXPECT_EQ(HashPointCount(cluster), 1024u);
}

TEST(RingTable, HashesOfTheOthersStayWhenOneGoes) {
  Cluster cluster = Config(LbPolicy::kRingHash, std::vector<uint32_t>(8, 1));
  const std::vector<HashTable::Point> before = BuildHashTables(cluster)[0].ring;
  cluster.endpoints.pop_back();
  cluster.ring_size_min = 896;  // as many points per host as before
  const std::vector<HashTable::Point> after = BuildHashTables(cluster)[0].ring;
  std::vector<uint64_t> kept, now;
  for (const HashTable::Point& point : before) {
    if (point.endpoint != 7) kept.push_back(point.hash);
  }
  for (const HashTable::Point& point : after) now.push_back(point.hash);
  EXPECT_EQ(kept, now);
}

TEST(HashTables, OnePerPriorityAndNoneWithoutEndpoints) {
  Cluster cluster = Config(LbPolicy::kMaglev, {1, 1, 1});
  cluster.endpoints[1].priority = 3;
  const std::vector<HashTable> tables = BuildHashTables(cluster);
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[1].priority, 3u);
  EXPECT_EQ(tables[1].maglev, std::vector<uint32_t>(65537, 1));
  EXPECT_EQ(HashPointCount(cluster), 2 * 65537u);
  EXPECT_TRUE(BuildHashTables(Config(LbPolicy::kMaglev, {})).empty());
  EXPECT_TRUE(BuildHashTables(Config(LbPolicy::kRandom, {1})).empty());
}

TEST(HashTableCache, KeepsUntilSomethingChanges) {
  HashTableCache cache;
  Cluster cluster = Config(LbPolicy::kMaglev, {1, 1});
  const auto first = cache.Get(cluster)[0].maglev;
  cache.Commit();
  EXPECT_EQ(cache.Get(cluster)[0].maglev, first);
  cluster.endpoints[0].weight = 2;
  EXPECT_EQ(cache.Get(cluster)[0].maglev, BuildHashTables(cluster)[0].maglev);
}

TEST(IsPrime, Small) {
  std::vector<uint32_t> primes;
  for (uint32_t i = 0; i < 30; ++i) {
    if (IsPrime(i)) primes.push_back(i);
  }
  EXPECT_EQ(primes, (std::vector<uint32_t>{2, 3, 5, 7, 11, 13, 17, 19, 23, 29}));
  EXPECT_TRUE(IsPrime(65537));
  EXPECT_TRUE(IsPrime(kMaglevSizeMax));
}

}  // namespace
}  // namespace meltemi::config
