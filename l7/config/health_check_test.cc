// Goal: defaults, bounds and refusals of health checks. Method: whole clusters, compiled.
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/config/compile.h"

namespace meltemi::config {
namespace {

constexpr char kWaits[] =
    "timeout { seconds: 1 } interval { seconds: 10 } unhealthy_threshold { value: 3 } ";
constexpr char kNeeded[] =
    "timeout { seconds: 1 } interval { seconds: 10 } unhealthy_threshold { value: 3 } "
    "healthy_threshold { value: 2 } ";
constexpr char kHttp[] = "http_health_check { path: '/healthz' } ";

absl::StatusOr<Cluster> Compile(std::string_view check, std::string_view cluster = "") {
  envoy::config::cluster::v3::Cluster from;
  CHECK(google::protobuf::TextFormat::ParseFromString(
      Cat("name: 'c' ", cluster, " health_checks { ", check, " }"), &from));
  Compiler compiler({});
  Resources resources;
  resources.clusters = {&from};
  auto snapshot = compiler.Compile(resources);
  if (!snapshot.ok()) return snapshot.status();
  return (*snapshot)->clusters[0];
}

// What is wrong; "": nothing.
std::string Refusal(std::string_view check, std::string_view cluster = "") {
  const auto compiled = Compile(check, cluster);
  return compiled.ok() ? "" : std::string(compiled.status().message());
}
std::string WithWait(std::string_view field) { return Refusal(Cat(kNeeded, kHttp, field)); }

TEST(HealthCheck, DefaultsFollowOneAnother) {
  const auto cluster = Compile(Cat(kNeeded, kHttp));
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_FALSE(cluster->removal_ignores_health);
  HealthCheck want;
  want.timeout = Duration::Seconds(1);
  want.interval = want.unhealthy_interval = want.unhealthy_edge_interval =
      want.healthy_edge_interval = Duration::Seconds(10);
  want.no_traffic_interval = want.no_traffic_healthy_interval = Duration::Seconds(60);
  want.unhealthy_threshold = 3;
  want.healthy_threshold = 2;
  want.kind = HttpHealthCheck{.path = "/healthz"};
  EXPECT_TRUE(*cluster->health_check == want);
}

TEST(HealthCheck, EverythingGiven) {
  const auto cluster =
      Compile(Cat(kNeeded,
                  "initial_jitter { nanos: 1000000 } interval_jitter { seconds: 2 } "
                  "interval_jitter_percent: 20 reuse_connection { value: false } "
                  "no_traffic_interval { seconds: 3 } no_traffic_healthy_interval { seconds: 4 } "
                  "unhealthy_interval { seconds: 5 } unhealthy_edge_interval { seconds: 6 } "
                  "healthy_edge_interval { seconds: 7 } http_health_check { host: 'h' path: '/p' "
                  "method: HEAD codec_client_type: HTTP2 expected_statuses { start: 200 end: 300 } "
                  "retriable_statuses { start: 500 end: 600 } }"),
              "ignore_health_on_host_removal: true");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_TRUE(cluster->removal_ignores_health);
  HealthCheck want;
  want.timeout = Duration::Seconds(1);
  want.interval = Duration::Seconds(10);
  want.initial_jitter = Duration::Millis(1);
  want.interval_jitter = Duration::Seconds(2);
  want.interval_jitter_percent = 20;
  want.no_traffic_interval = Duration::Seconds(3);
  want.no_traffic_healthy_interval = Duration::Seconds(4);
  want.unhealthy_interval = Duration::Seconds(5);
  want.unhealthy_edge_interval = Duration::Seconds(6);
  want.healthy_edge_interval = Duration::Seconds(7);
  want.unhealthy_threshold = 3;
  want.healthy_threshold = 2;
  want.reuse_connection = false;
  want.kind = HttpHealthCheck{.host = "h",
                              .path = "/p",
                              .method = "HEAD",
                              .expected = {{200, 300}},
                              .retriable = {{500, 600}},
                              .http2 = true};
  EXPECT_TRUE(*cluster->health_check == want);
}

TEST(HealthCheck, PayloadsAreHexadecimal) {
  const auto cluster =
      Compile(Cat(kNeeded,
                  "tcp_health_check { send { text: '50494e47' } receive { text: '2B504f' } "
                  "receive { binary: 'NG' } }"));
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const TcpHealthCheck want{.send = "PING", .receive = {"+PO", "NG"}};
  EXPECT_TRUE(std::get<TcpHealthCheck>(cluster->health_check->kind) == want);
}

TEST(HealthCheck, RefusesByPath) {
  const struct {
    std::string check;
    const char* path;  // that the refusal names
  } rows[] = {
      {kHttp, "health_checks[0].timeout"},
      {Cat(kNeeded), "health_checks[0]"},
      {Cat(kNeeded, "http_health_check { path: 'x' }"), "health_checks[0].http_health_check.path"},
      {Cat(kNeeded, "http_health_check { path: '/a b' }"), ".path"},
      {Cat(kNeeded, "http_health_check { path: '/' host: 'a\\r\\nx: y' }"), ".host"},
      {Cat(kNeeded, "http_health_check { path: '/' method: POST }"), ".method"},
      {Cat(kNeeded, "http_health_check { path: '/' codec_client_type: HTTP3 }"),
       ".codec_client_type"},
      {Cat(kNeeded, "http_health_check { path: '/' request_headers_to_remove: 'x' }"),
       "request_headers_to_remove"},
      {Cat(kNeeded, "http_health_check { path: '/' expected_statuses { start: 99 end: 200 } }"),
       "expected_statuses[0]"},
      {Cat(kNeeded, "http_health_check { path: '/' expected_statuses { start: 200 end: 601 } }"),
       "expected_statuses[0]"},
      {Cat(kNeeded, "http_health_check { path: '/' retriable_statuses { start: 200 end: 200 } }"),
       "retriable_statuses[0]"},
      {Cat(kNeeded, "tcp_health_check { send { text: '5' } }"), "tcp_health_check.send.text"},
      {Cat(kNeeded, "tcp_health_check { send { text: 'zz' } }"), "send.text"},
      {Cat(kNeeded, "tcp_health_check { receive { text: '' } }"), "receive[0].text"},
      {Cat(kNeeded, "grpc_health_check { service_name: 'a b' }"), "service_name"},
      {Cat(kNeeded, "custom_health_check { name: 'redis' }"), "custom_health_check"},
      {Cat(kNeeded, kHttp, "alt_port { value: 1 }"), "alt_port"},
      {Cat(kNeeded, kHttp, "} health_checks { ", kNeeded, kHttp), "health_checks[0]"},
  };
  for (const auto& row : rows) {
    const std::string said = Refusal(row.check);
    EXPECT_NE(said.find(row.path), std::string::npos) << row.check << ": " << said;
  }
}

TEST(HealthCheck, BoundsAreExact) {
  EXPECT_NE(WithWait("no_traffic_interval { nanos: 999999 }"), "");
  EXPECT_EQ(WithWait("no_traffic_interval { nanos: 1000000 }"), "");
  EXPECT_EQ(WithWait("healthy_edge_interval { seconds: 86400 }"), "");
  EXPECT_NE(WithWait("healthy_edge_interval { seconds: 86400 nanos: 1 }"), "");
  EXPECT_EQ(WithWait("interval_jitter_percent: 1000"), "");
  EXPECT_NE(WithWait("interval_jitter_percent: 1001"), "");
  EXPECT_NE(Refusal(Cat(kWaits, kHttp)), "");
  EXPECT_NE(Refusal(Cat(kWaits, kHttp, "healthy_threshold { value: 0 }")), "");
  EXPECT_EQ(Refusal(Cat(kWaits, kHttp, "healthy_threshold { value: 1 }")), "");
  const auto path = [](size_t size) {
    return Refusal(Cat(kNeeded, "http_health_check { path: '/", std::string(size - 1, 'a'), "' }"));
  };
  EXPECT_EQ(path(1024), "");
  EXPECT_NE(path(1025), "");
  const auto payload = [](size_t size) {
    return Refusal(
        Cat(kNeeded, "tcp_health_check { send { text: '", std::string(2 * size, 'a'), "' } }"));
  };
  EXPECT_EQ(payload(4096), "");
  EXPECT_NE(payload(4097), "");
  const auto patterns = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "receive { text: '61' } ";
    return Refusal(Cat(kNeeded, "tcp_health_check { ", text, "}"));
  };
  EXPECT_EQ(patterns(16), "");
  EXPECT_NE(patterns(17), "");
}

TEST(HealthCheck, NotWhereTheHostsAreNotKnown) {
  EXPECT_NE(Refusal(Cat(kNeeded, kHttp), "type: ORIGINAL_DST lb_policy: CLUSTER_PROVIDED"), "");
}

TEST(HealthCheck, OfAnEndpoint) {
  const auto compile = [](uint32_t port) {
    return Compile(
        Cat(kNeeded, kHttp),
        Cat("load_assignment { endpoints { lb_endpoints { endpoint { address { socket_address { "
            "address: '10.0.0.1' port_value: 80 } } health_check_config { port_value: ",
            port, " disable_active_health_check: true } } } } }"));
  };
  const auto cluster = compile(65535);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->endpoints[0].check_port, 65535);
  EXPECT_TRUE(cluster->endpoints[0].unchecked);
  EXPECT_FALSE(compile(65536).ok());
}

}  // namespace
}  // namespace meltemi::config
