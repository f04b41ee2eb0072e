// Goal: the bound of RBAC conditions, and whose rules hold for pods of the node. Method: whole
// listeners, compiled.
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile.h"

namespace meltemi::config {
namespace {

constexpr char kTcp[] =
    "filters { name: 'tcp' typed_config { "
    "[type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy] "
    "{ stat_prefix: 't' cluster: 'c' } } } ";

std::string Filter(std::string_view rbac) {
  return Cat(
      "filters { name: 'rbac' typed_config { "
      "[type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC] "
      "{ stat_prefix: 'tcp.' ",
      rbac, " } } } ", kTcp);
}

std::unique_ptr<Snapshot> Compile(const std::string& chains, std::string_view direction) {
  envoy::config::listener::v3::Listener listener;
  CHECK(google::protobuf::TextFormat::ParseFromString(
      Cat("name: 'in' address { socket_address { address: '10.1.0.7' port_value: 80 } } "
          "traffic_direction: ",
          direction, " ", chains),
      &listener));
  Compiler compiler({});
  Resources resources;
  resources.listeners = {&listener};
  auto snapshot = compiler.Compile(resources);
  return snapshot.ok() ? *std::move(snapshot) : nullptr;
}

// The name of the listener that guards the address; "-": none.
std::string Guard(const std::string& chains, std::string_view direction = "INBOUND") {
  const auto snapshot = Compile(chains, direction);
  if (snapshot == nullptr) return "refused";
  const auto found = snapshot->guarded.find(SockAddr{*IpAddr::Parse("10.1.0.7"), 80});
  return found == snapshot->guarded.end() ? "-" : snapshot->listeners[found->second].name;
}

TEST(Rbac, GuardsAnAddressByTheMeshsChainElseByThePlainOne) {
  const std::string rules = Filter("rules { }");
  const auto chain = [](std::string_view name, std::string_view match, std::string_view filters) {
    return Cat("filter_chains { name: '", name, "' filter_chain_match { ", match, " } ", filters,
               " } ");
  };
  constexpr char kTlsSocket[] =
      "transport_socket { name: 'tls' typed_config { [type.googleapis.com/"
      "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext] { common_tls_context { "
      "tls_certificates { certificate_chain { inline_string: 'c' } private_key { inline_string: "
      "'k' } } } } } } ";
  const std::string tls = "transport_protocol: 'tls'", plain = "transport_protocol: 'raw_buffer'";
  EXPECT_EQ(Guard(Cat("filter_chains { ", rules, " }")), "in");
  EXPECT_EQ(Guard(Cat("filter_chains { ", kTcp, " }")), "-");
  EXPECT_EQ(Guard(Cat("filter_chains { ", rules, " }"), "OUTBOUND"), "-");
  EXPECT_EQ(Guard(chain("p", plain, rules) + chain("m", tls, Cat(kTlsSocket, rules))), "in#m");
  EXPECT_EQ(Guard(chain("m", tls, Cat(kTlsSocket, kTcp)) + chain("p", plain, rules)), "-");
  EXPECT_EQ(Guard(chain("t", tls, rules) + chain("p", plain, rules)), "in#p");
  EXPECT_EQ(Guard(chain("t", tls, rules)), "-");  // passes through the workload's own TLS
}

TEST(Rbac, ConditionsAreBounded) {
  const auto compiles = [](size_t count) {
    envoy::extensions::filters::network::rbac::v3::RBAC rbac;
    rbac.set_stat_prefix("tcp.");
    auto& policy = (*rbac.mutable_rules()->mutable_policies())["p"];
    policy.add_permissions()->set_any(true);
    for (size_t i = 1; i < count; ++i) policy.add_principals()->set_any(true);
    envoy::config::listener::v3::Listener listener;
    CHECK(google::protobuf::TextFormat::ParseFromString(
        Cat("address { socket_address { address: '10.1.0.7' port_value: 80 } } filter_chains { ",
            Filter(""), " }"),
        &listener));
    listener.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->PackFrom(rbac);
    Resources resources;
    resources.listeners = {&listener};
    return Compiler({}).Check(resources).ok();
  };
  EXPECT_TRUE(compiles(limits::kRbacNodesMax - 1));
  EXPECT_TRUE(compiles(limits::kRbacNodesMax));
  EXPECT_FALSE(compiles(limits::kRbacNodesMax + 1));
}

}  // namespace
}  // namespace meltemi::config
