// Goal: every field of the bootstrap file arrives, every default holds, and every mistake is named
// with the file and the field's path. Method: whole files in, values or the one message out.
#include "dataplane/agent/bootstrap.h"

#include <fstream>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr char kWhole[] = R"(
node:
  id: node-a
  cluster: test
  locality: {region: eu, zone: "1"}
  metadata: {rack: r7}
admin:
  address:
    socket_address: {address: 127.0.0.1, port_value: 15000}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services:
    - google_grpc: {target_uri: "pilot:15010", stat_prefix: ads}
  lds_config: {ads: {}, resource_api_version: V3}
  cds_config: {ads: {}}
static_resources:
  listeners:
  - name: tcp
    address: {socket_address: {address: 0.0.0.0, port_value: 9000}}
  clusters:
  - name: backend
    connect_timeout: 0.25s
    type: STATIC
meltemi:
  workers: 2
  cpus: [3, 5]
  busy_poll_us_max: 0
  idle_nap_us_max: 0
  memory_mb: 64
  hugepages: true
  access_log_path: /dev/stdout
  connections_max: 1000
  ports:
  - name: pod-a
    device: veth:pod-a
    workload: productpage.shop
    addresses: [169.254.1.1/32, fe80::1/64]
    mtu: 9000
    mac: "02:00:00:00:00:0a"
  - {name: up, device: veth:up, kind: UPLINK}
  routes:
  - {prefix: 10.1.0.0/16, via: 10.0.0.2, port: up}
  - {prefix: "::/0", port: up}
  workloads:
  - name: productpage
    namespace: shop
    service_account: buyer
    port: pod-a
    addresses: [10.1.1.2, "fd00::2"]
    labels: {version: v1, app: productpage}
)";

Bootstrap Parse(std::string_view text) {
  auto parsed = ParseBootstrap(text, "node.yaml");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *std::move(parsed) : Bootstrap();
}

std::string Error(std::string_view text) {
  const auto parsed = ParseBootstrap(text, "node.yaml");
  return parsed.ok() ? "ok" : std::string(parsed.status().message());
}

TEST(Bootstrap, ReadsEnvoysPart) {
  const Bootstrap b = Parse(kWhole);
  EXPECT_EQ(b.node.id(), "node-a");
  EXPECT_EQ(b.node.cluster(), "test");
  EXPECT_EQ(b.node.locality().region(), "eu");
  EXPECT_EQ(b.node.locality().zone(), "1");
  EXPECT_EQ(b.node.metadata().fields().at("rack").string_value(), "r7");
  ASSERT_TRUE(b.admin.has_value());
  EXPECT_EQ(b.admin->ToString(), "127.0.0.1:15000");
  EXPECT_EQ(b.ads_target, "pilot:15010");
  ASSERT_EQ(b.listeners.size(), 1u);
  EXPECT_EQ(b.listeners[0].address().socket_address().port_value(), 9000u);
  ASSERT_EQ(b.clusters.size(), 1u);
  EXPECT_EQ(b.clusters[0].connect_timeout().nanos(), 250'000'000);
  EXPECT_NE(b.json.find("\"target_uri\":\"pilot:15010\""), std::string::npos) << b.json;
}

