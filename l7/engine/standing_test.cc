// Goal: what a new configuration means for opaque connections that stand: rules that would deny
// them end them, a chain that is gone leaves them some time, everything else leaves them alone.
// Method: the engine by hand, one snapshot after the other.
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using Kind = config::RbacNode::Kind;
using RbacAction = config::RbacRules::Action;

// One policy "p": by anyone, to one port.
config::Rbac ToPort(RbacAction action, uint16_t port) {
  config::Rbac rbac{.stat_prefix = "tcp."};
  rbac.rules.emplace(config::RbacRules{.action = action});
  rbac.rules->policies.push_back({.name = "p", .permissions = {0}, .principals = {1}});
  rbac.rules->nodes = {
      {.kind = Kind::kDestinationPort, .end = 1, .value = port, .value_end = port + 1u},
      {.kind = Kind::kAny, .end = 2}};
  return rbac;
}

config::Rbac ToName(RbacAction action, std::string name) {
  config::Rbac rbac = ToPort(action, 0);
  rbac.rules->nodes[0] = {.kind = Kind::kServerName, .end = 1};
  rbac.rules->strings.push_back(
      {.kind = config::StringMatch::Kind::kExact, .value = std::move(name)});
  return rbac;
}

class StandingTest : public EngineTest {
 protected:
  config::Snapshot& Next() {
    later_.push_back(MakeSnapshot(2 + later_.size(), 1));
    return *later_.back();
  }
  static config::TcpProxy& ProxyOf(config::Snapshot& snapshot) {
    return std::get<config::TcpProxy>(snapshot.listeners[1].filter);
  }
  // In front of the endpoint, as of a pod of this node.
  static void Guard(config::Snapshot& snapshot, config::Rbac rbac) {
    config::Listener inbound{.name = "inbound", .direction = config::Direction::kInbound};
    inbound.filter.emplace<config::TcpProxy>().rbac.push_back(std::move(rbac));
    snapshot.listeners.push_back(std::move(inbound));
    snapshot.guarded[Address(10, 8080)] = 2;
  }
  std::vector<std::unique_ptr<config::Snapshot>> later_;
};

TEST_F(StandingTest, RulesThatComeLaterAreAskedAgain) {
  const ConnId down = Accept(1), connecting = Accept(1);
  const ConnId up = Connect();
  Send(down, "before");
  EXPECT_EQ(Take(up), "before");

  config::Snapshot& allows = Next();
  ProxyOf(allows).rbac.push_back(ToPort(RbacAction::kAllow, 80));
  Use(&allows);
  EXPECT_FALSE(At(down).dead());
  EXPECT_EQ(engine().counters().tcp_denied_later, 0u);
  EXPECT_EQ(Sample("envoy_tcp_rbac_allowed"), 0);  // nobody has come

  config::Snapshot& denies = Next();
  ProxyOf(denies).rbac.push_back(ToPort(RbacAction::kDeny, 80));
  Use(&denies);
  EXPECT_TRUE(At(down).aborted);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_TRUE(At(connecting).aborted);
  EXPECT_EQ(LastRecord(), "0 UAEX rbac_access_denied_matched_policy[p]");
  EXPECT_EQ(engine().counters().tcp_denied_later, 2u);
  EXPECT_EQ(Sample("envoy_tcp_rbac_denied"), 2);
}

TEST_F(StandingTest, SoAreThoseOfAPodOfThisNode) {
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  config::Snapshot& other = Next();
  Guard(other, ToPort(RbacAction::kDeny, 8081));
  Use(&other);
  EXPECT_FALSE(At(down).dead());
  config::Snapshot& denies = Next();
  Guard(denies, ToPort(RbacAction::kDeny, 8080));
  Use(&denies);
  EXPECT_TRUE(At(down).aborted);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(engine().counters().tcp_denied_later, 1u);
}

// Rules about whom a client's TLS has asked for may come when it has long been told.
TEST_F(StandingTest, TheServerNameIsRemembered) {
  const ConnId shop = Accept({.listener = 1, .sni = "shop.example"});
  const ConnId other = Accept({.listener = 1, .sni = "other.example"});
  config::Snapshot& next = Next();
  ProxyOf(next).rbac.push_back(ToName(RbacAction::kDeny, "shop.example"));
  Use(&next);
  EXPECT_TRUE(At(shop).aborted);
  EXPECT_FALSE(At(other).dead());
}

