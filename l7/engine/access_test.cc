// Goal: RBAC filters decide before anything else; a denial is Envoy's, and is counted; what goes to
// a pod of this node is asked about as behind the listener in front of it. Method: the engine by
// hand.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using Kind = config::RbacNode::Kind;
using RbacAction = config::RbacRules::Action;

constexpr char kAlice[] = "spiffe://cluster.local/ns/default/sa/alice";

config::StringMatch Text(config::StringMatch::Kind kind, std::string value) {
  return {.kind = kind, .value = std::move(value)};
}

// One policy "p": permission `kind` of `text`, by anyone.
config::RbacRules Rules(RbacAction action, Kind kind, std::string text) {
  config::RbacRules rules{.action = action};
  rules.policies.push_back({.name = "p", .permissions = {0}, .principals = {1}});
  rules.nodes = {{.kind = kind, .end = 1}, {.kind = Kind::kAny, .end = 2}};
  if (kind == Kind::kHeader) {
    rules.headers.push_back({.name = std::move(text)});
  } else {
    rules.strings.push_back(Text(config::StringMatch::Kind::kPrefix, std::move(text)));
  }
  return rules;
}

config::RbacRules Port(RbacAction action, uint16_t port) {
  config::RbacRules rules = Rules(action, Kind::kDestinationPort, "");
  rules.nodes[0].value = port;
  rules.nodes[0].value_end = port + 1u;
  return rules;
}

class AccessTest : public EngineTest {
 protected:
  void AddRules(config::RbacRules rules) { manager().rbac.emplace_back().rules = std::move(rules); }
  // An HTTP listener that stands in front of the cluster's endpoint.
  config::HttpManager& Guard() {
    config::Listener inbound;
    inbound.name = "inbound";
    inbound.direction = config::Direction::kInbound;
    inbound.filter = config::HttpManager{.stat_prefix = "inbound"};
    snapshot_->listeners.push_back(std::move(inbound));
    snapshot_->guarded[Address(10, 8080)] = 2;
    return std::get<config::HttpManager>(snapshot_->listeners[2].filter);
  }
  void GuardTcp(config::RbacRules rules) {
    Guard();
    config::TcpProxy proxy;
    proxy.rbac.emplace_back(config::Rbac{.stat_prefix = "tcp."}).rules = std::move(rules);
    snapshot_->listeners[2].filter = std::move(proxy);
  }
  // The status of one request, on a connection of its own; 200 from the upstream.
  int Ask(std::string_view path = "/", std::string_view extra = "") {
    const ConnId down = Accept();
    Send(down, Get(path, extra));
    response_ = Take(down);
    if (response_.empty()) {  // on a new connection, or the one before
      if (!connecting_.empty()) up_ = Connect();
      request_ = Take(up_);
      Send(up_, Ok(""));
      response_ = Take(down);
    }
    return StatusOf(response_);
  }
  ConnId up_;
  std::string request_, response_;
};

TEST_F(AccessTest, ADenialIsEnvoys) {
  AddRules(Rules(RbacAction::kDeny, Kind::kPath, "/admin"));
  EXPECT_EQ(Ask("/info"), 200);
  EXPECT_EQ(Ask("/admin/x"), 403);
  EXPECT_EQ(BodyOf(response_), "RBAC: access denied");
  EXPECT_EQ(LastRecord(), "403 UAEX rbac_access_denied_matched_policy[p]");
  EXPECT_EQ(Sample("envoy_http_rbac_allowed"), 1);
  EXPECT_EQ(Sample("envoy_http_rbac_denied"), 1);
}

TEST_F(AccessTest, GrpcCallersGetPermissionDenied) {
  AddRules(Rules(RbacAction::kDeny, Kind::kPath, "/"));
  EXPECT_EQ(Ask("/", "content-type: application/grpc\r\n"), 200);
  EXPECT_EQ(HeaderOf(response_, "grpc-status"), "7");
}

TEST_F(AccessTest, WhatNoRuleAllowsIsDenied) {
  AddRules(Rules(RbacAction::kAllow, Kind::kPath, "/info"));
  EXPECT_EQ(Ask("/other"), 403);
  EXPECT_EQ(LastRecord(), "403 UAEX rbac_access_denied_matched_policy[none]");
  EXPECT_EQ(Ask("/info"), 200);
}