TEST(Bootstrap, ReadsTheSectionOfOurOwn) {
  const Bootstrap b = Parse(kWhole);
  EXPECT_EQ(b.workers, 2);
  EXPECT_EQ(b.cpus, (std::vector<int>{3, 5}));
  EXPECT_TRUE(b.busy_poll_max.zero());
  EXPECT_TRUE(b.idle_nap_max.zero());
  EXPECT_EQ(b.memory_mb, 64u);
  EXPECT_TRUE(b.hugepages);
  EXPECT_EQ(b.access_log_path, "/dev/stdout");
  EXPECT_EQ(b.connections_max, 1000u);
  ASSERT_EQ(b.ports.size(), 2u);
  const PortConfig& pod = b.ports[0];
  EXPECT_EQ(pod.name, "pod-a");
  EXPECT_EQ(pod.device, "veth:pod-a");
  EXPECT_EQ(pod.kind, PortRole::kPod);
  EXPECT_EQ(pod.workload, "productpage.shop");
  EXPECT_EQ(pod.mtu, 9000);
  EXPECT_EQ(pod.mac, (std::array<uint8_t, 6>{2, 0, 0, 0, 0, 10}));
  ASSERT_EQ(pod.addresses.size(), 2u);
  EXPECT_EQ(pod.addresses[0].first.ToString(), "169.254.1.1");
  EXPECT_EQ(pod.addresses[1].second, IpPrefix::Parse("fe80::/64"));
  EXPECT_EQ(b.ports[1].kind, PortRole::kUplink);
  ASSERT_EQ(b.routes.size(), 2u);
  EXPECT_EQ(b.routes[0].prefix, IpPrefix::Parse("10.1.0.0/16"));
  EXPECT_EQ(b.routes[0].via, IpAddr::Parse("10.0.0.2"));
  EXPECT_EQ(b.routes[0].port, "up");
  EXPECT_FALSE(b.routes[1].via.has_value());
  ASSERT_EQ(b.workloads.size(), 1u);
  const config::Workload& w = b.workloads[0].workload;
  EXPECT_EQ(w.name, "productpage");
  EXPECT_EQ(w.ns, "shop");
  EXPECT_EQ(w.service_account, "buyer");
  EXPECT_EQ(b.workloads[0].port, "pod-a");
  EXPECT_EQ(w.addresses.size(), 2u);
  EXPECT_EQ(w.labels, (std::vector<std::pair<std::string, std::string>>{{"app", "productpage"},
                                                                        {"version", "v1"}}));
}

TEST(Bootstrap, ThePilotLearnsTheWorkloadsFromTheNodesMetadata) {
  const Bootstrap b = Parse(kWhole);
  const auto& list = b.node.metadata().fields().at("WORKLOADS").list_value();
  ASSERT_EQ(list.values_size(), 1);
  const auto& fields = list.values(0).struct_value().fields();
  EXPECT_EQ(fields.at("name").string_value(), "productpage");
  EXPECT_EQ(fields.at("namespace").string_value(), "shop");
  EXPECT_EQ(fields.at("service_account").string_value(), "buyer");
  EXPECT_EQ(fields.at("addresses").list_value().values(1).string_value(), "fd00::2");
  EXPECT_EQ(fields.at("labels").struct_value().fields().at("app").string_value(), "productpage");
}

TEST(Bootstrap, DefaultsHold) {
  const Bootstrap b = Parse(R"({node: {id: n}, meltemi: {
      ports: [{name: p, device: "ring:p"}], workloads: [{name: w}]}})");
  EXPECT_FALSE(b.admin.has_value());
  EXPECT_EQ(b.ads_target, "");
  EXPECT_EQ(b.workers, 1);
  EXPECT_TRUE(b.cpus.empty());
  EXPECT_EQ(b.busy_poll_max, Duration::Micros(200));
  EXPECT_EQ(b.idle_nap_max, Duration::Millis(4));
  EXPECT_EQ(b.memory_mb, 128u);
  EXPECT_FALSE(b.hugepages);
  EXPECT_EQ(b.access_log_path, "");
  EXPECT_EQ(b.connections_max, 0u);
  EXPECT_EQ(b.ports[0].kind, PortRole::kPod);
  EXPECT_EQ(b.ports[0].mtu, 1500);
  EXPECT_FALSE(b.ports[0].mac.has_value());
  EXPECT_EQ(b.workloads[0].workload.ns, "default");
  EXPECT_EQ(b.workloads[0].workload.service_account, "default");
}

TEST(Bootstrap, JsonIsTheSame) {
  const Bootstrap b = Parse(R"({"node": {"id": "n"}, "meltemi": {"workers": 3}})");
  EXPECT_EQ(b.node.id(), "n");
  EXPECT_EQ(b.workers, 3);
}

struct Mistake {
  std::string text;
  std::string want;  // after "node.yaml: "
};

void ExpectNamed(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    EXPECT_EQ(Error(mistake.text), Cat("node.yaml: ", mistake.want)) << mistake.text;
  }
}

std::string Meltemi(std::string_view fields) {
  return Cat("{node: {id: n}, meltemi: {", fields, "}}");
}

std::string Ads(std::string_view fields) {
  return Cat("{node: {id: n}, dynamic_resources: {ads_config: {", fields, "}}}");
}

