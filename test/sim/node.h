// Node: a node plane and its ports, plugged into the simulated wire. Addresses follow from the
// node's number n: pods are 10.n.0.x and fd00:n::x, the uplink is 172.16.0.n and fd00:f::n.
//
// Owns the plane, its ports and the workloads of its pods; borrows the wire. Single thread. Bound:
// what its options say.
#ifndef MELTEMI_TEST_SIM_NODE_H_
#define MELTEMI_TEST_SIM_NODE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "test/sim/host.h"
#include "test/sim/plane.h"
#include "test/sim/wire.h"

namespace meltemi::sim {

struct NodeOptions {
  PlaneOptions plane;
  int number = 1;
  bool pod_offload = true;  // pods' ports pass super-frames and unfinished checksums
  int uplink_rx_queues = 1;
  uint16_t pod_mtu = 1500, uplink_mtu = 1500;
  size_t rx_ring_frames = 512, tx_ring_frames = 1024;  // of its ports
};

// Both addresses, IPv4 first.
std::vector<IpAddr> PodAddresses(int node, int last);
std::vector<IpAddr> UplinkAddresses(int last);
// What is reached directly, and by whom the rest, from a pod of a node.
std::vector<IpPrefix> PodSubnets(int node);
std::vector<IpAddr> PodGateways(int node);
std::vector<IpPrefix> UplinkSubnets();

class Node {
 public:
  Node(const NodeOptions& options, Wire* wire, Instant now);
  Node(const Node&) = delete;

  // A pod's host: a port of the plane, a cable, and the routes to PodAddresses(number, last).
  ip::PortId AddPod(int last, const LinkOptions& link, Host* host);
  ip::PortId AddUplink(int link);
  // The pods of another node are behind this one's uplink. After AddUplink.
  void AddPeer(int number);
  // Hands the routes collected so far to the workers.
  void SetRoutes() { plane_.SetRoutes(routes_); }

  int number() const { return options_.number; }
  Plane& plane() { return plane_; }
  const Plane& plane() const { return plane_; }
  worker::MemoryPort& port(ip::PortId id) { return *ports_[id]; }
  size_t port_count() const { return ports_.size(); }

 private:
  worker::MemoryPort* NewPort(const nic::PortCaps& caps);
  nic::MacAddr Mac(ip::PortId id) const;

  const NodeOptions options_;
  Wire* const wire_;
  std::vector<std::unique_ptr<worker::MemoryPort>> ports_;  // outlive the plane
  Plane plane_;
  std::deque<config::Workload> workloads_;  // stay where they are
  std::vector<ip::Route> routes_;
  ip::PortId uplink_ = ip::kNoPort;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_NODE_H_
