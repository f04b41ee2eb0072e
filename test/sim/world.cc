#include "test/sim/world.h"

#include <algorithm>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

constexpr int kFirstClient = 11;  // last byte of addresses
constexpr int kFirstPodServer = 21;
constexpr int kFirstUplinkServer = 11;
constexpr int kFirstStreamClient = 31;
constexpr int kFirstStreamServer = 41;
constexpr Duration kHostTurn = Duration::Micros(1);

nic::MacAddr HostMac(int kind, int i) {
  return {2, 0, 0, 1, static_cast<uint8_t>(kind), static_cast<uint8_t>(i)};
}

}  // namespace

SockAddr ServiceV4(uint16_t port) { return {*IpAddr::Parse("10.96.0.1"), port}; }
SockAddr ServiceV6(uint16_t port) { return {*IpAddr::Parse("fd00:96::1"), port}; }

World::World(const WorldOptions& options) : options_(options), wire_(options.seed) {
  AddNode(1);
  for (int i = 0; i < options.clients; ++i) AddClient(i);
  for (int i = 0; i < options.pod_servers; ++i) AddServer(i);
  const bool second = options.remote_servers > 0;
  if (options.uplink_servers > 0 || second) {
    uplink_ = wire_.AddLink(options.uplink);
    nodes_[0]->AddUplink(uplink_);
  }
  for (int i = 0; i < options.uplink_servers; ++i) AddServer(options.pod_servers + i);
  if (second) {
    AddNode(2);
    nodes_[1]->AddUplink(uplink_);
    nodes_[0]->AddPeer(2);
    nodes_[1]->AddPeer(1);
  }
  for (int i = 0; i < options.remote_servers; ++i) {
    AddServer(options.pod_servers + options.uplink_servers + i);
  }
  for (int i = 0; i < options.stream_clients; ++i) AddStreamClient(i);
  for (int i = 0; i < options.stream_servers; ++i) AddStreamServer(i);
  for (auto& node : nodes_) node->SetRoutes();
}

World::~World() = default;

void World::AddNode(int number) {
  NodeOptions node{.plane = options_.plane,
                   .number = number,
                   .pod_offload = options_.pod_offload,
                   .uplink_rx_queues = options_.uplink_rx_queues,
                   .pod_mtu = options_.pod_mtu,
                   .uplink_mtu = options_.uplink_mtu,
                   .rx_ring_frames = options_.rx_ring_frames,
                   .tx_ring_frames = options_.tx_ring_frames};
  node.plane.seed = options_.seed + static_cast<uint64_t>(number - 1) * 7919;
  nodes_.push_back(std::make_unique<Node>(node, &wire_, now_));
}

size_t World::AddMachine(HostOptions host, Node* node, int last, std::unique_ptr<App> app) {
  if (node != nullptr) {
    host.addresses = PodAddresses(node->number(), last);
    host.on_link = PodSubnets(node->number());
    host.gateways = PodGateways(node->number());
    const bool own_mtu = host.mtu != HostOptions().mtu;  // its segments are as long as it likes
    if (!own_mtu) host.mtu = options_.pod_mtu;
    if (options_.pod_offload && !own_mtu) host.port.caps = worker::OffloadCaps();
  } else {
    host.addresses = UplinkAddresses(last);
    host.on_link = UplinkSubnets();
    host.gateways = UplinkAddresses(1);
    host.mtu = options_.uplink_mtu;
  }
  host.port.rx_ring_frames = 4096;
  host.tcp.conn_count_max = options_.host_conn_count_max;
  host.tcp.time_wait = Duration::Seconds(1);
  Machine machine{.app = std::move(app)};
  machine.host = std::make_unique<Host>(host, machine.app.get(), now_);
  if (node != nullptr) {
    machine.port = node->AddPod(last, options_.pod_link, machine.host.get());
  } else {
    wire_.Plug(uplink_, &machine.host->port(), host.mac);
  }
  machines_.push_back(std::move(machine));
  return machines_.size() - 1;
}

Host& World::AddPod(int last, HostOptions host, std::unique_ptr<App> app) {
  host.name = Cat("p", last);
  host.mac = HostMac(5, last);
  const size_t machine = AddMachine(std::move(host), nodes_[0].get(), last, std::move(app));
  nodes_[0]->SetRoutes();
  return *machines_[machine].host;
}

