// Goal: what golden files cannot show: ids over time, lookups, the table of fields, one path in and
// out.
#include "l7/config/compile.h"

#include <set>
#include <sstream>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"
#include "l7/config/describe.h"

namespace meltemi::config {
namespace {

using FromCluster = envoy::config::cluster::v3::Cluster;
using FromListener = envoy::config::listener::v3::Listener;

FromCluster StaticCluster(const std::string& name, const std::vector<std::string>& addresses) {
  FromCluster cluster;
  cluster.set_name(name);
  auto* assignment = cluster.mutable_load_assignment();
  assignment->set_cluster_name(name);
  auto* locality = assignment->add_endpoints();
  for (const std::string& address : addresses) {
    auto* socket = locality->add_lb_endpoints()
                       ->mutable_endpoint()
                       ->mutable_address()
                       ->mutable_socket_address();
    socket->set_address(address);
    socket->set_port_value(80);
  }
  return cluster;
}

std::unique_ptr<Snapshot> Compile(Compiler* compiler, const std::vector<FromCluster>& clusters) {
  Resources resources;
  for (const FromCluster& c : clusters) resources.clusters.push_back(&c);
  auto snapshot = compiler->Compile(resources);
  EXPECT_TRUE(snapshot.ok()) << snapshot.status();
  return snapshot.ok() ? *std::move(snapshot) : nullptr;
}

// Names keep their ids while they last, in whatever order; a name that comes back is a new one.
TEST(Compiler, KeepsStableIdsOfNamesAndNeverReusesThem) {
  Compiler compiler({});
  const auto first = Compile(
      &compiler, {StaticCluster("a", {"10.0.0.1", "10.0.0.2"}), StaticCluster("b", {"10.0.0.1"})});
  const auto second = Compile(
      &compiler, {StaticCluster("c", {"10.0.0.1"}), StaticCluster("a", {"10.0.0.2", "10.0.0.3"})});
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->clusters[1].stable_id, first->clusters[0].stable_id);
  EXPECT_EQ(second->clusters[1].endpoints[0].stable_id, first->clusters[0].endpoints[1].stable_id);
  std::set<uint32_t> ids = {first->clusters[0].stable_id, first->clusters[1].stable_id};
  EXPECT_TRUE(ids.insert(second->clusters[0].stable_id).second);

  const auto third = Compile(&compiler, {StaticCluster("b", {"10.0.0.1"})});
  ASSERT_NE(third, nullptr);
  EXPECT_TRUE(ids.insert(third->clusters[0].stable_id).second);

  std::set<uint32_t> endpoint_ids;
  for (const auto* cluster : {&first->clusters[0], &first->clusters[1], &second->clusters[0]}) {
    for (const Endpoint& e : cluster->endpoints) {
      EXPECT_TRUE(endpoint_ids.insert(e.stable_id).second) << e.address.ToString();
    }
  }
}

TEST(Compiler, FailedCompileChangesNeitherSequenceNorIds) {
  Compiler compiler({});
  const auto first = Compile(&compiler, {StaticCluster("a", {"10.0.0.1"})});
  const FromCluster twice = StaticCluster("b", {"10.0.0.2", "10.0.0.2"});
  EXPECT_FALSE(compiler.Compile({.clusters = {&twice}}).ok());
  const auto second = Compile(&compiler, {StaticCluster("a", {"10.0.0.1"})});
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(first->sequence, 1u);
  EXPECT_EQ(second->sequence, 2u);
  EXPECT_EQ(second->clusters[0].stable_id, first->clusters[0].stable_id);
  EXPECT_EQ(Describe(*second), Describe(*first));
}

FromListener TcpListener(const std::string& name, const std::string& address, int port,
                         envoy::config::core::v3::TrafficDirection direction) {
  FromListener listener;
  const std::string text =
      Cat("filter_chains { filters { typed_config { "
          "[type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy] "
          "{ cluster: 'c' } } } }");
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &listener));
  listener.set_name(name);
  listener.set_traffic_direction(direction);
  listener.mutable_address()->mutable_socket_address()->set_address(address);
  listener.mutable_address()->mutable_socket_address()->set_port_value(port);
  return listener;
}

