#include "test/sim/world.h"

#include <algorithm>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

constexpr int kFirstClient = 11;  // last byte of addresses
constexpr int kFirstPodServer = 21;
constexpr int kFirstUplinkServer = 11;
constexpr Duration kHostTurn = Duration::Micros(1);

IpAddr Addr(const std::string& text) { return *IpAddr::Parse(text); }

std::vector<IpAddr> PodAddresses(int last) {
  return {Addr(Cat("10.1.0.", last)), Addr(Cat("fd00:1::", last))};
}
std::vector<IpAddr> UplinkAddresses(int last) {
  return {Addr(Cat("172.16.0.", last)), Addr(Cat("fd00:f::", last))};
}

nic::MacAddr HostMac(int kind, int i) {
  return {2, 0, 0, 1, static_cast<uint8_t>(kind), static_cast<uint8_t>(i)};
}
nic::MacAddr PlaneMac(ip::PortId id) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(id)}; }

}  // namespace

SockAddr ServiceV4() { return {Addr("10.96.0.1"), 80}; }
SockAddr ServiceV6() { return {Addr("fd00:96::1"), 80}; }

World::World(const WorldOptions& options)
    : options_(options),
      plane_(
          [&] {
            PlaneOptions plane = options.plane;
            plane.seed = options.seed;
            return plane;
          }(),
          now_),
      wire_(options.seed) {
  workloads_.reserve(options.clients + options.pod_servers);
  for (int i = 0; i < options.clients; ++i) AddClient(i);
  for (int i = 0; i < options.pod_servers; ++i) AddServer(i);
  if (options.uplink_servers > 0) AddUplink();
  for (int i = 0; i < options.uplink_servers; ++i) AddServer(options.pod_servers + i);
  plane_.SetRoutes(routes_);
}

World::~World() = default;

worker::MemoryPort* World::NewPlanePort(const nic::PortCaps& caps) {
  plane_ports_.push_back(std::make_unique<worker::MemoryPort>(worker::MemoryPortOptions{
      .caps = caps, .tx_ring_frames = options_.tx_ring_frames, .probe = options_.plane.probe}));
  return plane_ports_.back().get();
}

void World::AddPodPort(int last, Host* host, ip::PortId* port) {
  worker::MemoryPort* mine =
      NewPlanePort(options_.pod_offload ? worker::OffloadCaps() : worker::PlainCaps());
  const auto id = static_cast<ip::PortId>(plane_ports_.size() - 1);
  workloads_.push_back(
      {.name = host->options().name, .ns = "sim", .addresses = PodAddresses(last)});
  PlanePort plane_port{.name = host->options().name, .port = mine, .workload = &workloads_.back()};
  plane_port.ip = {.kind = ip::PortKind::kPod,
                   .mac = PlaneMac(id),
                   .addresses = {*IpPrefix::Parse("10.1.0.0/24"), *IpPrefix::Parse("fd00:1::/64")},
                   .own = {Addr("10.1.0.1"), Addr("fd00:1::1")},
                   .pod_addresses = PodAddresses(last)};
  *port = plane_.AddPort(plane_port);
  CHECK(*port == id);
  for (const IpAddr& address : PodAddresses(last)) {
    const auto bits = static_cast<uint8_t>(address.v4() ? 32 : 128);
    routes_.push_back({.prefix = {address, bits}, .port = id, .via = std::nullopt});
  }
  const int link = wire_.AddLink(options_.pod_link);
  wire_.Plug(link, mine, PlaneMac(id));
  wire_.Plug(link, &host->port(), host->options().mac);
}

void World::AddUplink() {
  nic::PortCaps caps = worker::PlainCaps();
  caps.rx_queues = options_.uplink_rx_queues;
  worker::MemoryPort* mine = NewPlanePort(caps);
  const auto id = static_cast<ip::PortId>(plane_ports_.size() - 1);
  PlanePort port{.name = "uplink", .port = mine};
  port.ip = {.kind = ip::PortKind::kUplink,
             .mac = PlaneMac(id),
             .addresses = {*IpPrefix::Parse("172.16.0.0/24"), *IpPrefix::Parse("fd00:f::/64")},
             .own = {Addr("172.16.0.1"), Addr("fd00:f::1")}};
  CHECK(plane_.AddPort(port) == id);
  for (const IpPrefix& prefix : port.ip.addresses) {
    routes_.push_back({.prefix = prefix, .port = id, .via = std::nullopt});
  }
  uplink_ = wire_.AddLink(options_.uplink);
  wire_.Plug(uplink_, mine, PlaneMac(id));
}