TEST_F(AccessTest, EveryFilterMustAllowAndTheFirstDenialCounts) {
  AddRules(Rules(RbacAction::kDeny, Kind::kPath, "/admin"));
  AddRules(Rules(RbacAction::kAllow, Kind::kHeader, "x-token"));
  EXPECT_EQ(Ask("/", "x-token: a\r\n"), 200);
  EXPECT_EQ(Ask("/admin", "x-token: a\r\n"), 403);
  EXPECT_EQ(Ask("/"), 403);
  // The second has not seen what the first denied.
  EXPECT_EQ(Sample("envoy_http_rbac_allowed"), 3);
  EXPECT_EQ(Sample("envoy_http_rbac_denied"), 2);
}

TEST_F(AccessTest, RulesComeBeforeRoutes) {
  AddRules(Rules(RbacAction::kDeny, Kind::kPath, "/"));
  host().routes.clear();
  EXPECT_EQ(Ask("/nowhere"), 403);
}

TEST_F(AccessTest, ADryRunIsOnlyCounted) {
  config::Rbac& rbac = manager().rbac.emplace_back();
  rbac.shadow_rules = Rules(RbacAction::kDeny, Kind::kPath, "/admin");
  rbac.shadow_prefix = "istio_dry_run_deny_";
  EXPECT_EQ(Ask("/admin"), 200);
  EXPECT_EQ(Ask("/info"), 200);
  EXPECT_EQ(Sample("envoy_http_rbac_istio_dry_run_deny_shadow_denied"), 1);
  EXPECT_EQ(Sample("envoy_http_rbac_istio_dry_run_deny_shadow_allowed"), 1);
  EXPECT_EQ(Sample("envoy_http_rbac_allowed"), 0);
}

TEST_F(AccessTest, TheClientIsKnownByItsPort) {
  AddRules(Rules(RbacAction::kAllow, Kind::kPrincipal, kAlice));
  EXPECT_EQ(Ask(), 403);  // the node has no identity for the workload
  workload_.identity = kAlice;
  EXPECT_EQ(Ask(), 200);
  workload_.identity = "spiffe://cluster.local/ns/default/sa/bob";
  EXPECT_EQ(Ask(), 403);
}

// A certificate that was not verified has no principal, and its names are nobody's.
TEST_F(AccessTest, OnlyVerifiedCertificatesName) {
  AddRules(Rules(RbacAction::kAllow, Kind::kPrincipal, kAlice));
  const auto ask = [&](std::string_view principal) {
    telemetry::PeerIdentity peer = telemetry::MakePeerIdentity(principal);
    auto certificate = std::make_unique<telemetry::PeerCertificate>();
    certificate->uris = {"spiffe://other", kAlice};
    peer.certificate = std::move(certificate);
    const ConnId down = Accept({.listener = 0, .secure = true, .peer = &peer});
    Send(down, Get());
    const bool allowed = !connecting_.empty();
    if (allowed) Send(Connect(), Ok(""));
    return allowed;
  };
  EXPECT_TRUE(ask("spiffe://other"));
  EXPECT_FALSE(ask(""));
}

TEST_F(AccessTest, OpaqueConnectionsEnd) {
  proxy().rbac.emplace_back(config::Rbac{.stat_prefix = "tcp."}).rules =
      Port(RbacAction::kDeny, 80);
  const ConnId denied = Accept(1);
  EXPECT_TRUE(At(denied).aborted);
  EXPECT_TRUE(connecting_.empty());
  EXPECT_EQ(LastRecord(), "0 UAEX rbac_access_denied_matched_policy[p]");
  EXPECT_EQ(Sample("envoy_tcp_rbac_denied"), 1);
  proxy().rbac[0].rules = Port(RbacAction::kAllow, 80);
  EXPECT_FALSE(At(Accept(1)).aborted);
  EXPECT_EQ(Sample("envoy_tcp_rbac_allowed"), 1);
}

TEST_F(AccessTest, TheServerNameIsOfTheClientsTls) {
  proxy().rbac.emplace_back(config::Rbac{.stat_prefix = "tcp."}).rules =
      Rules(RbacAction::kAllow, Kind::kServerName, "shop.");
  EXPECT_TRUE(At(Accept({.listener = 1, .sni = "other.example"})).aborted);
  EXPECT_FALSE(At(Accept({.listener = 1, .sni = "shop.example"})).aborted);
}

TEST_F(AccessTest, APodOfThisNodeIsGuardedByItsOwnListener) {
  Guard().rbac.emplace_back().rules = Rules(RbacAction::kAllow, Kind::kPrincipal, kAlice);
  EXPECT_EQ(Ask(), 403);
  EXPECT_EQ(LastRecord(), "403 UAEX rbac_access_denied_matched_policy[none]");
  EXPECT_TRUE(connecting_.empty());
  workload_.identity = kAlice;
  EXPECT_EQ(Ask(), 200);
  EXPECT_EQ(Sample("envoy_cluster_upstream_rq_active"), 0);
}

