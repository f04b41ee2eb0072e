#include "bench/budget/scenarios.h"

#include <utility>

#include "dataplane/tls/testing/mesh_ends.h"
#include "l7/base/check.h"
#include "test/sim/config.h"

namespace meltemi::budget {
namespace {

using sim::World;
using sim::WorldOptions;

constexpr Duration kLimit = Duration::Seconds(3000);
// Longer than a delayed acknowledgement, shorter than the idle timeout of pooled connections.
constexpr Duration kSilence = Duration::Millis(500);

// `clients` pods with `connections` in all; servers behind the uplink, a NIC without offloads.
WorldOptions Base(int clients, int connections, const sim::Plan& request) {
  WorldOptions o;
  o.seed = 42;
  o.clients = clients;
  o.pod_servers = 0;
  o.uplink_servers = 2;
  o.ipv6 = false;
  o.load.connection_count = connections / clients;
  o.load.keep_open = true;
  o.load.shape.fixed = request;
  return o;
}

// The clients speak TLS to the plane, mutual; every handshake is a full one.
void UseTls(WorldOptions* o) {
  tls::MeshOptions mesh;
  mesh.client.resume = false;
  o->tls.client = tls::Client(mesh.client);
  o->tls.wall_clock = {.offset_nanos = tls::kTestNow * 1'000'000'000};
  o->plane.tls = true;
  o->plane.wall_clock = o->tls.wall_clock;
}

sim::ConfigSpec TwoServers(World& world) {
  return {.clusters = {{.name = "servers",
                        .endpoints = {world.server_address(0), world.server_address(1)},
                        .idle_timeout = Duration::Seconds(3600)}},
          .routes = {{.cluster = "servers"}}};
}

constexpr uint32_t kTlsSettings = 1;  // stable id

enum class Outliers { kIgnored, kWatched };

void PublishTwoServers(const WorldOptions& options, Outliers outliers, World* world) {
  sim::ConfigSpec spec = TwoServers(*world);
  if (outliers == Outliers::kWatched) spec.clusters[0].outlier.emplace();
  if (options.plane.tls) {
    tls::MeshOptions mesh;
    mesh.server.session_count_max = 0;  // a cache of a fixed size is no connection's cost
    world->plane().SetTls({{.id = kTlsSettings, .context = tls::Server(mesh.server)}});
    spec.tls = kTlsSettings;
  }
  sim::ConfigMaker config;
  world->plane().Publish(config.Make(spec));
}

Result Totals(World& world) {
  const tcp::TcpCounters tcp = world.plane().TcpTotals();
  return {.packets = tcp.segments_in + tcp.segments_out,
          .busy_turns = world.plane().WorkerTotals().busy_turns};
}

}  // namespace

std::vector<Scenario> Scenarios() {
  const sim::Plan small{.reply_bytes = 200};
  std::vector<Scenario> all;
  all.push_back({"one", Base(1, 1, small), 100, 1000});
  all.push_back({"many", Base(2, 64, small), 500, 2000});
  // A turn that takes as long as 20 requests keeps the worker at its limit: batches form.
  all.push_back({"full", Base(2, 64, small), 500, 2000});
  all.back().world.plane.turn_time = Duration::Micros(100);
  all.push_back({"two_workers", Base(2, 64, small), 500, 2000});
  all.back().world.plane.workers = 2;
  all.push_back({"watched", Base(2, 64, small), 500, 2000, /*watched=*/true});
  all.back().world.plane.workers = 2;
  all.push_back({"tls", Base(2, 64, small), 500, 2000});
  UseTls(&all.back().world);
  all.push_back({"close", Base(2, 8, small), 200, 500});
  all.back().world.load.keep_open = false;
  all.back().world.load.requests_per_connection = 1;
  for (const bool large : {false, true}) {
    const size_t bytes = large ? 1024 * 1024 : 64 * 1024;
    const sim::Plan reply{.reply_bytes = bytes};
    const sim::Plan post{.post = true, .request_bytes = bytes, .reply_bytes = 200};
    all.push_back({large ? "reply_1m" : "reply_64k", Base(1, 1, reply), 12, 8});
    all.push_back({large ? "post_1m" : "post_64k", Base(1, 1, post), 12, 8});
    // Turns as long as 30 packets of the NIC: bursts form.
    all.push_back({large ? "burst_1m" : "burst_64k", Base(1, 1, reply), 12, 8});
    all.back().world.plane.turn_time = Duration::Micros(40);
  }
  return all;
}

Result Run(const Scenario& scenario, Watch* watch) {
  WorldOptions options = scenario.world;
  options.plane.probe = watch;
  options.load.request_count = scenario.warmup_count;
  World world(options);
  PublishTwoServers(options, scenario.watched ? Outliers::kWatched : Outliers::kIgnored, &world);
  CHECK(world.RunUntilDone(kLimit));
  world.RunFor(kSilence);
  const Result before = Totals(world);
  watch->Begin();
  world.Extend(scenario.request_count);
  CHECK(world.RunUntilDone(kLimit));
  world.RunFor(kSilence);
  watch->End();
  Result result = Totals(world);
  result.packets -= before.packets;
  result.busy_turns -= before.busy_turns;
  result.requests = scenario.request_count * static_cast<uint64_t>(world.client_count());
  CHECK(world.Errors().empty());
  for (int i = 0; i < world.client_count(); ++i) {
    CHECK(world.client(i).answered(200) == scenario.warmup_count + scenario.request_count);
  }
  return result;
}

uint64_t PassStreams(size_t bytes_max, Watch* watch) {
  WorldOptions options;
  options.seed = 42;
  options.clients = options.pod_servers = options.uplink_servers = 0;
  options.stream_clients = options.stream_servers = 1;
  options.ipv6 = false;
  options.streams.stream_count = 24;
  options.streams.shape = {.bytes_max = bytes_max, .slow_percent = 0};
  options.plane.probe = watch;
  World world(options);
  sim::ConfigMaker config;
  world.plane().Publish(
      config.Make({.clusters = {{.name = "streams", .endpoints = {world.stream_server_address(0)}}},
                   .routes = {{.cluster = "streams"}},
                   .tcp = {{.port = sim::kStreamPort, .cluster = "streams"}}}));
  watch->Begin();
  CHECK(world.RunUntilDone(kLimit));
  world.RunFor(kSilence);
  watch->End();
  CHECK(world.Errors().empty());
  uint64_t bytes = 0;
  for (const sim::StreamOutcome& outcome : world.stream_client(0).outcomes()) {
    CHECK(outcome.whole);
  }
  for (uint64_t id = 0; id < options.streams.stream_count; ++id) {
    const sim::StreamPlan plan =
        sim::StreamPlanOf(world.stream_client(0).options().first_id + id, options.streams.shape);
    bytes += plan.up_bytes + plan.down_bytes;
  }
  return bytes;
}

int64_t HoldConnections(Connections kind, int count, Watch* watch) {
  WorldOptions options = Base(1, count, {.reply_bytes = 200});
  if (kind == Connections::kIdleTls) {
    UseTls(&options);
    options.plane.tls_expanded_keys = 64;  // of the busy ones: full in any case
  }
  options.plane.probe = watch;
  options.plane.conn_count_max = 8192;
  options.plane.l7_conn_count_max = 16'384;
  // Connections open one after the other, each with a request at once and the next one much later:
  // there is always one to send, or a connection would not open.
  options.load.request_count = 2 * static_cast<uint64_t>(count);
  options.load.spread = Duration::Millis(count);
  options.load.think_max = Duration::Seconds(1'000'000);
  if (kind == Connections::kBusy) options.server.service_time_max = Duration::Seconds(1'000'000);
  watch->Begin();
  World world(options);
  PublishTwoServers(options, Outliers::kIgnored, &world);
  const auto conns = static_cast<uint32_t>(count);
  CHECK(world.Run(kLimit, [&] { return world.client_host(0).tcp().conn_count() == conns; }));
  world.RunFor(kSilence);
  watch->End();
  CHECK(kind != Connections::kIdleTls || world.plane().TlsTotals().handshakes_done == conns);
  CHECK(world.plane().exchanges() == (kind == Connections::kBusy ? conns : 0));
  return world.plane().packets_outstanding();
}

void MakePlane(uint32_t conn_count_max, Watch* watch) {
  watch->Begin();
  watch->Enter();
  {
    const sim::Plane plane(
        {.conn_count_max = conn_count_max, .l7_conn_count_max = 2 * conn_count_max},
        Instant::FromNanos(1'000'000'000));
    watch->Leave();
    watch->End();
  }
}

}  // namespace meltemi::budget
