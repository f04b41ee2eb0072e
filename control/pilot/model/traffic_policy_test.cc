// Goal: what a DestinationRule says of warm-up and outliers is read, or refused by name. Method: a
// table of policies.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/testing/built.h"

namespace meltemi::control::pilot::model {
namespace {

Built ReadPolicy(const std::string& policy) {
  return Build(
      absl::StrCat("{apiVersion: networking.istio.io/v1, kind: DestinationRule, ",
                   "metadata: {name: d}, spec: {host: a, trafficPolicy: {", policy, "}}}\n"),
      Until::kParsed);
}

struct Row {
  std::string policy, problem;  // after "spec.trafficPolicy."; empty: none
};
void Expect(const std::string& block, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    std::vector<std::string> want;
    if (!row.problem.empty()) {
      want.push_back(absl::StrCat("f.yaml: DestinationRule default/d: spec.trafficPolicy.", block,
                                  ".", row.problem));
    }
    EXPECT_EQ(ReadPolicy(absl::StrCat(block, ": {", row.policy, "}")).problems, want) << row.policy;
  }
}

TEST(TrafficPolicy, WarmupIsRead) {
  constexpr char kUseless[] = ": has no effect but with ROUND_ROBIN and LEAST_REQUEST";
  Expect(
      "loadBalancer",
      {{"warmup: {duration: 1ms}", ""},
       {"simple: LEAST_CONN, warmupDurationSecs: 30s", ""},
       {"warmup: {}", "warmup.duration: required"},
       {"warmup: {duration: 0s}", "warmup.duration: must be >= 1ms"},
       {"warmup: {duration: 1s, minimumPercent: 101}",
        "warmup.minimumPercent: must be between 0 and 100"},
       {"warmup: {duration: 1s, aggression: 0.5}", "warmup.aggression: must be between 1 and 1000"},
       {"simple: RANDOM, warmup: {duration: 1s}", absl::StrCat("warmup", kUseless)},
       {"simple: PASSTHROUGH, warmupDurationSecs: 1s",
        absl::StrCat("warmupDurationSecs", kUseless)},
       {"consistentHash: {useSourceIp: true}, warmup: {duration: 1s}",
        absl::StrCat("warmup", kUseless)}});
}

TEST(TrafficPolicy, LocalityLbSettingIsRead) {
  constexpr char kTwo[] = ".distribute: give only one of distribute, failover, failoverPriority";
  const std::vector<Row> rows = {
      {"enabled: false", ""},
      {"distribute: [{from: 'a/*', to: {'a/*': 80, b: 20}}]", ""},
      {"distribute: [{from: a, to: {a: 80, b: 21}}]",
       ".distribute[0].to: must add up to 100, is 101"},
      {"distribute: [{from: a, to: {a: 100, b: 0}}]",
       ".distribute[0].to.b: must be a whole number in 1..100"},
      {"distribute: [{to: {a: 100}}]", ".distribute[0].from: required"},
      {"failover: [{from: a, to: b}], failoverPriority: [topology.istio.io/subzone]", ""},
      {"failover: [{from: a, to: a}]", ".failover[0].to: must be another region"},
      {"failover: [{from: a/b, to: c}]",
       ".failover[0].from: must be a region, without \"/\" and \"*\""},
      {"failoverPriority: [version]", ".failoverPriority: \"version\" is not supported yet"},
      {"distribute: [{from: a, to: {a: 100}}], failover: [{from: a, to: b}]", kTwo},
      {"distribute: [{from: a, to: {a: 100}}], failoverPriority: [topology.kubernetes.io/zone]",
       kTwo},
  };
  for (const Row& row : rows) {
    std::vector<std::string> want;
    if (!row.problem.empty()) {
      want.push_back(absl::StrCat("f.yaml: DestinationRule default/d: spec.trafficPolicy.",
                                  "loadBalancer.localityLbSetting", row.problem));
    }
    EXPECT_EQ(ReadPolicy(absl::StrCat("loadBalancer: {localityLbSetting: {", row.policy,
                                      "}}, outlierDetection: {}"))
                  .problems,
              want)
        << row.policy;
  }
}

TEST(TrafficPolicy, FailoverNeedsOutlierDetection) {
  constexpr char kWant[] =
      "f.yaml: DestinationRule default/d: spec.trafficPolicy.outlierDetection: required for "
      "failover by locality";
  for (const char* setting :
       {"failover: [{from: a, to: b}]", "failoverPriority: [topology.kubernetes.io/region]"}) {
    EXPECT_EQ(
        ReadPolicy(absl::StrCat("loadBalancer: {localityLbSetting: {", setting, "}}")).problems,
        std::vector<std::string>{kWant});
  }
}

TEST(TrafficPolicy, OutlierDetectionIsRead) {
  Expect("outlierDetection", {{"", ""},
                              {"consecutiveErrors: 3, minHealthPercent: 100", ""},
                              {"consecutiveErrors: -1", "consecutiveErrors: must be >= 0"},
                              {"interval: 0s", "interval: must be >= 1ms"},
                              {"maxEjectionPercent: 101", "maxEjectionPercent: must be <= 100"},
                              {"maxEjectionTime: 1s", "maxEjectionTime: unknown field"}});
}

// As Istio: gateway errors and no others, unless these are named.
TEST(TrafficPolicy, ConsecutiveErrorsAreOfTheGateway) {
  const struct {
    std::string policy;
    std::optional<uint32_t> gateway, of_5xx;
  } rows[] = {{"consecutiveErrors: 3", 3, 0},
              {"consecutiveErrors: 0", std::nullopt, std::nullopt},
              {"consecutiveErrors: 3, consecutiveGatewayErrors: 4", 4, 0},
              {"consecutiveErrors: 3, consecutive5xxErrors: 5", 3, 5}};
  for (const auto& row : rows) {
    const Built read = ReadPolicy(absl::StrCat("outlierDetection: {", row.policy, "}"));
    ASSERT_EQ(read.objects.destination_rules.size(), 1u);
    const auto& outlier = read.objects.destination_rules[0].policy.all.outlier;
    ASSERT_TRUE(outlier.has_value());
    EXPECT_EQ(outlier->consecutive_gateway, row.gateway) << row.policy;
    EXPECT_EQ(outlier->consecutive_5xx, row.of_5xx) << row.policy;
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::model