TEST_F(AccessTest, ItsRulesSeeTheAddressOfThePod) {
  Guard().rbac.emplace_back().rules = Port(RbacAction::kAllow, 8080);
  EXPECT_EQ(Ask(), 200);
}

// "/a/../admin" is "/admin" to the server, whatever the client's listener makes of it.
TEST_F(AccessTest, ItsPathIsNormalizedAsItsListenerWould) {
  config::HttpManager& inbound = Guard();
  inbound.rbac.emplace_back().rules = Rules(RbacAction::kDeny, Kind::kPath, "/admin");
  inbound.normalize_path = true;
  EXPECT_EQ(Ask("/a/../admin"), 403);
  EXPECT_EQ(Ask("/%61dmin"), 403);
  EXPECT_EQ(Ask("/a/../info?x=/admin"), 200);
  EXPECT_TRUE(request_.starts_with("GET /info?x=/admin ")) << request_;
  EXPECT_EQ(Ask("/%zz"), 400);
}

TEST_F(AccessTest, WhoCameInByAListenerIsNotAskedTwice) {
  snapshot_->listeners[0].direction = config::Direction::kInbound;
  Guard().rbac.emplace_back().rules = Rules(RbacAction::kDeny, Kind::kPath, "/");
  EXPECT_EQ(Ask(), 200);
}

TEST_F(AccessTest, OpaqueConnectionsToAPodOfThisNodeToo) {
  GuardTcp(Rules(RbacAction::kAllow, Kind::kPrincipal, kAlice));
  const ConnId denied = Accept(1);
  EXPECT_TRUE(At(denied).aborted);
  EXPECT_EQ(LastRecord(), "0 UAEX rbac_access_denied_matched_policy[none]");
  EXPECT_EQ(Ask(), 403);  // HTTP to a port that is opaque there
  workload_.identity = kAlice;
  EXPECT_FALSE(At(Accept(1)).aborted);
  TakeConnect();
}

// Nobody reads an opaque stream as the HTTP that the rules are about: it is let through nowhere.
TEST_F(AccessTest, OpaqueConnectionsToAnHttpPortAreDenied) {
  Guard().rbac.emplace_back().rules = Rules(RbacAction::kDeny, Kind::kPath, "/admin");
  EXPECT_TRUE(At(Accept(1)).aborted);
  EXPECT_EQ(LastRecord(), "0 UAEX rbac_access_denied_opaque_to_http");
}

// Port 0 guards what has no listener of its own.
TEST_F(AccessTest, PortsWithoutAListenerAreGuardedToo) {
  GuardTcp(Port(RbacAction::kDeny, 8080));
  snapshot_->guarded = {{Address(10, 0), 2}};
  EXPECT_TRUE(At(Accept(1)).aborted);
  EXPECT_EQ(Ask(), 403);
}
TEST_F(AccessTest, APortWithAListenerOfItsOwnIsNotGuardedByPort0) {
  GuardTcp(Port(RbacAction::kDeny, 8080));
  snapshot_->guarded = {{Address(10, 0), 2}};
  snapshot_->inbound[Address(10, 8080)] = 2;
  EXPECT_EQ(Ask(), 200);
}

TEST_F(AccessTest, AGatewayGoesOnAsItself) {
  workload_.identity = kAlice;
  Guard().rbac.emplace_back().rules = Rules(RbacAction::kAllow, Kind::kPrincipal, kAlice);
  manager().rbac.emplace_back().rules = Rules(RbacAction::kDeny, Kind::kPrincipal, kAlice);
  const ConnId down = Accept({.listener = 0, .gateway = true});
  Send(down, Get());
  Send(Connect(), Ok(""));
  EXPECT_EQ(StatusOf(Take(down)), 200);  // its client is nobody, it is Alice
}

TEST_F(AccessTest, CountsOutliveSnapshots) {
  AddRules(Rules(RbacAction::kDeny, Kind::kPath, "/admin"));
  EXPECT_EQ(Ask("/admin"), 403);
  auto next = MakeSnapshot(2, 1);
  std::get<config::HttpManager>(next->listeners[0].filter).rbac.emplace_back().rules =
      Rules(RbacAction::kDeny, Kind::kPath, "/admin");
  Use(next.get());
  EXPECT_EQ(Ask("/admin"), 403);
  EXPECT_EQ(Sample("envoy_http_rbac_denied"), 2);
  CloseAll();
  engine_.reset();
}

}  // namespace
}  // namespace meltemi::engine