TEST_F(StandingTest, AChainThatIsGoneLeavesThemSomeTime) {
  proxy().idle_timeout = Duration::Seconds(10);
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  config::Snapshot& next = Next();
  next.listeners.pop_back();
  Use(&next);
  const Instant gone = now_;
  Advance(limits::kListenerDrainTime - Duration::Seconds(1));
  EXPECT_FALSE(At(down).dead());
  Send(down, "still");  // does not move the end
  EXPECT_EQ(Take(up), "still");
  Advance(gone + limits::kListenerDrainTime - now_ - Duration::Nanos(1));
  EXPECT_FALSE(At(down).dead());
  EXPECT_EQ(engine().oldest_snapshot(), 1u);
  Advance(Duration::Millis(1));
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).released);
  EXPECT_EQ(LastRecord(), "0 - filter_chain_is_being_removed");
  EXPECT_EQ(engine().counters().tcp_listener_gone, 1u);
  EXPECT_EQ(engine().oldest_snapshot(), 2u);
}

TEST_F(StandingTest, WhatSaysNothingOfThemLeavesThemAlone) {
  proxy().idle_timeout = Duration();
  const ConnId down = Accept(1);
  const ConnId up = Connect();
  config::Snapshot& next = Next();
  ProxyOf(next).idle_timeout = Duration();
  std::swap(next.listeners[0], next.listeners[1]);
  Use(&next);
  Advance(limits::kListenerDrainTime + Duration::Seconds(60));
  Send(down, "after");
  EXPECT_EQ(Take(up), "after");
}

// Goal: where addresses alone choose the chain, who stands follows them: to another chain when the
// workload's labels have changed, to a chain at all when the first rule has come, and back. Method:
// the same client under one snapshot after the other; only its own chain denies it the port.
class MovingTest : public StandingTest {
 protected:
  // Chains "other" and "own", the latter for `client`.
  config::Snapshot& Chains(const char* client, config::Transport transport) {
    config::Snapshot& next = Next();
    const config::Listener& parent = next.listeners[1];
    std::vector<config::Listener> chains;
    for (const char* name : {"other", "own"}) {
      config::Listener chain{.name = parent.name + "#" + name, .parent = 1};
      config::TcpProxy& proxy = chain.filter.emplace<config::TcpProxy>();
      proxy.stat_prefix = name;
      proxy.clusters.push_back(Target());
      proxy.total_weight = 1;
      if (std::string(name) == "own") proxy.rbac.push_back(ToPort(RbacAction::kDeny, 80));
      chains.push_back(std::move(chain));
    }
    for (config::Listener& chain : chains) next.listeners.push_back(std::move(chain));
    next.listeners[1].chains = {
        {{.transport = transport}, 2},
        {{.transport = transport, .sources = {*IpPrefix::Parse(client)}}, 3}};
    return next;
  }
  static constexpr char kClient[] = "10.0.0.2/32";  // the fixture's
};

TEST_F(MovingTest, TheChainOfAnotherIsNotTheirs) {
  const ConnId down = Accept(1);
  Use(&Chains("10.9.9.9/32", config::Transport::kAny));
  EXPECT_FALSE(At(down).dead());
  Use(&Next());  // without chains again
  EXPECT_FALSE(At(down).dead());
  Advance(limits::kListenerDrainTime + Duration::Seconds(1));
  EXPECT_FALSE(At(down).dead());
}

TEST_F(MovingTest, TheirOwnIsAndItsRulesHold) {
  const ConnId down = Accept(1);
  Use(&Chains("10.9.9.9/32", config::Transport::kAny));
  EXPECT_FALSE(At(down).dead());
  Use(&Chains(kClient, config::Transport::kAny));
  EXPECT_TRUE(At(down).aborted);
}

// Nobody knows any more what the client has said at first: as ever, it has some time.
TEST_F(MovingTest, ChainsByFirstBytesAreNotGuessed) {
  const ConnId down = Accept(1);
  Use(&Chains(kClient, config::Transport::kPlain));
  EXPECT_FALSE(At(down).dead());
  Advance(limits::kListenerDrainTime + Duration::Seconds(1));
  EXPECT_TRUE(At(down).dead());
}

}  // namespace
}  // namespace meltemi::engine
