// Goal: what changes under load, configuration, backends, ports, costs the requests it must cost
// and no other. Method: two backends with routes of their own; one of them, or the configuration,
// is changed while requests to both are under way.
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "l7/base/text.h"
#include "test/sim/config.h"
#include "test/sim/expect.h"
#include "test/sim/world.h"

namespace meltemi::sim {
namespace {

constexpr Duration kLimit = Duration::Seconds(900);

WorldOptions Load(uint64_t requests) {
  WorldOptions o;
  o.plane.workers = 2;
  o.load.request_count = requests;
  o.load.think_max = Duration::Millis(1);
  o.server.service_time_max = Duration::Millis(1);
  o.pod_servers = 2;
  o.uplink_servers = 1;
  return o;
}

// "/b0..." goes to server 0, "/b1..." to server 1; half of the requests each.
WorldOptions TwoBackends(uint64_t requests) {
  WorldOptions o = Load(requests);
  o.load.prefixes = {"/b0", "/b1"};
  return o;
}

ConfigSpec RoutePerBackend(World& world) {
  ConfigSpec spec;
  for (int i = 0; i < 2; ++i) {
    const std::string name = i == 0 ? "b0" : "b1";
    spec.clusters.push_back({.name = name,
                             .endpoints = {world.server_address(i)},
                             .connect_timeout = Duration::Seconds(1)});
    spec.routes.push_back({.prefix = "/" + name, .cluster = name, .timeout = Duration::Seconds(2)});
  }
  return spec;
}

struct Tally {
  uint64_t ok = 0, unavailable = 0, timed_out = 0, other = 0, broken = 0;
};
// Of the requests to backend `backend` that were sent in [from, to).
Tally Count(World& world, int backend, Instant from = Instant(), Instant to = Instant::Never()) {
  Tally tally;
  for (int i = 0; i < world.client_count(); ++i) {
    const HttpClient& client = world.client(i);
    for (size_t k = 0; k < client.outcomes().size(); ++k) {
      const Outcome& o = client.outcomes()[k];
      if ((client.options().first_id + k) % 2 != static_cast<uint64_t>(backend)) continue;
      if (o.sent < from || o.sent >= to) continue;
      if (o.broken) {
        ++tally.broken;
      } else if (o.status == 200) {
        ++tally.ok;
      } else if (o.status == 503) {
        ++tally.unavailable;
      } else if (o.status == 504) {
        ++tally.timed_out;
      } else {
        ++tally.other;
      }
    }
  }
  return tally;
}

// The requests to the backend that did not get a 200, for the message of a failure.
std::string NotOk(World& world, int backend) {
  std::string text;
  for (int i = 0; i < world.client_count(); ++i) {
    const HttpClient& client = world.client(i);
    for (size_t k = 0; k < client.outcomes().size(); ++k) {
      const Outcome& o = client.outcomes()[k];
      const uint64_t id = client.options().first_id + k;
      if (id % 2 != static_cast<uint64_t>(backend) || (!o.broken && o.status == 200)) continue;
      AppendTo(&text, "request ", id, ": ", o.broken ? "connection ended" : "status ", o.status,
               ", sent at ", o.sent.nanos() / 1000, " us, over at ", o.done.nanos() / 1000,
               " us\n");
    }
  }
  return text;
}

void RunUntilSettled(World& world, uint64_t count) {
  ASSERT_TRUE(world.Run(kLimit, [&] { return world.client(0).settled() >= count; }));
}

TEST(SimChange, SwappingTheSnapshotLosesNothing) {
  WorldOptions o = Load(2000);
  o.pod_link = o.uplink = {.loss_per_mille = 5, .reorder_per_mille = 10};
  World world(o);
  ConfigMaker config;
  // By turns: other endpoints of the same cluster, another cluster, another header, no access log.
  int version = 0;
  const auto publish = [&] {
    ++version;
    ConfigSpec spec;
    ClusterSpec all = AllServers(world, version % 4 == 3 ? "other" : "all");
    if (version % 4 == 1) all.endpoints.resize(1);
    if (version % 4 == 2) all.endpoints.erase(all.endpoints.begin());
    spec.routes = {{.cluster = all.name, .response_header = std::to_string(version)}};
    spec.clusters = {std::move(all)};
    spec.access_log = version % 2 == 0;
    world.plane().Publish(config.Make(spec));
  };
  publish();
  const auto done = [&] { return world.client(0).done() && world.client(1).done(); };
  while (!done()) {
    ASSERT_LT(world.now(), Instant() + kLimit);
    world.Run(Duration::Millis(3), done);
    publish();
  }
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  EXPECT_EQ(world.Errors(), "");
  std::set<std::string> configs;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(world.client(i).answered(200), 2000u);
    for (const Outcome& out : world.client(i).outcomes()) configs.insert(out.config);
  }
  EXPECT_GT(configs.size(), 20u);  // the load went on through all these changes
  ExpectNothingLeft(world);
}

TEST(SimChange, KilledBackendFailsOnlyItsOwnRequests) {
  World world(TwoBackends(1000));
  ConfigMaker config;
  world.plane().Publish(config.Make(RoutePerBackend(world)));
  RunUntilSettled(world, 400);
  const Instant killed = world.now();
  world.server(0).Kill(world.server_host(0), world.now());
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  EXPECT_EQ(world.Errors(), "");
  EXPECT_EQ(Count(world, 1).ok, 1000u) << NotOk(world, 1);
  const Tally before = Count(world, 0, Instant(), killed), after = Count(world, 0, killed);
  EXPECT_GT(before.ok, 300u);
  EXPECT_LE(before.unavailable + before.broken, 32u);  // what was under way: one a connection
  EXPECT_EQ(after.ok, 0u);
  EXPECT_EQ(after.unavailable, 1000 - before.ok - before.unavailable - before.broken);
  EXPECT_EQ(before.timed_out + before.other + after.timed_out + after.other + after.broken, 0u);
  ExpectNothingLeft(world);
}

TEST(SimChange, BackendWithoutPowerFailsOnlyItsOwnRequests) {
  World world(TwoBackends(400));
  ConfigMaker config;
  world.plane().Publish(config.Make(RoutePerBackend(world)));
  RunUntilSettled(world, 150);
  const Instant dark = world.now();
  world.server_host(0).SetPower(false);
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  EXPECT_EQ(world.Errors(), "");
  EXPECT_EQ(Count(world, 1).ok, 400u) << NotOk(world, 1);
  const Tally after = Count(world, 0, dark);
  EXPECT_EQ(after.ok, 0u);
  EXPECT_GT(after.timed_out, 0u);    // on connections that were open: the route's timeout
  EXPECT_GT(after.unavailable, 0u);  // on new ones: the connect timeout
  EXPECT_EQ(after.other + after.broken, 0u);
  ExpectNothingLeft(world);
}

TEST(SimChange, DetachedPortTakesOnlyItsOwnConnectionsAndComesBack) {
  World world(TwoBackends(1500));
  ConfigMaker config;
  world.plane().Publish(config.Make(RoutePerBackend(world)));
  RunUntilSettled(world, 400);
  const Instant gone = world.now();
  const ip::PortId port = world.server_port(0);
  world.plane_port(port).set_state(nic::PortState::kGone);
  world.plane().Detach(port);
  RunUntilSettled(world, 800);
  EXPECT_TRUE(world.plane().detached(port));
  EXPECT_EQ(world.plane_port(port).let_go_count(), 1);  // by the worker that received from it
  const Instant back = world.now();
  world.plane_port(port).set_state(nic::PortState::kUp);
  world.plane().Attach(port);
  ASSERT_TRUE(world.RunUntilClosed(kLimit));
  EXPECT_EQ(world.Errors(), "");
  EXPECT_EQ(Count(world, 1).ok, 1500u) << NotOk(world, 1);
  // What was sent last before the port was back reached the plane after that.
  const Tally away = Count(world, 0, gone, back - Duration::Millis(1));
  EXPECT_EQ(away.ok, 0u);
  EXPECT_GT(away.unavailable, 50u);
  const Tally after = Count(world, 0, back);
  EXPECT_GT(after.ok, 300u);
  EXPECT_EQ(away.broken + after.broken + after.other, 0u);
  ExpectNothingLeft(world);
}

TEST(SimChange, ClientWhosePortGoesTakesOnlyItsOwnRequests) {
  World world(TwoBackends(600));
  ConfigMaker config;
  world.plane().Publish(config.Make(RoutePerBackend(world)));
  RunUntilSettled(world, 200);
  const ip::PortId port = world.client_port(0);
  world.plane_port(port).set_state(nic::PortState::kGone);
  world.plane().Detach(port);
  world.client_host(0).SetPower(false);
  ASSERT_TRUE(
      world.Run(kLimit, [&] { return world.client(1).done() && world.client(1).closed(); }));
  EXPECT_EQ(world.client(1).answered(200), 600u) << NotOk(world, 0) << NotOk(world, 1);
  EXPECT_EQ(world.Errors(), "");
  world.RunFor(Duration::Seconds(75));
  EXPECT_TRUE(world.plane().detached(port));
  EXPECT_EQ(world.plane().l7_connections(), 0u);
  EXPECT_EQ(world.plane().exchanges(), 0u);
  EXPECT_EQ(world.plane().tcp_connections(), 0u);
  EXPECT_EQ(world.plane().packets_outstanding(), 0);
}

// Drain: what is under way is finished, with "connection: close"; who dials again is served. Idle
// connections end at once: a request that was on its way on one of them meets the FIN, and its
// client knows that it was not taken (RFC 9112 9.3.1). Nothing else is lost.
TEST(SimChange, DrainLosesNothingThatWasTaken) {
  World world(Load(600));
  ConfigMaker config;
  world.plane().Publish(config.Make(OneCluster(world)));
  RunUntilSettled(world, 200);
  world.plane().Drain();
  const Instant drained = world.now();
  ASSERT_TRUE(world.RunUntilClosed(kLimit)) << world.client(0).Dump() << world.client(1).Dump();
  EXPECT_EQ(world.Errors(), "");
  for (int i = 0; i < 2; ++i) {
    const HttpClient& client = world.client(i);
    EXPECT_EQ(client.answered(200) + client.broken(), 600u);
    for (size_t k = 0; k < client.outcomes().size(); ++k) {
      const Outcome& o = client.outcomes()[k];
      if (!o.broken) continue;
      EXPECT_LT(o.sent, drained + Duration::Millis(1));
      for (int server = 0; server < world.server_count(); ++server) {
        EXPECT_EQ(world.server(server).served().count(client.options().first_id + k), 0u);
      }
    }
  }
  ExpectNothingLeft(world);
}

}  // namespace
}  // namespace meltemi::sim