constexpr char kGoogle[] = "dynamic_resources.ads_config.grpc_services[0].google_grpc.";

std::string Google(std::string_view fields) {
  return Ads(Cat("grpc_services: [{google_grpc: {target_uri: a, ", fields, "}}]"));
}

TEST(Bootstrap, TlsToTheControlPlaneIsByFilesOrByTheCa) {
  const auto files = ParseBootstrap(
      Google("channel_credentials: {ssl_credentials: {root_certs: {filename: r}, cert_chain: "
             "{filename: c}, private_key: {filename: k}}}, channel_args: {args: "
             "{grpc.ssl_target_name_override: {string_value: pilot}}}"),
      "f");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->ads_tls, (AdsTls{"pilot", "r", "c", "k"}));
  const std::string ca = ", meltemi: {ca: {address: \"c:1\", roots_path: r, join_token_path: t}}}";
  std::string text = Google("channel_credentials: {ssl_credentials: {}}");
  text.pop_back();
  const auto own = ParseBootstrap(text + ca, "f");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(own->ads_tls, AdsTls{});
  EXPECT_EQ(ParseBootstrap(Ads("grpc_services: [{google_grpc: {target_uri: a}}]"), "f")->ads_tls,
            std::nullopt);
}

TEST(Bootstrap, MistakesInEnvoysFieldsAreNamed) {
  ExpectNamed({
      {"[]", "must be a map"},
      {"{}", "node.id: is required"},
      {"{node: {id: \"\"}}", "node.id: is required"},
      {"{node: {id: n}, layered_runtime: {}}", "layered_runtime: unknown field"},
      {"{node: {id: n}, node: {id: m}}", "node: is there twice"},
      {"{node: {id: n}, meltemi: {workers: 1, workers: 2}}", "meltemi.workers: is there twice"},
      {"{node: {id: n}, admin: {port: 1}}", "admin.port: unknown field"},
      {"{node: {id: n}, admin: {address: {pipe: {}}}}",
       "admin.address.socket_address.address: not an IP address: \"\""},
      {"{node: {id: n}, admin: {address: {socket_address: {address: localhost}}}}",
       "admin.address.socket_address.address: not an IP address: \"localhost\""},
      {"{node: {id: n}, admin: {address: {socket_address: {address: \"::1\", port_value: 65536}}}}",
       "admin.address.socket_address.port_value: must be a whole number from 0 to 65535, not "
       "\"65536\""},
      {"{node: {id: n}, dynamic_resources: {}}",
       "dynamic_resources.ads_config.grpc_services: is required"},
      {Ads("api_type: REST"),
       "dynamic_resources.ads_config.api_type: only GRPC is supported, not REST"},
      {Ads("transport_api_version: V2"),
       "dynamic_resources.ads_config.transport_api_version: only V3 is supported"},
      {Ads("grpc_services: []"), "dynamic_resources.ads_config.grpc_services: is required"},
      {Ads("grpc_services: {}"), "dynamic_resources.ads_config.grpc_services: must be a list"},
      {Ads("grpc_services: [{envoy_grpc: {}}]"),
       "dynamic_resources.ads_config.grpc_services[0].google_grpc.target_uri: is required"},
      {Ads("grpc_services: [{google_grpc: {target_uri: a}}, {google_grpc: {target_uri: b}}]"),
       "dynamic_resources.ads_config.grpc_services[1]: only one service is supported"},
      {Google("channel_credentials: {}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials: is required: no other kind is supported")},
      {Google("channel_credentials: {ssl_credentials: {}, local_credentials: {}}"),
       Cat(kGoogle, "channel_credentials.local_credentials: unknown field")},
      {Google("channel_credentials: {ssl_credentials: {root_certs: {inline_string: x}}}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials.root_certs.filename: is required: it is "
           "the only source supported")},
      {Google("channel_credentials: {ssl_credentials: {private_key: {filename: k}}}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials.cert_chain: is required: a certificate "
           "and its key go together")},
      {Google("channel_credentials: {ssl_credentials: {cert_chain: {filename: k}}}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials.private_key: is required: a certificate "
           "and its key go together")},
      {Google("channel_credentials: {ssl_credentials: {}}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials.root_certs: is required without "
           "meltemi.ca")},
      {Google("channel_credentials: {ssl_credentials: {root_certs: {filename: r}}}"),
       Cat(kGoogle,
           "channel_credentials.ssl_credentials.cert_chain: is required without "
           "meltemi.ca")},
      {Google("channel_args: {args: {grpc.ssl_target_name_override: {string_value: p}}}"),
       Cat(kGoogle, "channel_args: is for channel_credentials only")},
      {Google("channel_credentials: {ssl_credentials: {}}, channel_args: {args: {x: {}}}"),
       Cat(kGoogle, "channel_args.args.x: unknown field")},
      {"{node: {id: n}, dynamic_resources: {ads_config: {grpc_services: [{google_grpc: "
       "{target_uri: a}}]}, lds_config: {path: /x}}}",
       "dynamic_resources.lds_config.ads: is required: it is the only source supported"},
      {"{node: {id: n}, dynamic_resources: {ads_config: {grpc_services: [{google_grpc: "
       "{target_uri: a}}]}, cds_config: {ads: {}, resource_api_version: V2}}}",
       "dynamic_resources.cds_config.resource_api_version: only V3 is supported"},
      {"{node: {id: n}, static_resources: {endpoints: []}}",
       "static_resources.endpoints: unknown field"},
  });
}

