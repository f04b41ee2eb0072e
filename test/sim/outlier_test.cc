// Goal: outlier detection is one of the node while real workers carry the requests: a server that
// fails half of them is out at all workers in the same interval, once, for as long as it is said.
// Method: five servers, two workers, one of the servers ill; who answered when.
#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/telemetry/sample.h"
#include "test/sim/config.h"
#include "test/sim/expect.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

constexpr int kServers = 5, kIll = 2;
constexpr Duration kInterval = Duration::Seconds(10);

WorldOptions Load(uint64_t requests) {
  WorldOptions o;
  o.plane.workers = 2;
  o.clients = 2;
  o.pod_servers = 2;
  o.uplink_servers = 3;
  o.ipv6 = false;
  o.load.request_count = requests;
  o.load.connection_count = 8;
  // 160 of an interval to each server: enough for a rate (100), but not of one worker alone.
  o.load.think_max = Duration::Millis(400);
  return o;
}

ConfigSpec WithDetection(World& world) {
  ConfigSpec spec{.clusters = {{.name = "all"}}, .routes = {{.cluster = "all"}}};
  for (int i = 0; i < kServers; ++i) {
    spec.clusters[0].endpoints.push_back(world.server_address(i));
  }
  config::OutlierDetection outlier;
  outlier.consecutive_5xx = 0;
  outlier.interval = kInterval;
  outlier.ejection_percent_max = 20;
  spec.clusters[0].outlier = outlier;
  return spec;
}

// When the ill server answered requests that were sent in [from, to).
std::vector<Instant> AnswersOfTheIll(World& world, Instant from, Instant to) {
  std::vector<Instant> times;
  for (int i = 0; i < world.client_count(); ++i) {
    for (const Outcome& o : world.client(i).outcomes()) {
      if (o.replies > 0 && o.server == world.server(kIll).name() && o.sent >= from && o.sent < to) {
        times.push_back(o.done);
      }
    }
  }
  return times;
}

double SampleOf(World& world, int worker, const std::string& name) {
  std::vector<telemetry::Sample> samples;
  world.plane().worker(worker).engine().AppendSamples(&samples);
  for (const telemetry::Sample& sample : samples) {
    if (sample.name == "envoy_cluster_outlier_detection_" + name) return sample.value;
  }
  return -1;
}

// What this worker balances by.
bool IsOutAt(World& world, int worker) {
  std::string text;
  world.plane().worker(worker).engine().AppendClusters(&text);
  return text.find(world.server_address(kIll).ToString() +
                   "::health_flags::/failed_outlier_check") != std::string::npos;
}

TEST(SimOutlier, AServerThatFailsHalfIsOutAtBothWorkersInTheSameInterval) {
  World world(Load(5000));
  ConfigMaker config;
  world.server(kIll).SetFailEvery(2);
  const Instant begin = world.now();
  world.plane().Publish(config.Make(WithDetection(world)));
  const Duration slack = Duration::Millis(1);
  world.RunFor(kInterval - slack);
  for (int worker = 0; worker < 2; ++worker) {
    EXPECT_FALSE(IsOutAt(world, worker));
    EXPECT_GT(world.plane().worker(worker).engine().counters().requests, 200u);
  }
  world.RunFor(Duration::Millis(500));
  for (int worker = 0; worker < 2; ++worker) EXPECT_TRUE(IsOutAt(world, worker)) << worker;
  EXPECT_EQ(SampleOf(world, 0, "ejections_enforced_success_rate"), 1);
  EXPECT_EQ(SampleOf(world, 1, "ejections_enforced_success_rate"), 0);
  EXPECT_EQ(SampleOf(world, 1, "ejections_active"), 1);
  // Back after 30 s, and out again 10 s later: then for twice as long.
  world.RunFor(Duration::Seconds(112) - (world.now() - begin));
  const Instant ejected = begin + kInterval, settled = ejected + Duration::Millis(500);
  EXPECT_GT(AnswersOfTheIll(world, begin, ejected).size(), 100u);
  EXPECT_EQ(AnswersOfTheIll(world, settled, begin + Duration::Seconds(40)).size(), 0u);
  EXPECT_GT(
      AnswersOfTheIll(world, begin + Duration::Seconds(40), begin + Duration::Seconds(50)).size(),
      100u);
  EXPECT_EQ(AnswersOfTheIll(world, begin + Duration::Millis(50'500), begin + Duration::Seconds(110))
                .size(),
            0u);
  EXPECT_GT(AnswersOfTheIll(world, begin + Duration::Seconds(110), world.now()).size(), 0u);
  EXPECT_EQ(SampleOf(world, 0, "ejections_enforced_total"), 2);
  EXPECT_EQ(world.Errors(), "");
  ASSERT_TRUE(world.RunUntilClosed(Duration::Seconds(900)));
  ExpectNothingLeft(world);
}

// All of them are ill, by errors in a row: two of five may be out, and no third at any worker.
TEST(SimOutlier, TheShareHoldsForTheNode) {
  World world(Load(500));
  ConfigMaker config;
  for (int i = 0; i < kServers; ++i) world.server(i).SetFailEvery(1);
  ConfigSpec spec = WithDetection(world);
  spec.clusters[0].outlier->consecutive_5xx = 5;
  spec.clusters[0].outlier->ejection_percent_max = 59;
  spec.clusters[0].outlier->enforcing_success_rate = 0;
  world.plane().Publish(config.Make(spec));
  world.RunFor(Duration::Seconds(5));
  const auto sum = [&](const std::string& name) {
    return SampleOf(world, 0, name) + SampleOf(world, 1, name);
  };
  EXPECT_EQ(SampleOf(world, 0, "ejections_active"), 2);
  EXPECT_EQ(SampleOf(world, 1, "ejections_active"), 2);
  EXPECT_EQ(sum("ejections_enforced_consecutive_5xx"), 2);
  EXPECT_GT(sum("ejections_overflow"), 0);
  EXPECT_EQ(world.Errors(), "");
  ASSERT_TRUE(world.RunUntilClosed(Duration::Seconds(900)));
  ExpectNothingLeft(world);
}

}  // namespace
}  // namespace meltemi::sim