void World::AddClient(int i) {
  ClientOptions load = options_.load;
  load.first_id = static_cast<uint64_t>(i) * 1'000'000;
  load.seed = options_.seed * 100 + static_cast<uint64_t>(i);
  load.services = {ServiceV4()};
  if (options_.ipv6) load.services.push_back(ServiceV6());
  HostOptions host{.name = Cat("c", i),
                   .mac = HostMac(1, i),
                   .addresses = PodAddresses(kFirstClient + i),
                   .on_link = {*IpPrefix::Parse("10.1.0.0/24"), *IpPrefix::Parse("fd00:1::/64")},
                   .gateways = {Addr("10.1.0.1"), Addr("fd00:1::1")},
                   .seed = options_.seed * 10'000 + static_cast<uint64_t>(i)};
  if (options_.pod_offload) host.port.caps = worker::OffloadCaps();
  host.port.rx_ring_frames = 4096;
  host.tcp.conn_count_max = options_.host_conn_count_max;
  host.tcp.time_wait = Duration::Seconds(1);
  Client client;
  client.app = std::make_unique<HttpClient>(load, now_);
  client.host = std::make_unique<Host>(host, client.app.get(), now_);
  AddPodPort(kFirstClient + i, client.host.get(), &client.port);
  clients_.push_back(std::move(client));
}

void World::AddServer(int i) {
  const bool pod = i < options_.pod_servers;
  ServerOptions app = options_.server;
  app.name = Cat(pod ? "b" : "s", pod ? i : i - options_.pod_servers);
  app.seed = options_.seed * 1000 + 500 + static_cast<uint64_t>(i);
  HostOptions host{.name = app.name,
                   .mac = HostMac(2, i),
                   .seed = options_.seed * 10'000 + 5000 + static_cast<uint64_t>(i)};
  if (pod) {
    host.addresses = PodAddresses(kFirstPodServer + i);
    host.on_link = {*IpPrefix::Parse("10.1.0.0/24"), *IpPrefix::Parse("fd00:1::/64")};
    host.gateways = {Addr("10.1.0.1"), Addr("fd00:1::1")};
    if (options_.pod_offload) host.port.caps = worker::OffloadCaps();
  } else {
    host.addresses = UplinkAddresses(kFirstUplinkServer + i - options_.pod_servers);
    host.on_link = {*IpPrefix::Parse("172.16.0.0/24"), *IpPrefix::Parse("fd00:f::/64")};
    host.gateways = {Addr("172.16.0.1"), Addr("fd00:f::1")};
  }
  host.port.rx_ring_frames = 4096;
  host.tcp.conn_count_max = options_.host_conn_count_max;
  host.tcp.time_wait = Duration::Seconds(1);
  // A connection whose other end went without a word is found out.
  host.tcp.keepalive_idle = Duration::Seconds(20);
  Server server;
  server.app = std::make_unique<HttpServer>(app);
  server.host = std::make_unique<Host>(host, server.app.get(), now_);
  if (pod) {
    AddPodPort(kFirstPodServer + i, server.host.get(), &server.port);
  } else {
    wire_.Plug(uplink_, &server.host->port(), host.mac);
  }
  servers_.push_back(std::move(server));
}

SockAddr World::server_address(int i, bool v6) const {
  const auto& addresses = servers_[i].host->options().addresses;
  return {addresses[v6 ? 1 : 0], 8080};
}

void World::RunHost(Host* host, Instant* next_at) {
  if (*next_at > now_ && !host->has_input()) return;
  *next_at = std::max(host->Turn(now_), now_ + kHostTurn);
}

bool World::Step() {
  wire_.Deliver(now_);
  plane_.Run(now_);
  for (Client& c : clients_) RunHost(c.host.get(), &c.next_at);
  for (Server& s : servers_) RunHost(s.host.get(), &s.next_at);
  wire_.Collect(now_);
  Instant next = std::min(wire_.NextAt(), plane_.NextAt());
  for (const Client& c : clients_) {
    next = std::min(next, c.host->has_input() ? now_ + kHostTurn : c.next_at);
  }
  for (const Server& s : servers_) {
    next = std::min(next, s.host->has_input() ? now_ + kHostTurn : s.next_at);
  }
  if (next.never()) return false;
  now_ = std::max(next, now_ + Duration::Nanos(1));
  return true;
}

bool World::Run(Duration limit, const std::function<bool()>& done) {
  const Instant end = now_ + limit;
  while (!done()) {
    if (now_ >= end || !Step()) return done();
  }
  return true;
}

void World::RunFor(Duration time) {
  const Instant end = now_ + time;
  while (now_ < end) {
    if (!Step()) break;
  }
  now_ = std::max(now_, end);
}

bool World::RunUntilDone(Duration limit) {
  return Run(limit, [this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const Client& c) { return c.app->done(); });
  });
}

bool World::RunUntilClosed(Duration limit) {
  return Run(limit, [this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const Client& c) { return c.app->done() && c.app->closed(); });
  });
}

void World::Extend(uint64_t request_count) {
  for (Client& c : clients_) {
    c.app->Extend(request_count);
    c.next_at = now_;
  }
}

uint64_t World::TraceHash() const {
  uint64_t hash = wire_.trace_hash() * 31 + plane_.CounterHash();
  for (const Client& c : clients_) {
    for (const uint64_t value : c.host->tcp().counters().Values()) hash = hash * 31 + value;
  }
  for (const Server& s : servers_) {
    for (const uint64_t value : s.host->tcp().counters().Values()) hash = hash * 31 + value;
  }
  return hash * 31 + static_cast<uint64_t>(now_.nanos());
}

std::string World::Errors() const {
  std::string all;
  for (const Client& c : clients_) {
    for (const std::string& error : c.app->errors())
      AppendTo(&all, c.host->options().name, ": ", error, "\n");
  }
  for (const Server& s : servers_) {
    for (const std::string& error : s.app->errors()) AppendTo(&all, error, "\n");
  }
  return all;
}

}  // namespace meltemi::sim