TEST(Bootstrap, MistakesInOurFieldsAreNamed) {
  ExpectNamed({
      {Meltemi("workers: 0"), "meltemi.workers: must be a whole number from 1 to 64, not \"0\""},
      {Meltemi("workers: [1]"), "meltemi.workers: must be a string"},
      {Meltemi("workers: 65"), "meltemi.workers: must be a whole number from 1 to 64, not \"65\""},
      {Meltemi("cpus: [one]"), "meltemi.cpus[0]: not a CPU number"},
      {Meltemi("cpus: [-1]"), "meltemi.cpus[0]: not a CPU number"},
      {Meltemi("cpus: [1, 2]"), "meltemi.cpus: must have one entry per worker"},
      {Meltemi("busy_poll_us_max: 1.5"),
       "meltemi.busy_poll_us_max: must be a whole number from 0 to 1000000, not \"1.5\""},
      {Meltemi("memory_mb: 15"),
       "meltemi.memory_mb: must be a whole number from 16 to 1048576, not \"15\""},
      {Meltemi("hugepages: yes"), "meltemi.hugepages: must be true or false"},
      {Meltemi("connections_max: -1"),
       "meltemi.connections_max: must be a whole number from 0 to 16777216, not \"-1\""},
      {Meltemi("congestion_control: BBR"), "meltemi.congestion_control: must be CUBIC or NEW_RENO"},
      {Meltemi("tcp_keepalive: {probes: 16}"),
       "meltemi.tcp_keepalive.probes: must be a whole number from 1 to 15, not \"16\""},
      {Meltemi("tcp_keepalive: {time: 5}"), "meltemi.tcp_keepalive.time: unknown field"},
      {Meltemi("port: []"), "meltemi.port: unknown field"},
      {Meltemi("ports: [p]"), "meltemi.ports[0]: must be a map"},
      {Meltemi("ports: [{device: \"null:\"}]"), "meltemi.ports[0].name: is required"},
      {Meltemi("ports: [{name: p}]"), "meltemi.ports[0].device: is required"},
      {Meltemi("ports: [{name: p, device: \"null:\", kind: UP}]"),
       "meltemi.ports[0].kind: must be POD or UPLINK"},
      {Meltemi("ports: [{name: p, device: \"null:\", mtu: 575}]"),
       "meltemi.ports[0].mtu: must be a whole number from 576 to 65535, not \"575\""},
      {Meltemi("ports: [{name: p, device: \"null:\", mac: \"1:2:3\"}]"),
       "meltemi.ports[0].mac: not a unicast MAC address: \"1:2:3\""},
      {Meltemi("ports: [{name: p, device: \"null:\", mac: \"01:00:00:00:00:00\"}]"),
       "meltemi.ports[0].mac: not a unicast MAC address: \"01:00:00:00:00:00\""},
      {Meltemi("ports: [{name: p, device: \"null:\", addresses: [10.0.0.1/24, 10.0.0.1/33]}]"),
       "meltemi.ports[0].addresses[1]: not an address/bits: \"10.0.0.1/33\""},
      {Meltemi("ports: [{name: p, device: \"null:\", colour: red}]"),
       "meltemi.ports[0].colour: unknown field"},
  });
}

