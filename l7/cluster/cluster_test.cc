// Balancers keep their proportions, health decides who takes part, changes keep what lives.
#include "l7/cluster/cluster.h"

#include <gtest/gtest.h>

#include <map>

namespace meltemi::cluster {
namespace {

config::Cluster Config(std::vector<uint32_t> weights, config::LbPolicy lb) {
  config::Cluster config;
  config.name = "c";
  config.stable_id = 1;
  config.lb = lb;
  for (size_t i = 0; i < weights.size(); ++i) {
    config::Endpoint endpoint;
    endpoint.address = {IpAddr::V4(0x0a000001 + static_cast<uint32_t>(i)), 80};
    endpoint.weight = weights[i];
    endpoint.stable_id = static_cast<uint32_t>(i + 1);
    config.endpoints.push_back(endpoint);
  }
  return config;
}

class ClusterTest : public ::testing::Test {
 protected:
  void Update(const config::Cluster& config) {
    cluster_.Update(config, prng_, Instant(), &closing_);
  }
  // How often each host (by its port's... its last byte) is picked; each pick keeps `busy` running.
  std::map<uint32_t, int> Picks(int count, bool busy = false) {
    std::map<uint32_t, int> picks;
    for (int i = 0; i < count; ++i) {
      Host* host = cluster_.Pick({}, prng_);
      if (host == nullptr) continue;
      if (busy) ++host->rq_active;
      ++picks[host->address.ip.v4_host_order() & 255];
    }
    return picks;
  }
  Cluster cluster_;
  Prng prng_{3};
  std::vector<ConnId> closing_;
};

TEST_F(ClusterTest, RoundRobinIsEven) {
  Update(Config({1, 1, 1}, config::LbPolicy::kRoundRobin));
  EXPECT_EQ(Picks(300), (std::map<uint32_t, int>{{1, 100}, {2, 100}, {3, 100}}));
}

TEST_F(ClusterTest, RoundRobinKeepsWeightsExactly) {
  Update(Config({5, 3, 2}, config::LbPolicy::kRoundRobin));
  EXPECT_EQ(Picks(1000), (std::map<uint32_t, int>{{1, 500}, {2, 300}, {3, 200}}));
}

TEST_F(ClusterTest, LeastRequestPrefersTheLessLoaded) {
  Update(Config({1, 1}, config::LbPolicy::kLeastRequest));
  cluster_.hosts()[0]->rq_active = 10;
  const auto picks = Picks(1000);
  // The loaded one is taken only when it is drawn twice: a quarter.
  EXPECT_NEAR(picks.at(1), 250, 60);
}

TEST_F(ClusterTest, LeastRequestEvensOut) {
  Update(Config({1, 1, 1, 1}, config::LbPolicy::kLeastRequest));
  for (const auto& [host, count] : Picks(400, /*busy=*/true)) EXPECT_NEAR(count, 100, 4) << host;
}

TEST_F(ClusterTest, LeastRequestWithWeights) {
  Update(Config({3, 1}, config::LbPolicy::kLeastRequest));
  EXPECT_EQ(Picks(1000), (std::map<uint32_t, int>{{1, 750}, {2, 250}}));
  cluster_.hosts()[0]->rq_active = 11;  // 3 / 12 against 1 / 1
  EXPECT_NEAR(Picks(1000).at(1), 200, 10);
}

TEST_F(ClusterTest, RandomIsEven) {
  Update(Config({1, 1}, config::LbPolicy::kRandom));
  EXPECT_NEAR(Picks(10'000).at(1), 5000, 170);
}

TEST_F(ClusterTest, UnhealthyHostsAreLeftOut) {
  config::Cluster config = Config({1, 1, 1}, config::LbPolicy::kRoundRobin);
  config.endpoints[0].health = config::Health::kUnhealthy;
  Update(config);
  EXPECT_EQ(Picks(100), (std::map<uint32_t, int>{{2, 50}, {3, 50}}));
  EXPECT_EQ(cluster_.healthy_count(), 2u);
  EXPECT_EQ(cluster_.member_count(), 3u);
}

TEST_F(ClusterTest, PanicUsesAll) {
  config::Cluster config = Config({1, 1, 1}, config::LbPolicy::kRoundRobin);
  config.endpoints[0].health = config.endpoints[1].health = config::Health::kUnhealthy;
  Update(config);  // 33 % < 50 %
  EXPECT_TRUE(cluster_.in_panic());
  EXPECT_EQ(Picks(99).size(), 3u);
  config.panic_percent = 33;  // Boundary: 100 >= 99
  Update(config);
  EXPECT_FALSE(cluster_.in_panic());
  EXPECT_EQ(Picks(99).size(), 1u);
}

TEST_F(ClusterTest, NobodyHealthyWithoutPanicIsNobody) {
  config::Cluster config = Config({1}, config::LbPolicy::kRoundRobin);
  config.endpoints[0].health = config::Health::kUnhealthy;
  config.panic_percent = 0;
  Update(config);
  EXPECT_EQ(cluster_.Pick({}, prng_), nullptr);
  EXPECT_EQ(cluster_.stats.cx_none_healthy, 1u);
}

TEST_F(ClusterTest, DegradedHostsWhenNobodyIsHealthy) {
  config::Cluster config = Config({1, 1}, config::LbPolicy::kRoundRobin);
  config.endpoints[0].health = config::Health::kDegraded;
  config.endpoints[1].health = config::Health::kUnhealthy;
  Update(config);
  EXPECT_EQ(Picks(10), (std::map<uint32_t, int>{{1, 10}}));
  EXPECT_FALSE(cluster_.in_panic());
}

TEST_F(ClusterTest, NextPriorityWhenTheFirstIsDown) {
  config::Cluster config = Config({1, 1}, config::LbPolicy::kRoundRobin);
  config.endpoints[1].priority = 1;
  Update(config);
  EXPECT_EQ(Picks(10), (std::map<uint32_t, int>{{1, 10}}));
  config.endpoints[0].health = config::Health::kUnhealthy;
  Update(config);
  EXPECT_EQ(Picks(10), (std::map<uint32_t, int>{{2, 10}}));
}

TEST_F(ClusterTest, AvoidsTriedHostsUpToTheBound) {
  Update(Config({1, 1, 1}, config::LbPolicy::kRoundRobin));
  Host* first = cluster_.Pick({}, prng_);
  for (int i = 0; i < 10; ++i) {
    Host* const tried[] = {first};
    EXPECT_NE(cluster_.Pick({.avoid = tried, .attempt_count_max = 5}, prng_), first);
  }
  Host* const all[] = {cluster_.hosts()[0].get(), cluster_.hosts()[1].get(),
                       cluster_.hosts()[2].get()};
  EXPECT_NE(cluster_.Pick({.avoid = all, .attempt_count_max = 5}, prng_), nullptr);
}

TEST_F(ClusterTest, HostsKeepTheirStateOverUpdates) {
  config::Cluster config = Config({1, 1}, config::LbPolicy::kRoundRobin);
  Update(config);
  Host* second = cluster_.hosts()[1].get();
  second->rq_active = 3;
  second->idle = {ConnId{5, 1}};
  Host* first = cluster_.hosts()[0].get();
  first->idle = {ConnId{9, 1}};
  first->cx_active = 1;
  config.endpoints.erase(config.endpoints.begin());
  Update(config);
  EXPECT_EQ(cluster_.hosts()[0].get(), second);
  EXPECT_EQ(second->rq_active, 3u);
  EXPECT_EQ(closing_, std::vector<ConnId>{(ConnId{9, 1})});
  ASSERT_EQ(cluster_.hosts().size(), 2u);  // still drains
  EXPECT_FALSE(cluster_.Sweep());
  first->cx_active = 0;
  EXPECT_FALSE(cluster_.Sweep());
  EXPECT_EQ(cluster_.hosts().size(), 1u);
  EXPECT_EQ(cluster_.stats.membership_change, 2u);
}

TEST_F(ClusterTest, OriginalDestinationHostsAreMadeOnceEach) {
  config::Cluster config = Config({}, config::LbPolicy::kClusterProvided);
  config.discovery = config::Discovery::kOriginalDst;
  Update(config);
  const SockAddr a{IpAddr::V4(1), 1}, b{IpAddr::V4(2), 1};
  Host* host = cluster_.Pick({.original_destination = a}, prng_);
  EXPECT_EQ(host->address, a);
  EXPECT_EQ(cluster_.Pick({.original_destination = a}, prng_), host);
  EXPECT_NE(cluster_.Pick({.original_destination = b}, prng_), host);
}

TEST_F(ClusterTest, OriginalDestinationHostsAreBounded) {
  config::Cluster config = Config({}, config::LbPolicy::kClusterProvided);
  config.discovery = config::Discovery::kOriginalDst;
  Update(config);
  for (uint32_t i = 0; i < kOriginalDstHostCountMax; ++i) {
    cluster_.Pick({.original_destination = {IpAddr::V4(i + 1), 1}}, prng_)->cx_active = 1;
  }
  EXPECT_EQ(cluster_.Pick({.original_destination = {IpAddr::V4(0xffffff), 1}}, prng_), nullptr);
  cluster_.hosts()[7]->cx_active = 0;
  EXPECT_NE(cluster_.Pick({.original_destination = {IpAddr::V4(0xffffff), 1}}, prng_), nullptr);
  EXPECT_EQ(cluster_.hosts().size(), kOriginalDstHostCountMax);
}

TEST(ClusterSetTest, ClustersComeAndGo) {
  ClusterSet set;
  Prng prng(1);
  std::vector<ConnId> closing;
  config::Snapshot snapshot;
  snapshot.clusters.push_back(Config({1}, config::LbPolicy::kRoundRobin));
  set.Update(snapshot, prng, Instant(), &closing);
  Cluster* cluster = set.Find(1);
  ASSERT_NE(cluster, nullptr);
  cluster->rq_active.Enter();
  const config::Snapshot empty;
  set.Update(empty, prng, Instant(), &closing);
  ASSERT_EQ(set.Find(1), cluster);  // in use
  EXPECT_TRUE(cluster->removed());
  EXPECT_EQ(cluster->Pick({}, prng), nullptr);
  cluster->rq_active.Leave();
  set.Update(empty, prng, Instant(), &closing);
  EXPECT_EQ(set.Find(1), nullptr);
  EXPECT_TRUE(set.ordered().empty());
}

}  // namespace
}  // namespace meltemi::cluster
