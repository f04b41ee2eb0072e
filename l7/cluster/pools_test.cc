// Goal: requests go to priorities, to healthy or degraded hosts and to localities as the shares
// say. Method: pools' loads exactly (Envoy's documented figures), then who is picked.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "l7/cluster/cluster.h"
#include "l7/config/hash_table.h"

namespace meltemi::cluster {
namespace {

struct Group {  // hosts of one priority and locality
  uint32_t count = 0, healthy = 0, degraded = 0;
  uint32_t priority = 0;
  std::string locality = {};
  uint32_t locality_weight = 0;
};

// Host i of group g is at 10.0.g.i.
config::Cluster Config(const std::vector<Group>& groups,
                       config::LbPolicy lb = config::LbPolicy::kRoundRobin) {
  config::Cluster config;
  config.stable_id = 1;
  config.lb = lb;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (uint32_t i = 0; i < groups[g].count; ++i) {
      config::Endpoint endpoint;
      endpoint.address = {IpAddr::V4(0x0a000000 + static_cast<uint32_t>(g << 8) + i), 80};
      endpoint.priority = groups[g].priority;
      endpoint.locality = groups[g].locality;
      endpoint.locality_weight = groups[g].locality_weight;
      endpoint.stable_id = static_cast<uint32_t>(config.endpoints.size() + 1);
      endpoint.health = i < groups[g].healthy                        ? config::Health::kHealthy
                        : i < groups[g].healthy + groups[g].degraded ? config::Health::kDegraded
                                                                     : config::Health::kUnhealthy;
      config.endpoints.push_back(endpoint);
    }
  }
  return config;
}

uint32_t GroupOf(const Host& host) { return host.address.ip.v4_host_order() >> 8 & 255; }

class PoolsTest : public ::testing::Test {
 protected:
  void Update(const config::Cluster& config) {
    cluster_.Update(config, prng_, Instant(), &closing_);
  }
  // "group:hosts:per mille of the requests" of each pool, "!" in panic.
  std::string Pools() const {
    uint64_t total = 0;
    for (const Pool& pool : cluster_.pools()) total += pool.load;
    std::string text;
    for (const Pool& pool : cluster_.pools()) {
      if (!text.empty()) text += " ";
      text += std::to_string(GroupOf(*pool.hosts[0])) + ":" + std::to_string(pool.hosts.size());
      text += ":" + std::to_string((pool.load * 1000 + total / 2) / total);
      if (pool.panic) text += "!";
    }
    return text;
  }
  std::map<uint32_t, int> Picks(int count) {
    std::map<uint32_t, int> picks;
    for (int i = 0; i < count; ++i) ++picks[GroupOf(*cluster_.Pick({}, prng_))];
    return picks;
  }
  Cluster cluster_;
  Prng prng_{3};
  std::vector<ConnId> closing_;
};

TEST_F(PoolsTest, PrioritiesShareAndHostsOfEachTakeTurns) {
  Update(Config({{.count = 10, .healthy = 5}, {.count = 2, .healthy = 2, .priority = 7}}));
  EXPECT_EQ(Pools(), "0:5:700 1:2:300");
  EXPECT_FALSE(cluster_.in_panic());
  std::map<Host*, int> of_host;
  for (int i = 0; i < 10'000; ++i) ++of_host[cluster_.Pick({}, prng_)];
  ASSERT_EQ(of_host.size(), 7u);
  for (const auto& [host, count] : of_host) {
    EXPECT_EQ(host->health, config::Health::kHealthy);
    EXPECT_NEAR(count, GroupOf(*host) == 0 ? 1400 : 1500, 60);  // 4 sigma of the group's
  }
  EXPECT_EQ(cluster_.stats.lb_healthy_panic, 0u);
}

TEST_F(PoolsTest, TheFactorIsTheAssignments) {
  config::Cluster config = Config({{10, 9}, {.count = 1, .healthy = 1, .priority = 1}});
  Update(config);
  EXPECT_EQ(Pools(), "0:9:1000");
  config.overprovisioning_percent = 100;
  Update(config);
  EXPECT_EQ(Pools(), "0:9:900 1:1:100");
}

TEST_F(PoolsTest, DegradedHostsTakeTheirShare) {
  Update(Config({{.count = 100, .healthy = 25, .degraded = 65}}));
  EXPECT_EQ(Pools(), "0:25:350 0:65:650");
  int degraded = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Host* host = cluster_.Pick({}, prng_);
    ASSERT_NE(host->health, config::Health::kUnhealthy);
    degraded += host->health == config::Health::kDegraded;
  }
  EXPECT_NEAR(degraded, 6500, 200);
}

TEST_F(PoolsTest, PanicIsOfItsPriorityOnly) {
  Update(Config({{.count = 100, .healthy = 5}, {.count = 100, .healthy = 65, .priority = 1}}));
  EXPECT_EQ(Pools(), "0:100:80! 1:65:920");
  EXPECT_TRUE(cluster_.in_panic());
  const auto picks = Picks(10'000);
  EXPECT_NEAR(picks.at(0), 800, 110);
  EXPECT_EQ(cluster_.stats.lb_healthy_panic, static_cast<uint64_t>(picks.at(0)));
}

TEST_F(PoolsTest, EjectedHostsSpill) {
  config::Cluster config = Config({{2, 2}, {.count = 1, .healthy = 1, .priority = 1}});
  config.outlier.emplace().consecutive_5xx = 1;
  config.outlier->ejection_percent_max = 100;
  Update(config);
  EXPECT_EQ(Pools(), "0:2:1000");
  cluster_.Report(cluster_.hosts()[0].get(), Outcome::kServerError, prng_, Instant::FromNanos(1));
  EXPECT_EQ(Pools(), "0:1:700 1:1:300");
  cluster_.LookAgain(prng_, Instant::FromNanos(1) + Duration::Seconds(3600));
  EXPECT_EQ(Pools(), "0:2:1000");
}

// Envoy's table for weights 1 and 2; it has whole percents: 33, 33, 32, 26, 15, 0.
TEST_F(PoolsTest, LocalitiesHaveTheirWeightAsFarAsTheyAreHealthy) {
  const struct {
    uint32_t healthy;
    const char* want;
  } rows[] = {
      {100, "0:100:333 1:100:667"},
      {72, "0:72:333 1:100:667"},
      {70, "0:70:329 1:100:671"},
      {69, "0:69:326 1:100:674"},
      {50, "0:50:259 1:100:741"},
      {25, "0:25:149 1:100:851"},
      {0, "1:100:1000"},
  };
  for (const auto& row : rows) {
    config::Cluster config =
        Config({{.count = 100, .healthy = row.healthy, .locality = "x", .locality_weight = 1},
                {.count = 100, .healthy = 100, .locality = "y", .locality_weight = 2}});
    config.panic_percent = 0;
    config.locality_weighted = true;
    Update(config);
    EXPECT_EQ(Pools(), row.want) << row.healthy;
  }
}

TEST_F(PoolsTest, LocalitiesByWeightNotByHosts) {
  config::Cluster config =
      Config({{.count = 9, .healthy = 9, .locality = "x", .locality_weight = UINT32_MAX / 4},
              {.count = 1, .healthy = 1, .locality = "y", .locality_weight = UINT32_MAX / 4 * 3},
              {.count = 1, .healthy = 1, .locality = "z"}});
  Update(config);
  EXPECT_EQ(Pools(), "0:11:1000");  // as long as the cluster does not ask for it
  config.locality_weighted = true;
  Update(config);
  EXPECT_EQ(Pools(), "0:9:250 1:1:750");  // no weight, no requests
  EXPECT_NEAR(Picks(10'000).at(1), 7500, 180);
  for (config::Endpoint& endpoint : config.endpoints) endpoint.locality_weight = 0;
  Update(config);
  EXPECT_EQ(Pools(), "0:11:1000");  // none weighs anything: as if not asked for
}

TEST_F(PoolsTest, PrioritiesComeBeforeLocalitiesAndPanicIgnoresThem) {
  const auto config = [](uint32_t second) {
    config::Cluster config = Config(
        {{.count = 2, .healthy = 1, .locality = "x", .locality_weight = 1},
         {.count = 2, .healthy = 1, .locality = "y", .locality_weight = 3},
         {.count = 3, .healthy = second, .priority = 1, .locality = "x", .locality_weight = 9}});
    config.locality_weighted = true;
    return config;
  };
  Update(config(3));
  EXPECT_EQ(Pools(), "0:1:175 1:1:525 2:3:300");
  Update(config(0));
  EXPECT_EQ(Pools(), "0:1:250 1:1:750");
  config::Cluster panic = config(0);
  panic.panic_percent = 100;
  Update(panic);
  EXPECT_EQ(Pools(), "0:4:580! 2:3:420!");  // by hosts, as in every panic of all
}

// Who was tried already may be all of its pool: the next attempt may have another.
TEST_F(PoolsTest, RetriesLeaveAPool) {
  config::Cluster config =
      Config({{.count = 1, .healthy = 1, .locality = "x", .locality_weight = 1},
              {.count = 1, .healthy = 1, .locality = "y", .locality_weight = 1}});
  config.locality_weighted = true;
  Update(config);
  Host* const tried[] = {cluster_.hosts()[0].get()};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(cluster_.Pick({.avoid = tried, .attempt_count_max = 64}, prng_),
              cluster_.hosts()[1].get());
  }
}

TEST_F(PoolsTest, AHashFindsItsPriorityAndHostAgain) {
  for (const auto lb : {config::LbPolicy::kRingHash, config::LbPolicy::kMaglev}) {
    config::Cluster config =
        Config({{.count = 10, .healthy = 5}, {.count = 4, .healthy = 4, .priority = 1}}, lb);
    config.hash_tables = config::BuildHashTables(config);
    Update(config);
    EXPECT_EQ(Pools(), "0:5:700 1:4:300");
    int first = 0;
    Prng hashes(9);
    for (int i = 0; i < 10'000; ++i) {
      const uint64_t hash = hashes.Next();
      const Host* host = cluster_.Pick({.hash = hash}, prng_);
      ASSERT_EQ(host->health, config::Health::kHealthy);
      ASSERT_EQ(cluster_.Pick({.hash = hash}, prng_), host);
      first += GroupOf(*host) == 0;
    }
    EXPECT_NEAR(first, 7000, 190);
  }
}

TEST_F(PoolsTest, NobodyIsAskedOfARemovedCluster) {
  Update(Config({{.count = 2, .healthy = 1}}));
  cluster_.Remove(&closing_);
  EXPECT_TRUE(cluster_.pools().empty());
  EXPECT_EQ(cluster_.Pick({}, prng_), nullptr);
}

}  // namespace
}  // namespace meltemi::cluster
