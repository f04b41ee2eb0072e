// World: a node plane, the machines around it and the wire between them, on one virtual clock.
//
//   client pods                     plane                       servers
//   c0 10.1.0.11, fd00:1::11  ---- port 0  +----------+
//   c1 10.1.0.12 ...          ---- port 1  | workers  | port ---- b0, b1, ... pods 10.1.0.21 ...
//                                          +----------+ uplink -- s0, s1, ... 172.16.0.11 ...
//
// Clients dial 10.96.0.1:80 and [fd00:96::1]:80, the addresses of a service nobody has: the plane
// answers as it. Everything follows from the seed: two worlds of equal options are the same run.
#ifndef MELTEMI_TEST_SIM_WORLD_H_
#define MELTEMI_TEST_SIM_WORLD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test/sim/host.h"
#include "test/sim/http_client.h"
#include "test/sim/http_server.h"
#include "test/sim/plane.h"
#include "test/sim/wire.h"

namespace meltemi::sim {

// The service's addresses.
SockAddr ServiceV4();
SockAddr ServiceV6();

struct WorldOptions {
  PlaneOptions plane;
  int clients = 2;
  int pod_servers = 1;
  int uplink_servers = 2;
  ClientOptions load;            // of each client; seeds, first numbers and services are filled in
  ServerOptions server;          // of each server; names and seeds are filled in
  LinkOptions pod_link;          // between a pod and the plane
  LinkOptions uplink;            // between the plane and the servers behind the uplink
  bool pod_offload = true;       // pods and plane pass super-frames and unfinished checksums
  bool ipv6 = true;              // every other connection dials the service's IPv6 address
  int uplink_rx_queues = 1;      // with symmetric RSS when above 1
  size_t tx_ring_frames = 1024;  // of the plane's ports
  uint32_t host_conn_count_max = 4096;
  uint64_t seed = 1;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;

  // One step: what is due now happens, then the clock goes to what is next. False: nothing is.
  bool Step();
  // Steps until `done` says so; false when `limit` has passed before.
  bool Run(Duration limit, const std::function<bool()>& done);
  void RunFor(Duration time);
  bool RunUntilDone(Duration limit);    // every request of every client is settled
  bool RunUntilClosed(Duration limit);  // ... and every client's connection is gone
  // Every client has so many more requests to send.
  void Extend(uint64_t request_count);

  Instant now() const { return now_; }
  Plane& plane() { return plane_; }
  Wire& wire() { return wire_; }
  HttpClient& client(int i) { return *clients_[i].app; }
  Host& client_host(int i) { return *clients_[i].host; }
  HttpServer& server(int i) { return *servers_[i].app; }
  Host& server_host(int i) { return *servers_[i].host; }
  int client_count() const { return static_cast<int>(clients_.size()); }
  int server_count() const { return static_cast<int>(servers_.size()); }
  SockAddr server_address(int i, bool v6 = false) const;
  worker::MemoryPort& plane_port(ip::PortId id) { return *plane_ports_[id]; }
  ip::PortId client_port(int i) const { return clients_[i].port; }
  // The plane's port to pod server i.
  ip::PortId server_port(int i) const { return servers_[i].port; }

  // Of everything that happened: frames, times, counters.
  uint64_t TraceHash() const;
  // What clients and servers complain about, joined by newlines.
  std::string Errors() const;

 private:
  struct Client {
    std::unique_ptr<HttpClient> app;
    std::unique_ptr<Host> host;
    ip::PortId port = ip::kNoPort;
    Instant next_at;
  };
  struct Server {
    std::unique_ptr<HttpServer> app;
    std::unique_ptr<Host> host;
    ip::PortId port = ip::kNoPort;
    Instant next_at;
  };
  void AddPodPort(int index, Host* host, ip::PortId* port);
  void AddUplink();
  void AddClient(int i);
  void AddServer(int i);
  worker::MemoryPort* NewPlanePort(const nic::PortCaps& caps);
  void RunHost(Host* host, Instant* next_at);

  const WorldOptions options_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::vector<std::unique_ptr<worker::MemoryPort>> plane_ports_;
  Plane plane_;
  Wire wire_;
  std::vector<config::Workload> workloads_;
  std::vector<Client> clients_;
  std::vector<Server> servers_;
  std::vector<ip::Route> routes_;
  int uplink_ = -1;  // link
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_WORLD_H_
