#include "test/sim/drawn.h"

#include <algorithm>

#include "l7/base/prng.h"
#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

// Every order of magnitude between the two is as likely.
int64_t DrawScale(Prng* prng, int64_t low, int64_t high) {
  int64_t top = low;
  int steps = 0;
  for (; top < high / 2; top *= 2) ++steps;
  const int64_t base = low << prng->Below(static_cast<uint64_t>(steps) + 1);
  return std::min(high, base + static_cast<int64_t>(prng->Below(static_cast<uint64_t>(base))));
}

Duration DrawMicros(Prng* prng, int64_t low, int64_t high) {
  return Duration::Micros(DrawScale(prng, low, high));
}

int DrawInt(Prng* prng, int low, int high) {
  return low + static_cast<int>(prng->Below(static_cast<uint64_t>(high - low) + 1));
}

LinkOptions DrawLink(Prng* prng, bool corrupt) {
  LinkOptions link;
  link.delay = DrawMicros(prng, 5, 20'000);
  link.bytes_per_second = DrawScale(prng, 200'000, 1'250'000'000);
  if (prng->Chance(1, 4)) return link;
  link.loss_per_mille = prng->Chance(1, 3) ? DrawInt(prng, 0, 40) : DrawInt(prng, 0, 5);
  link.duplicate_per_mille = DrawInt(prng, 0, 20);
  link.reorder_per_mille = DrawInt(prng, 0, 60);
  link.reorder_delay = DrawMicros(prng, 10, 5000);
  link.jitter = Duration::Micros(
      static_cast<int64_t>(prng->Below(static_cast<uint64_t>(link.delay.micros()) + 1)));
  if (corrupt) link.corrupt_per_mille = DrawInt(prng, 0, 8);
  return link;
}

void DrawTopology(Prng* prng, WorldOptions* o) {
  o->plane.workers = DrawInt(prng, 1, 4);
  o->plane.turn_time = DrawMicros(prng, 1, 50);
  o->plane.time_wait = Duration::Seconds(10);  // longer than a machine stalls
  o->plane.conn_count_max = o->host_conn_count_max = 256;
  o->plane.l7_conn_count_max = 512;
  o->plane.check_turns = true;
  o->plane.record_slots = 64;
  if (prng->Chance(1, 4)) {
    o->plane.tcp_memory_bytes_max = static_cast<uint64_t>(DrawScale(prng, 64 * 1024, 4'000'000));
  }
  o->clients = DrawInt(prng, 1, 2);
  o->stream_clients = DrawInt(prng, 0, 2);
  o->stream_servers = o->stream_clients > 0 ? DrawInt(prng, 1, 2) : 0;
  o->pod_servers = DrawInt(prng, 0, 2);
  o->uplink_servers = DrawInt(prng, 0, 2);
  o->remote_servers = prng->Chance(1, 3) ? DrawInt(prng, 1, 2) : 0;
  if (o->pod_servers + o->uplink_servers + o->remote_servers == 0) o->uplink_servers = 1;
  o->pod_offload = prng->Chance(1, 2);
  o->ipv6 = prng->Chance(2, 3);
  o->uplink_rx_queues = prng->Chance(1, 2) ? o->plane.workers : 1;
}

void DrawWires(Prng* prng, WorldOptions* o) {
  const bool corrupt = prng->Chance(1, 3);
  o->pod_link = DrawLink(prng, corrupt);
  o->uplink = DrawLink(prng, corrupt);
  o->tx_ring_frames = static_cast<size_t>(DrawScale(prng, 4, 1024));
  o->rx_ring_frames = static_cast<size_t>(DrawScale(prng, 32, 1024));
  constexpr uint16_t kMtus[] = {1500, 1280, 4000, 9000};
  o->pod_mtu = kMtus[prng->Chance(1, 2) ? 0 : prng->Below(4)];
  o->uplink_mtu = kMtus[prng->Chance(1, 2) ? 0 : prng->Below(4)];
  if (!o->ipv6 && prng->Chance(1, 4)) o->uplink_mtu = 576;
}

void DrawHttp(Prng* prng, WorldOptions* o) {
  ClientOptions& load = o->load;
  load.request_count = static_cast<uint64_t>(DrawScale(prng, 1, 24));
  load.connection_count = DrawInt(prng, 1, 6);
  load.requests_per_connection = DrawInt(prng, 1, 8);
  load.think_max = prng->Chance(1, 2) ? DrawMicros(prng, 10, 5000) : Duration();
  load.spread = DrawMicros(prng, 10, 10'000);
  load.shape.reply_bytes_max = static_cast<size_t>(DrawScale(prng, 256, 64 * 1024));
  load.shape.request_bytes_max = static_cast<size_t>(DrawScale(prng, 256, 32 * 1024));
  load.shape.post_percent = DrawInt(prng, 0, 100);
  load.shape.chunked_percent = DrawInt(prng, 0, 100);
  if (prng->Chance(1, 2)) {
    load.pipeline_max = DrawInt(prng, 1, 6);
  } else {
    o->server.close_every = DrawInt(prng, 0, 10);
  }
  o->server.service_time_max = DrawMicros(prng, 1, 4000);
}

void DrawStreams(Prng* prng, WorldOptions* o) {
  StreamClientOptions& streams = o->streams;
  streams.stream_count = static_cast<uint64_t>(DrawInt(prng, 1, 5));
  streams.connection_count = DrawInt(prng, 1, 3);
  streams.spread = DrawMicros(prng, 10, 10'000);
  streams.shape.bytes_max = static_cast<size_t>(DrawScale(prng, 64, 64 * 1024));
  streams.shape.half_close_percent = DrawInt(prng, 0, 100);
  streams.shape.slow_percent = prng->Chance(1, 2) ? DrawInt(prng, 0, 60) : 0;
  streams.shape.reset_percent = prng->Chance(1, 3) ? DrawInt(prng, 0, 80) : 0;
  // A few move megabytes to a reader that is slower than everything between: what is held inside
  // is bounded by the windows, not by what there is.
  if (prng->Chance(1, 100)) {
    streams.stream_count = 2;
    streams.shape.bytes_max = 4'000'000;
    streams.shape.slow_percent = 100;
    streams.shape.slow_bytes = 64 * 1024;
    o->pod_link.bytes_per_second = o->uplink.bytes_per_second = 125'000'000;
  }
}

}  // namespace

Drawn Draw(uint64_t seed) {
  Prng prng(seed ^ 0x5eed5);
  Drawn d;
  d.world.seed = seed;
  DrawTopology(&prng, &d.world);
  DrawWires(&prng, &d.world);
  DrawHttp(&prng, &d.world);
  DrawStreams(&prng, &d.world);
  d.inbound = d.world.remote_servers > 0 && prng.Chance(1, 2);
  if (prng.Chance(1, 4)) d.swap_every = DrawMicros(&prng, 200, 20'000);
  if (prng.Chance(1, 4)) {
    d.fault = static_cast<Fault>(DrawInt(&prng, 1, 3));
    d.fault_at = DrawMicros(&prng, 100, 50'000);
  }
  const int machines = d.world.clients + d.world.pod_servers + d.world.uplink_servers +
                       d.world.remote_servers + d.world.stream_clients + d.world.stream_servers;
  for (int left = prng.Chance(1, 3) ? DrawInt(&prng, 1, 3) : 0; left > 0; --left) {
    Stall stall{.at = DrawMicros(&prng, 10, 50'000), .time = DrawMicros(&prng, 100, 300'000)};
    if (prng.Chance(1, 10)) stall.time = Duration::Seconds(DrawInt(&prng, 1, 3));
    if (prng.Chance(1, 2)) {
      stall.machine = DrawInt(&prng, 0, machines - 1);
      // One that says nothing for three seconds is unreachable (RFC 4861 7.2.2), and that costs
      // requests as a fault does.
      stall.time = std::min(stall.time, Duration::Seconds(2));
    } else {
      stall.node = d.world.remote_servers > 0 ? DrawInt(&prng, 0, 1) : 0;
      stall.worker = DrawInt(&prng, 0, d.world.plane.workers - 1);
    }
    d.stalls.push_back(stall);
  }
  std::sort(d.stalls.begin(), d.stalls.end(),
            [](const Stall& a, const Stall& b) { return a.at < b.at; });
  // Some connections begin with a cookie, some of the same SYNs without one.
  if (prng.Chance(1, 4)) d.world.plane.syn_queue_max = static_cast<uint32_t>(DrawInt(&prng, 0, 4));
  if (d.fault == Fault::kNone && prng.Chance(1, 6)) {
    d.fault = prng.Chance(1, 2) ? Fault::kImpatientServers : Fault::kServersCrash;
    d.fault_at = DrawMicros(&prng, 10, 20'000);
    if (d.fault == Fault::kImpatientServers) d.world.server.idle_max = d.fault_at;
  }
  return d;
}

ConfigSpec OutboundSpec(const Drawn& drawn, const World& world, int version) {
  ConfigSpec spec;
  ClusterSpec all{.name = version % 4 == 3 ? "other" : "all"};
  for (int i = 0; i < world.server_count(); ++i) {
    all.endpoints.push_back(world.server_address(i, drawn.world.ipv6 && i % 2 == 1));
  }
  if (version % 4 == 1) all.endpoints.resize(1);
  if (version % 4 == 2 && all.endpoints.size() > 1) all.endpoints.erase(all.endpoints.begin());
  RouteSpec route{.cluster = all.name, .response_header = std::to_string(version)};
  switch (drawn.fault) {
    case Fault::kNone:
    case Fault::kServerKilled:
    case Fault::kImpatientServers:
    case Fault::kServersCrash:
      break;
    case Fault::kServerDark:
      all.connect_timeout = Duration::Seconds(1);
      route.timeout = Duration::Seconds(2);
      break;
    case Fault::kShortTimeout:
      route.timeout = drawn.fault_at;
      break;
  }
  spec.clusters.push_back(std::move(all));
  spec.routes.push_back(std::move(route));
  if (world.stream_server_count() > 0) {
    ClusterSpec streams{.name = "streams"};
    for (int i = 0; i < world.stream_server_count(); ++i) {
      streams.endpoints.push_back(world.stream_server_address(i, drawn.world.ipv6 && i % 2 == 0));
    }
    spec.clusters.push_back(std::move(streams));
    spec.tcp.push_back({.port = kStreamPort, .cluster = "streams"});
  }
  return spec;
}

ConfigSpec InboundSpec() {
  return {.clusters = {{.name = "inbound", .original_destination = true}},
          .routes = {{.cluster = "inbound"}},
          .direction = config::Direction::kInbound,
          .http_port = 8080,
          .http_idle_timeout = Duration::Seconds(60),  // the only word of a peer whose RST was lost
          .tcp = {{.port = 9090, .cluster = "inbound"}}};
}

std::string Describe(const Drawn& drawn) {
  const WorldOptions& w = drawn.world;
  std::string text =
      Cat(w.plane.workers, " workers, ", w.clients, " clients x ", w.load.request_count,
          " requests, ", w.stream_clients, " x ", w.stream_clients > 0 ? w.streams.stream_count : 0,
          " streams of ", w.streams.shape.bytes_max, " B, servers ", w.pod_servers, " pods ",
          w.uplink_servers, " behind the uplink ", w.remote_servers,
          drawn.inbound ? " remote (ended there)" : " remote", ", MTU ", w.pod_mtu, "/",
          w.uplink_mtu, w.pod_offload ? ", offload" : "", w.ipv6 ? ", IPv6" : "");
  for (const LinkOptions* link : {&w.pod_link, &w.uplink}) {
    AppendTo(&text, "\n    ", link == &w.uplink ? "uplink" : "pods", ": loss ",
             link->loss_per_mille, ", double ", link->duplicate_per_mille, ", damage ",
             link->corrupt_per_mille, ", reorder ", link->reorder_per_mille, " of 1000, ",
             link->delay.micros(), " us, ", link->bytes_per_second, " B/s");
  }
  AppendTo(&text, "\n    TCP memory ", w.plane.tcp_memory_bytes_max, ", SYN queue ",
           w.plane.syn_queue_max);
  AppendTo(&text, "\n    rings ", w.rx_ring_frames, "/", w.tx_ring_frames, ", fault ", drawn.fault,
           " at ", drawn.fault_at.micros(), " us, swaps every ", drawn.swap_every.micros(), " us");
  for (const Stall& stall : drawn.stalls) {
    AppendTo(&text, ", ", stall.machine >= 0 ? "machine " : "worker ",
             stall.machine >= 0 ? stall.machine : stall.worker, " stalls ", stall.time.micros(),
             " us at ", stall.at.micros());
  }
  return text;
}

}  // namespace meltemi::sim
