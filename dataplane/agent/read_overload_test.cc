// Goal: the bootstrap file's overload_manager arrives, and every mistake in it is named. Method:
// whole files in, values or the one message out.
#include <string>
#include <utility>
#include <vector>

#include "dataplane/agent/bootstrap.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr char kOverload[] = R"(
node: {id: node-a}
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: envoy.resource_monitors.fixed_heap
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
      max_heap_size_bytes: 2147483648
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: 1000
  - name: envoy.resource_monitors.cpu_utilization
  - name: meltemi.resource_monitors.connection_memory
  actions:
  - name: envoy.overload_actions.stop_accepting_requests
    triggers:
    - name: envoy.resource_monitors.fixed_heap
      threshold: {value: 0.95}
    - name: envoy.resource_monitors.cpu_utilization
      scaled: {scaling_threshold: 0.8, saturation_threshold: 1}
)";

TEST(ReadOverload, TheManagerIsEnvoys) {
  const auto b = ParseBootstrap(kOverload, "node.yaml");
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_TRUE(b->overload.has_value());
  EXPECT_EQ(b->overload->refresh_interval, Duration::Millis(250));
  EXPECT_EQ(b->overload->most, (std::array<uint64_t, 4>{2147483648, 1000, 1, 1}));
  using policy::Resource;
  EXPECT_EQ(b->overload->actions[0], (std::vector<policy::OverloadTrigger>{
                                         {Resource::kHeap, 0.95, 0.95}, {Resource::kCpu, 0.8, 1}}));
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(b->overload->actions[i].empty());
  const auto none = ParseBootstrap("node: {id: n}", "node.yaml");
  EXPECT_FALSE(none->overload.has_value());
}

TEST(ReadOverload, AMistakeIsNamed) {
  const auto overload = [](std::string_view text) {
    return Cat("{node: {id: n}, overload_manager: {", text, "}}");
  };
  const auto action = [&](std::string_view trigger) {
    return overload(Cat(
        "resource_monitors: [{name: envoy.resource_monitors.cpu_utilization}], actions: [{name: "
        "envoy.overload_actions.stop_accepting_requests, triggers: [{",
        trigger, "}]}]"));
  };
  constexpr char kTrigger[] = "overload_manager.actions[0].triggers[0]";
  constexpr char kCpu[] = "name: envoy.resource_monitors.cpu_utilization, ";
  const std::pair<std::string, std::string> mistakes[] = {
      {overload("refresh_interval: 0s"),
       "overload_manager.refresh_interval: must be from 0.001s to 3600s, not \"0s\""},
      {overload("refresh_interval: soon"),
       "overload_manager.refresh_interval: must be from 0.001s to 3600s, not \"soon\""},
      {overload("loadshed_points: []"), "overload_manager.loadshed_points: unknown field"},
      {overload("resource_monitors: [{name: envoy.resource_monitors.injected_resource}]"),
       "overload_manager.resource_monitors[0].name: there is no monitor "
       "\"envoy.resource_monitors.injected_resource\""},
      {overload("resource_monitors: [{name: envoy.resource_monitors.fixed_heap}]"),
       "overload_manager.resource_monitors[0].typed_config.@type: must be "
       "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig"},
      {overload("actions: [{name: envoy.overload_actions.shrink_heap}]"),
       "overload_manager.actions[0].name: there is no action "
       "\"envoy.overload_actions.shrink_heap\""},
      {overload("actions: [{name: envoy.overload_actions.stop_accepting_requests}]"),
       "overload_manager.actions[0].triggers: is required"},
      {action("name: envoy.resource_monitors.fixed_heap, threshold: {value: 1}"),
       Cat(kTrigger,
           ".name: \"envoy.resource_monitors.fixed_heap\" is not one of resource_monitors")},
      {action(Cat(kCpu, "threshold: {value: 1.1}")),
       Cat(kTrigger, ".threshold.value: must be a number from 0 to 1, not \"1.1\"")},
      {action(Cat(kCpu, "threshold: {value: nan}")),
       Cat(kTrigger, ".threshold.value: must be a number from 0 to 1, not \"nan\"")},
      {action(Cat(kCpu, "scaled: {scaling_threshold: 0.9, saturation_threshold: 0.9}")),
       Cat(kTrigger, ".scaled.scaling_threshold: must be less than saturation_threshold")},
      {action(kCpu), Cat(kTrigger, ": needs one of threshold and scaled")},
  };
  for (const auto& [text, want] : mistakes) {
    EXPECT_EQ(std::string(ParseBootstrap(text, "node.yaml").status().message()),
              Cat("node.yaml: ", want))
        << text;
  }
}

}  // namespace
}  // namespace meltemi::agent