// Exact before wildcard, families apart, directions apart; an unspecified direction is both.
TEST(Snapshot, FindsTheListenerOfADestination) {
  using envoy::config::core::v3::INBOUND;
  using envoy::config::core::v3::OUTBOUND;
  using envoy::config::core::v3::UNSPECIFIED;
  const std::vector<FromListener> listeners = {
      TcpListener("exact", "10.96.0.1", 80, OUTBOUND), TcpListener("any4", "0.0.0.0", 80, OUTBOUND),
      TcpListener("any6", "::", 80, OUTBOUND), TcpListener("in", "0.0.0.0", 80, INBOUND),
      TcpListener("both", "0.0.0.0", 81, UNSPECIFIED)};
  Resources resources;
  for (const FromListener& l : listeners) resources.listeners.push_back(&l);
  Compiler compiler({});
  const auto snapshot = compiler.Compile(resources);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  struct Row {
    Direction direction;
    const char* ip;
    uint16_t port;
    const char* want;
  };
  for (const Row& row : std::vector<Row>{{Direction::kOutbound, "10.96.0.1", 80, "exact"},
                                         {Direction::kOutbound, "10.96.0.2", 80, "any4"},
                                         {Direction::kOutbound, "fd00::1", 80, "any6"},
                                         {Direction::kInbound, "10.96.0.1", 80, "in"},
                                         {Direction::kInbound, "fd00::1", 80, ""},
                                         {Direction::kOutbound, "10.96.0.1", 81, "both"},
                                         {Direction::kInbound, "10.96.0.1", 81, "both"},
                                         {Direction::kOutbound, "10.96.0.1", 82, ""}}) {
    const uint32_t index =
        (*snapshot)->FindListener(row.direction, {*IpAddr::Parse(row.ip), row.port});
    EXPECT_EQ(index == kNoIndex ? "" : (*snapshot)->listeners[index].name, row.want)
        << row.ip << ":" << row.port;
  }
}

// A typo in the table would open a hole or close a door: every message that a supported field leads
// to has an entry, every ignored field its reason, and no entry is unreachable.
// Goal: what is spoken behind a listener is what all its routes' clusters speak. Method: an inbound
// listener with two routes, rows of what their clusters are; outbound it says nothing.
TEST(Snapshot, KnowsWhatServersBehindListenersSpeak) {
  const auto cluster = [](const std::string& name, const std::string& protocol) {
    FromCluster to = StaticCluster(name, {"10.0.0.1"});
    const std::string text =
        Cat("typed_extension_protocol_options { key: "
            "'envoy.extensions.upstreams.http.v3.HttpProtocolOptions' value { "
            "[type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions] { ",
            protocol, " } } }");
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &to));
    return to;
  };
  const std::string http1 = "explicit_http_config { http_protocol_options {} }",
                    http2 = "explicit_http_config { http2_protocol_options {} }",
                    either = "use_downstream_protocol_config {}";
  const struct {
    std::string first, second;
    envoy::config::core::v3::TrafficDirection direction;
    Spoken spoken;
  } kRows[] = {{http1, http1, envoy::config::core::v3::INBOUND, Spoken::kHttp1},
               {http2, http2, envoy::config::core::v3::INBOUND, Spoken::kHttp2},
               {http1, http2, envoy::config::core::v3::INBOUND, Spoken::kUnknown},
               {either, either, envoy::config::core::v3::INBOUND, Spoken::kUnknown},
               {http1, either, envoy::config::core::v3::INBOUND, Spoken::kUnknown},
               {http1, http1, envoy::config::core::v3::OUTBOUND, Spoken::kUnknown}};
  for (const auto& row : kRows) {
    const std::vector<FromCluster> clusters = {cluster("a", row.first), cluster("b", row.second)};
    FromListener listener;
    const std::string text =
        "name: 'in' address { socket_address { address: '10.1.0.1' port_value: 80 } } "
        "filter_chains { filters { typed_config { [type.googleapis.com/envoy.extensions.filters."
        "network.http_connection_manager.v3.HttpConnectionManager] { "
        "http_filters { name: 'envoy.filters.http.router' } "
        "route_config { virtual_hosts { name: 'v' domains: '*' "
        "routes { match { path: '/a' } route { cluster: 'a' } } "
        "routes { match { prefix: '/' } route { cluster: 'b' } } } } } } } }";
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &listener));
    listener.set_traffic_direction(row.direction);
    Compiler compiler({});
    Resources resources{.listeners = {&listener}, .clusters = {&clusters[0], &clusters[1]}};
    const auto snapshot = compiler.Compile(resources);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ((*snapshot)->SpokenAt({*IpAddr::Parse("10.1.0.1"), 80}), row.spoken);
    EXPECT_EQ((*snapshot)->SpokenAt({*IpAddr::Parse("10.1.0.1"), 81}), Spoken::kUnknown);
  }
}

