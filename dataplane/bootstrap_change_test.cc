// Goal: a running node takes a bootstrap file that differs in ports, workloads and routes only, and
// names what else differs; what the data plane has no room for is refused when the file is read.
#include "dataplane/bootstrap_change.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

constexpr char kFile[] = R"(
node: {id: node-a, cluster: c, metadata: {team: blue}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}}
dynamic_resources:
  ads_config: {api_type: GRPC, grpc_services: [{google_grpc: {target_uri: "10.0.0.1:15010"}}]}
static_resources:
  clusters: [{name: one}]
  listeners: [{name: one}]
meltemi:
  workers: 1
  cpus: [0]
  busy_poll_us_max: 50
  idle_nap_us_max: 100
  memory_mb: 64
  hugepages: false
  access_log_path: /log
  connections_max: 100
  ca: {address: "10.0.0.1:15012", roots_path: /roots, token_path: /token}
  ports: [{name: p, device: "veth:p", workload: w.default, addresses: [10.1.0.1/24]}]
  routes: [{prefix: 10.2.0.0/16, via: 10.1.0.2, port: p}]
  workloads: [{name: w, addresses: [10.1.0.10], port: p}]
)";

absl::StatusOr<agent::Bootstrap> With(std::string_view from, std::string_view to) {
  std::string text = kFile;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return agent::ParseBootstrap(text.replace(at, from.size(), to), "file");
}

absl::Status Reload(std::string_view from, std::string_view to) {
  const auto running = agent::ParseBootstrap(kFile, "file");
  EXPECT_TRUE(running.ok()) << running.status();
  const auto next = With(from, to);
  return next.ok() ? CheckReload(*running, *next) : next.status();
}

TEST(BootstrapChange, PortsWorkloadsAndRoutesMayChange) {
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"node-a", "node-a"},
           {"veth:p", "veth:q"},
           {"10.1.0.1/24", "10.1.0.1/16"},
           {"via: 10.1.0.2", "via: 10.1.0.3"},
           {"[10.1.0.10]", "[10.1.0.10, 10.1.0.11]"},
           {"routes: [{prefix: 10.2.0.0/16, via: 10.1.0.2, port: p}]", "routes: []"}}) {
    EXPECT_TRUE(Reload(from, to).ok()) << to << ": " << Reload(from, to);
  }
}

TEST(BootstrapChange, WhatElseDiffersIsNamed) {
  struct Row {
    const char *from, *to, *field;
  };
  for (const Row& row :
       {Row{"node-a", "node-b", "node"},
        {"team: blue", "team: red", "node"},
        {"15000", "15001", "admin"},
        {"10.0.0.1:15010", "10.0.0.2:15010", "dynamic_resources"},
        {"\"10.0.0.1:15010\"", "\"10.0.0.1:15010\", channel_credentials: {ssl_credentials: {}}",
         "dynamic_resources"},
        {"listeners: [{name: one}]", "listeners: []", "static_resources.listeners"},
        {"clusters: [{name: one}]", "clusters: [{name: two}]", "static_resources.clusters"},
        {"cpus: [0]", "cpus: [1]", "meltemi.cpus"},
        {"workers: 1\n  cpus: [0]", "workers: 2\n  cpus: [0, 0]", "meltemi.workers"},
        {"poll_us_max: 50", "poll_us_max: 51", "meltemi.busy_poll_us_max"},
        {"nap_us_max: 100", "nap_us_max: 101", "meltemi.idle_nap_us_max"},
        {"memory_mb: 64", "memory_mb: 65", "meltemi.memory_mb"},
        {"hugepages: false", "hugepages: true", "meltemi.hugepages"},
        {"/log", "/logs", "meltemi.access_log_path"},
        {"connections_max: 100", "connections_max: 101", "meltemi.connections_max"},
        {"memory_mb: 64", "memory_mb: 64\n  congestion_control: NEW_RENO",
         "meltemi.congestion_control"},
        {"memory_mb: 64", "memory_mb: 64\n  tcp_keepalive: {}", "meltemi.tcp_keepalive"},
        {"/token", "/other", "meltemi.ca"}}) {
    const absl::Status status = Reload(row.from, row.to);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << row.to;
    EXPECT_EQ(Std(status.message()).substr(0, std::string_view(row.field).size() + 1),
              Cat(row.field, ":"))
        << status;
  }
}

TEST(BootstrapChange, KnowsWhichDevicesNeedDpdkMemory) {
  EXPECT_FALSE(NeedsDpdkMemory(*agent::ParseBootstrap(kFile, "file")));
  EXPECT_FALSE(NeedsDpdkMemory(*With("veth:p", "tap:p")));
  EXPECT_TRUE(NeedsDpdkMemory(*With("veth:p", "vhost:/run/p.sock")));
}

TEST(BootstrapFile, ABadDeviceNamesItsField) {
  const auto bad = With("veth:p", "vath:p");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(Std(bad.status().message()).find("meltemi.ports[0].device: device \"vath:p\""),
            std::string_view::npos)
      << bad.status();
}

TEST(BootstrapFile, AnAddressLeadsToOnePort) {
  constexpr std::string_view kFrom = "workloads: [{name: w, addresses: [10.1.0.10], port: p}";
  const auto bad = With(kFrom, Cat(kFrom, ", {name: v, addresses: [10.1.0.10], port: p}"));
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(),
            "file: meltemi.workloads[1].addresses: 10.1.0.10 is there twice");
  // Pods in the host's network share its address and have no port.
  EXPECT_TRUE(With(kFrom, Cat(kFrom, ", {name: v, addresses: [10.1.0.10]}")).ok());
}

std::string Ports(int count) {
  std::string text = "ports: [{name: p, device: \"veth:p\"}";
  for (int i = 1; i < count; ++i) AppendTo(&text, ", {name: p", i, ", device: \"veth:p", i, "\"}");
  return text + "]";
}

TEST(BootstrapFile, BoundsOfPortsAndAddresses) {
  constexpr std::string_view kFrom =
      "ports: [{name: p, device: \"veth:p\", workload: w.default, addresses: [10.1.0.1/24]}]";
  EXPECT_TRUE(With(kFrom, Ports(1023)).ok());
  EXPECT_TRUE(With(kFrom, Ports(1024)).ok());
  EXPECT_EQ(With(kFrom, Ports(1025)).status().message(),
            "file: meltemi.ports: 1025 are more than 1024");
  std::string addresses = "10.1.1.0";
  for (int i = 1; i < 64; ++i) AppendTo(&addresses, ", 10.1.1.", i);
  EXPECT_TRUE(With("addresses: [10.1.0.10]", Cat("addresses: [", addresses, "]")).ok());
  EXPECT_EQ(With("addresses: [10.1.0.10]", Cat("addresses: [10.1.0.10, ", addresses, "]"))
                .status()
                .message(),
            "file: meltemi.workloads[0].addresses: on port \"p\": 65 are more than 64");
}

}  // namespace
}  // namespace meltemi
