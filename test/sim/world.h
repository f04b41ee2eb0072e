// World: a node plane, the machines around it and the wire between them, on one virtual clock.
//
//   client pods                     plane                       servers
//   c0 10.1.0.11, fd00:1::11  ---- port 0  +----------+
//   c1 10.1.0.12 ...          ---- port 1  | workers  | port ---- b0, b1, ... pods 10.1.0.21 ...
//                                          +----------+ uplink -- s0, s1, ... 172.16.0.11 ...
//
// Clients dial 10.96.0.1:80 and [fd00:96::1]:80, the addresses of a service nobody has: the plane
// answers as it. Clients of opaque streams dial port 90 there. With a second node, some servers
// (r0, r1, ...) are its pods 10.2.0.x, behind its plane and the uplink. Everything follows from the
// seed: two worlds of equal options are the same run.
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
#include "test/sim/node.h"
#include "test/sim/plane.h"
#include "test/sim/streams.h"
#include "test/sim/wire.h"

namespace meltemi::sim {

// The service's addresses, and its ports.
inline constexpr uint16_t kHttpPort = 80, kStreamPort = 90;
SockAddr ServiceV4(uint16_t port = kHttpPort);
SockAddr ServiceV6(uint16_t port = kHttpPort);

struct WorldOptions {
  PlaneOptions plane;
  int clients = 2;
  int pod_servers = 1;
  int uplink_servers = 2;
  int remote_servers = 0;       // pods of a second node
  int stream_clients = 0;       // more pods
  int stream_servers = 0;       // pods of the last node
  ClientOptions load;           // of each client; seeds, first numbers and services are filled in
  ServerOptions server;         // of each server; names and seeds are filled in
  StreamClientOptions streams;  // of each client of streams; likewise
  LinkOptions pod_link;         // between a pod and the plane
  LinkOptions uplink;           // between the plane and the servers behind the uplink
  bool pod_offload = true;      // pods and plane pass super-frames and unfinished checksums
  bool ipv6 = true;             // every other connection dials the service's IPv6 address
  int uplink_rx_queues = 1;     // with symmetric RSS when above 1
  size_t rx_ring_frames = 512;  // of the planes' ports
  size_t tx_ring_frames = 1024;
  uint16_t pod_mtu = 1500, uplink_mtu = 1500;
  uint32_t host_conn_count_max = 4096;
  HostTlsOptions tls;  // client's side of the clients, server's side of the servers
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
  bool Done() const;                    // the same questions, now
  bool Closed() const;
  // Every client has so many more requests to send.
  void Extend(uint64_t request_count);

  // Does not run until then: what arrives waits in its rings.
  void StallWorker(int node, int worker, Duration time);
  void StallMachine(int machine, Duration time);

  // One more pod of the first node, 10.1.0.`last`. The options' addresses and routes are filled in.
  Host& AddPod(int last, HostOptions host, std::unique_ptr<App> app);

  Instant now() const { return now_; }
  Plane& plane(int node = 0) { return nodes_[node]->plane(); }
  Node& node(int i) { return *nodes_[i]; }
  int node_count() const { return static_cast<int>(nodes_.size()); }
  Wire& wire() { return wire_; }
  HttpClient& client(int i) { return *clients_[i].app; }
  Host& client_host(int i) { return *machines_[clients_[i].machine].host; }
  HttpServer& server(int i) { return *servers_[i].app; }
  Host& server_host(int i) { return *machines_[servers_[i].machine].host; }
  StreamClient& stream_client(int i) { return *stream_clients_[i].app; }
  StreamServer& stream_server(int i) { return *stream_servers_[i].app; }
  int client_count() const { return static_cast<int>(clients_.size()); }
  int server_count() const { return static_cast<int>(servers_.size()); }
  int stream_client_count() const { return static_cast<int>(stream_clients_.size()); }
  int stream_server_count() const { return static_cast<int>(stream_servers_.size()); }
  // Of all hosts.
  int machine_count() const { return static_cast<int>(machines_.size()); }
  Host& machine_host(int i) { return *machines_[i].host; }
  SockAddr server_address(int i, bool v6 = false) const;
  SockAddr stream_server_address(int i, bool v6 = false) const;
  // Of the first node.
  worker::MemoryPort& plane_port(ip::PortId id) { return nodes_[0]->port(id); }
  ip::PortId client_port(int i) const { return machines_[clients_[i].machine].port; }
  // The plane's port to pod server i.
  ip::PortId server_port(int i) const { return machines_[servers_[i].machine].port; }

  // Of everything that happened: frames, times, counters.
  uint64_t TraceHash() const;
  // What clients and servers complain about, joined by newlines.
  std::string Errors() const;

 private:
  struct Machine {
    std::unique_ptr<App> app;
    std::unique_ptr<Host> host;
    ip::PortId port = ip::kNoPort;  // of its node; none behind the uplink
    Instant next_at, stalled_until;
  };
  template <typename T>
  struct Placed {
    T* app;
    size_t machine;
  };
  void AddNode(int number);
  // On a cable of the node, or behind the uplink when `node` is null.
  size_t AddMachine(HostOptions host, Node* node, int last, std::unique_ptr<App> app);
  void AddClient(int i);
  void AddServer(int i);
  void AddStreamClient(int i);
  void AddStreamServer(int i);
  void Run(Machine* machine);
  Instant NextAt(const Machine& machine) const;

  const WorldOptions options_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::vector<std::unique_ptr<Node>> nodes_;
  Wire wire_;
  int uplink_ = -1;  // link
  std::vector<Machine> machines_;
  std::vector<Placed<HttpClient>> clients_;
  std::vector<Placed<HttpServer>> servers_;
  std::vector<Placed<StreamClient>> stream_clients_;
  std::vector<Placed<StreamServer>> stream_servers_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_WORLD_H_