TEST(Bootstrap, ReadsWhatConcernsTcp) {
  const Bootstrap b =
      Parse(Meltemi("congestion_control: NEW_RENO, tcp_keepalive: {time_s: 60, "
                    "interval_s: 5, probes: 3}"));
  EXPECT_TRUE(b.new_reno);
  EXPECT_EQ(b.tcp_keepalive, (config::TcpKeepalive{.time_s = 60, .interval_s = 5, .probes = 3}));
  // As Linux has it where nothing is said; off where the whole is not there.
  EXPECT_EQ(Parse(Meltemi("tcp_keepalive: {}")).tcp_keepalive,
            (config::TcpKeepalive{.time_s = 7200, .interval_s = 75, .probes = 9}));
  EXPECT_FALSE(Parse(Meltemi("congestion_control: CUBIC")).tcp_keepalive.on());
  EXPECT_FALSE(Parse(Meltemi("congestion_control: CUBIC")).new_reno);
}

TEST(Bootstrap, ReadsWhereIdentitiesComeFrom) {
  EXPECT_FALSE(Parse(kWhole).ca.has_value());
  Bootstrap b = Parse(Meltemi(
      "ca: {address: \"ca:15012\", server_name: istiod, roots_path: /r, trust_domain: td, "
      "node_account: sys/node, token_path: /t, ttl_s: 3600}, workloads: [{name: a, namespace: "
      "shop, service_account: x}, {name: b, namespace: shop, service_account: x}, {name: c}]"));
  ASSERT_TRUE(b.ca.has_value());
  EXPECT_EQ(b.ca->address, "ca:15012");
  EXPECT_EQ(b.ca->server_name, "istiod");
  EXPECT_EQ(b.ca->roots_path, "/r");
  EXPECT_EQ(b.ca->token_path, "/t");
  EXPECT_EQ(b.ca->join_token_path, "");
  EXPECT_EQ(b.ca->ttl, Duration::Seconds(3600));
  EXPECT_EQ(NodeIdentity(*b.ca), "spiffe://td/ns/sys/sa/node");
  EXPECT_EQ(LocalIdentities(b, *b.ca), (std::set<std::string>{"spiffe://td/ns/default/sa/default",
                                                              "spiffe://td/ns/shop/sa/x"}));
  b = Parse(Meltemi("ca: {address: \"ca:1\", roots_path: /r, join_token_path: /j}"));
  EXPECT_EQ(b.ca->join_token_path, "/j");
  EXPECT_EQ(b.ca->server_name, "");
  EXPECT_TRUE(b.ca->ttl.zero());
  EXPECT_EQ(NodeIdentity(*b.ca), "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node");
}

TEST(Bootstrap, MistakesInTheCaAreNamed) {
  ExpectNamed({
      {Meltemi("ca: {roots_path: /r, token_path: /t}"), "meltemi.ca.address: is required"},
      {Meltemi("ca: {address: \"c:1\", token_path: /t}"), "meltemi.ca.roots_path: is required"},
      {Meltemi("ca: {address: \"c:1\", roots_path: /r}"),
       "meltemi.ca.token_path: either this or join_token_path is required"},
      {Meltemi("ca: {address: \"c:1\", roots_path: /r, token_path: /t, join_token_path: /j}"),
       "meltemi.ca.token_path: either this or join_token_path is required"},
      {Meltemi("ca: {address: \"c:1\", roots_path: /r, token_path: /t, node_account: n}"),
       "meltemi.ca.node_account: not NAMESPACE/ACCOUNT: \"n\""},
      {Meltemi("ca: {address: \"c:1\", roots_path: /r, token_path: /t, ttl_s: -1}"),
       "meltemi.ca.ttl_s: must be a whole number from 0 to 7776000, not \"-1\""},
      {Meltemi("ca: {address: \"c:1\", roots_path: /r, token_path: /t, ttl: 1}"),
       "meltemi.ca.ttl: unknown field"},
  });
}