void World::AddClient(int i) {
  ClientOptions load = options_.load;
  load.first_id = static_cast<uint64_t>(i) * 1'000'000;
  load.seed = options_.seed * 100 + static_cast<uint64_t>(i);
  load.services = {ServiceV4()};
  if (options_.ipv6) load.services.push_back(ServiceV6());
  HostOptions host{.name = Cat("c", i),
                   .mac = HostMac(1, i),
                   .seed = options_.seed * 10'000 + static_cast<uint64_t>(i)};
  host.tls = {.client = options_.tls.client, .wall_clock = options_.tls.wall_clock};
  auto app = std::make_unique<HttpClient>(load, now_);
  HttpClient* const mine = app.get();
  clients_.push_back({mine, AddMachine(host, nodes_[0].get(), kFirstClient + i, std::move(app))});
}

void World::AddServer(int i) {
  const int behind = i - options_.pod_servers;  // this one's number there
  const int remote = behind - options_.uplink_servers;
  ServerOptions server = options_.server;
  server.name = behind < 0 ? Cat("b", i) : remote < 0 ? Cat("s", behind) : Cat("r", remote);
  server.seed = options_.seed * 1000 + 500 + static_cast<uint64_t>(i);
  HostOptions host{.name = server.name,
                   .mac = HostMac(2, i),
                   .seed = options_.seed * 10'000 + 5000 + static_cast<uint64_t>(i)};
  // A connection whose other end went without a word is found out.
  host.tcp.keepalive.idle = Duration::Seconds(20);
  host.tls = {.server = options_.tls.server, .wall_clock = options_.tls.wall_clock};
  auto app = std::make_unique<HttpServer>(server);
  HttpServer* const mine = app.get();
  size_t machine = 0;
  if (behind < 0) {
    machine = AddMachine(host, nodes_[0].get(), kFirstPodServer + i, std::move(app));
  } else if (remote < 0) {
    machine = AddMachine(host, nullptr, kFirstUplinkServer + behind, std::move(app));
  } else {
    machine = AddMachine(host, nodes_[1].get(), kFirstPodServer + remote, std::move(app));
  }
  servers_.push_back({mine, machine});
}

void World::AddStreamClient(int i) {
  StreamClientOptions streams = options_.streams;
  streams.first_id = static_cast<uint64_t>(i + 1) * 1'000'000'000 + options_.seed * 1000;
  streams.seed = options_.seed * 100 + 50 + static_cast<uint64_t>(i);
  streams.services = {ServiceV4(kStreamPort)};
  if (options_.ipv6) streams.services.push_back(ServiceV6(kStreamPort));
  HostOptions host{.name = Cat("t", i),
                   .mac = HostMac(3, i),
                   .seed = options_.seed * 10'000 + 7000 + static_cast<uint64_t>(i)};
  host.tcp.keepalive.idle = Duration::Seconds(20);
  auto app = std::make_unique<StreamClient>(streams, now_);
  StreamClient* const mine = app.get();
  stream_clients_.push_back(
      {mine, AddMachine(host, nodes_[0].get(), kFirstStreamClient + i, std::move(app))});
}

void World::AddStreamServer(int i) {
  StreamServerOptions server{.name = Cat("u", i), .shape = options_.streams.shape};
  HostOptions host{.name = server.name,
                   .mac = HostMac(4, i),
                   .seed = options_.seed * 10'000 + 8000 + static_cast<uint64_t>(i)};
  host.tcp.keepalive.idle = Duration::Seconds(20);
  host.tls = options_.tls;
  host.tls.client = nullptr;
  auto app = std::make_unique<StreamServer>(server);
  StreamServer* const mine = app.get();
  stream_servers_.push_back(
      {mine, AddMachine(host, nodes_.back().get(), kFirstStreamServer + i, std::move(app))});
}

SockAddr World::server_address(int i, bool v6) const {
  const auto& addresses = machines_[servers_[i].machine].host->options().addresses;
  return {addresses[v6 ? 1 : 0], 8080};
}

SockAddr World::stream_server_address(int i, bool v6) const {
  const auto& addresses = machines_[stream_servers_[i].machine].host->options().addresses;
  return {addresses[v6 ? 1 : 0], 9090};
}

void World::StallWorker(int node, int worker, Duration time) {
  nodes_[node]->plane().Stall(worker, now_ + time);
}

void World::StallMachine(int machine, Duration time) {
  machines_[machine].stalled_until = now_ + time;
}

void World::Run(Machine* machine) {
  if (machine->stalled_until > now_) return;
  if (machine->next_at > now_ && !machine->host->has_input()) return;
  machine->next_at = std::max(machine->host->Turn(now_), now_ + kHostTurn);
}

Instant World::NextAt(const Machine& machine) const {
  const Instant next = machine.host->has_input() ? now_ + kHostTurn : machine.next_at;
  return std::max(next, machine.stalled_until);
}

bool World::Step() {
  wire_.Deliver(now_);
  for (auto& node : nodes_) node->plane().Run(now_);
  for (Machine& machine : machines_) Run(&machine);
  wire_.Collect(now_);
  Instant next = wire_.NextAt();
  for (const auto& node : nodes_) next = std::min(next, node->plane().NextAt());
  for (const Machine& machine : machines_) next = std::min(next, NextAt(machine));
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

bool World::Done() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& c) { return c.app->done(); }) &&
         std::all_of(stream_clients_.begin(), stream_clients_.end(),
                     [](const auto& c) { return c.app->done(); });
}

bool World::Closed() const {
  return Done() && std::all_of(clients_.begin(), clients_.end(),
                               [](const auto& c) { return c.app->closed(); });
}

bool World::RunUntilDone(Duration limit) {
  return Run(limit, [this] { return Done(); });
}

bool World::RunUntilClosed(Duration limit) {
  return Run(limit, [this] { return Closed(); });
}

void World::Extend(uint64_t request_count) {
  for (auto& c : clients_) {
    c.app->Extend(request_count);
    machines_[c.machine].next_at = now_;
  }
}

uint64_t World::TraceHash() const {
  uint64_t hash = wire_.trace_hash();
  for (const auto& node : nodes_) hash = hash * 31 + node->plane().CounterHash();
  for (const Machine& m : machines_) {
    for (const uint64_t value : m.host->tcp().counters().Values()) hash = hash * 31 + value;
  }
  return hash * 31 + static_cast<uint64_t>(now_.nanos());
}

std::string World::Errors() const {
  std::string all;
  const auto append = [&all](const std::string& name, const std::vector<std::string>& errors) {
    for (const std::string& error : errors) AppendTo(&all, name, error, "\n");
  };
  for (const auto& c : clients_)
    append(machines_[c.machine].host->options().name + ": ", c.app->errors());
  for (const auto& s : servers_) append("", s.app->errors());
  for (const auto& c : stream_clients_) append("", c.app->errors());
  for (const auto& s : stream_servers_) append("", s.app->errors());
  return all;
}

}  // namespace meltemi::sim