TEST(TlsPeerNames, AcceptWhoAServerMayBe) {
  EXPECT_TRUE(TlsPeerNames{}.Accept("spiffe://a/ns/x/sa/y"));
  const TlsPeerNames one{.uris = {"spiffe://a/ns/x/sa/y"}};
  EXPECT_TRUE(one.Accept("spiffe://a/ns/x/sa/y"));
  EXPECT_FALSE(one.Accept("spiffe://a/ns/x/sa/yy"));
  EXPECT_FALSE(one.Accept(""));
  const TlsPeerNames domain{.trust_domains = {"a"}};
  EXPECT_TRUE(domain.Accept("spiffe://a/ns/x/sa/y"));
  EXPECT_FALSE(domain.Accept("spiffe://ab/ns/x/sa/y"));
  EXPECT_FALSE(domain.Accept("https://a/"));
  EXPECT_FALSE(TlsPeerNames{.dns_names = {"a"}}.Accept("spiffe://a/ns/x/sa/y"));
}

TEST(SupportedFields, LeadOnlyToMessagesOfTheTable) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  std::set<std::string> entries, reached;
  for (const MessageFields& entry : SupportedFields()) {
    EXPECT_TRUE(entries.insert(std::string(entry.message)).second) << entry.message;
    for (const IgnoredField& field : entry.ignored) EXPECT_FALSE(field.reason.empty());
    const auto* message = pool->FindMessageTypeByName(std::string(entry.message));
    ASSERT_NE(message, nullptr) << entry.message;
    std::stringstream names{std::string(entry.supported)};
    for (std::string name; names >> name;) {
      const auto* field = message->FindFieldByName(name);
      ASSERT_NE(field, nullptr) << entry.message << "." << name;
      if (field->message_type() != nullptr && !field->is_map()) {
        reached.insert(field->message_type()->full_name());
      }
    }
  }
  for (const std::string& name : reached) {
    if (name.rfind("google.protobuf.", 0) == 0) continue;
    EXPECT_EQ(entries.count(name), 1u) << name;
  }
}

TEST(FieldTable, RefusesFieldsThatOurCopyOfTheApiDoesNotKnow) {
  FromCluster cluster = StaticCluster("a", {});
  cluster.GetReflection()->MutableUnknownFields(&cluster)->AddVarint(9999, 1);
  Compiler compiler({});
  const auto snapshot = compiler.Compile({.clusters = {&cluster}});
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.status().message(),
            "Cluster \"a\": field number 9999 of envoy.config.cluster.v3.Cluster is not known");
}

TEST(FilterChains, HaveSoManyPrefixesInAll) {
  Compiler compiler({});
  for (const size_t count :
       {limits::kChainPrefixesMax - 1, limits::kChainPrefixesMax, limits::kChainPrefixesMax + 1}) {
    FromListener listener;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"(name: "l" address { socket_address { address: "::" port_value: 80 } }
           filter_chains { name: "a" filter_chain_match { prefix_ranges { address_prefix: "::1"
             prefix_len { value: 128 } } } filters { name: "tcp" typed_config {
           [type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy] {
             cluster: "c" } } } })",
        &listener));
    auto* chain = listener.add_filter_chains();
    *chain->mutable_filters() = listener.filter_chains(0).filters();
    for (size_t i = 1; i < count; ++i) {
      auto* range = chain->mutable_filter_chain_match()->add_source_prefix_ranges();
      range->set_address_prefix(IpAddr::V4(static_cast<uint32_t>(i)).ToString());
      range->mutable_prefix_len()->set_value(32);
    }
    Resources resources;
    resources.listeners.push_back(&listener);
    const absl::Status status = compiler.Check(resources);
    EXPECT_EQ(status.ok(), count <= limits::kChainPrefixesMax) << count;
    if (!status.ok()) {
      EXPECT_EQ(status.message(),
                "Listener \"l\": filter_chains[1]: more than 65536 address prefixes");
    }
  }
}

}  // namespace
}  // namespace meltemi::config