TEST(Bootstrap, MistakesInPortsRoutesAndWorkloadsAreNamed) {
  ExpectNamed({
      {Meltemi("ports: [{name: p, device: \"null:\"}, {name: p, device: \"null:\"}]"),
       "meltemi.ports[1].name: \"p\" is there twice"},
      {Meltemi("ports: [{name: p, device: \"null:\", workload: w.default}]"),
       "meltemi.ports[0].workload: no workload is called \"w.default\""},
      {Meltemi("routes: [{prefix: 10.0.0.0/33, port: p}]"),
       "meltemi.routes[0].prefix: not an address/bits: \"10.0.0.0/33\""},
      {Meltemi("routes: [{prefix: 10.0.0.0/8, via: gateway, port: p}]"),
       "meltemi.routes[0].via: not an IP address: \"gateway\""},
      {Meltemi("routes: [{prefix: 10.0.0.0/8, metric: 1}]"),
       "meltemi.routes[0].metric: unknown field"},
      {Meltemi("routes: [{prefix: 10.0.0.0/8, port: p}]"),
       "meltemi.routes[0].port: no port is called \"p\""},
      {Meltemi("workloads: [{namespace: n}]"), "meltemi.workloads[0].name: is required"},
      {Meltemi("workloads: [{name: w, addresses: [10.0.0.1/8]}]"),
       "meltemi.workloads[0].addresses[0]: not an IP address"},
      {Meltemi("workloads: [{name: w, labels: [a]}]"),
       "meltemi.workloads[0].labels: must be a map of strings"},
      {Meltemi("workloads: [{name: w, labels: {a: [b]}}]"),
       "meltemi.workloads[0].labels: must be a map of strings"},
      {Meltemi("workloads: [{name: w, user: u}]"), "meltemi.workloads[0].user: unknown field"},
      {Meltemi("workloads: [{name: w, port: p}]"),
       "meltemi.workloads[0].port: no port is called \"p\""},
      {Meltemi("ports: [{name: u, device: \"null:\", kind: UPLINK, addresses: [10.0.0.1/8]}], "
               "workloads: [{name: w, port: u, addresses: [10.0.0.1, 10.0.0.2]}]"),
       "meltemi.workloads[0].addresses: 10.0.0.2 is none of the uplink \"u\""},
      {Meltemi("workloads: [{name: w}, {name: w, namespace: other}, {name: w}]"),
       "meltemi.workloads[2].name: \"w\" is there twice in its namespace"},
  });
}

// protobuf names the field in words of its own.
TEST(Bootstrap, AMistakeInAnEnvoyMessageIsNamedWithItsPlace) {
  const std::string cluster =
      Error("{node: {id: n}, static_resources: {clusters: [{name: a}, {name: b, colour: red}]}}");
  EXPECT_NE(cluster.find("node.yaml: static_resources.clusters[1]: "), std::string::npos)
      << cluster;
  EXPECT_NE(cluster.find("colour"), std::string::npos) << cluster;
  const std::string listener =
      Error("{node: {id: n}, static_resources: {listeners: [{address: 7}]}}");
  EXPECT_NE(listener.find("static_resources.listeners[0]: "), std::string::npos) << listener;
  const std::string node = Error("{node: {id: n, colour: red}}");
  EXPECT_NE(node.find("node.yaml: node: "), std::string::npos) << node;
}

TEST(Bootstrap, BrokenYamlIsNamedWithItsLine) {
  const std::string error = Error("node:\n  id: [\n");
  EXPECT_EQ(error.rfind("node.yaml:", 0), 0u) << error;
  EXPECT_NE(error.find("node.yaml:3: "), std::string::npos) << error;
}

TEST(Bootstrap, AFileThatIsNotThereIsNamed) {
  const auto missing = LoadBootstrap("/nonexistent/node.yaml");
  EXPECT_EQ(missing.status().message(), "/nonexistent/node.yaml: cannot be read");
}

TEST(Bootstrap, AFileIsReadWhole) {
  const std::string path = testing::TempDir() + "/bootstrap_test.yaml";
  std::ofstream(path) << kWhole;
  const auto loaded = LoadBootstrap(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->node.id(), "node-a");
}

}  // namespace
}  // namespace meltemi::agent
