// TurnRig: a plane of two workers between a pod and an uplink, and what lies beyond them, for the
// fuzz target of Worker::Turn. It answers ARP and ND, follows the numbers of TCP conversations, and
// otherwise says only what it is told to.
#ifndef MELTEMI_TEST_SIM_TURN_RIG_H_
#define MELTEMI_TEST_SIM_TURN_RIG_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/sim/config.h"
#include "test/sim/node.h"

namespace meltemi::sim {

inline constexpr ip::PortId kPod = 0, kUplink = 1;
inline constexpr int kClients = 4;

// One TCP conversation as its far end knows it.
struct Peer {
  SockAddr own, plane;
  uint32_t nxt = 1000;  // what we send next
  uint32_t ack = 0;     // what the plane sends next
};

class TurnRig {
 public:
  TurnRig();
  ~TurnRig() { TakeAll(); }
  TurnRig(const TurnRig&) = delete;

  void Put(ip::PortId port, worker::FramePtr frame) { ports_[port]->Put(0, std::move(frame)); }
  // From the station behind the port.
  void PutPacket(ip::PortId port, const std::string& packet, const nic::VnetHeader& header = {});
  void Wait(Duration time) { now_ = now_ + time; }
  void Turn();
  // Another configuration, drain, the pod's port goes, it is back.
  void Change(int what);
  // Nobody says anything more: timers alone end everything.
  void Silence();

  static nic::MacAddr PlaneMac(ip::PortId id) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(id)}; }
  // IPv4 and IPv6, by turns to the HTTP and to the TCP listener.
  Peer& client(int i) { return clients_[i]; }
  // Whom the plane has dialled.
  std::vector<Peer>& servers() { return servers_; }

 private:
  void TakeAll();
  void See(ip::PortId port, const std::string& frame);
  void AnswerNeighbour(ip::PortId port, const std::string& frame);

  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::array<std::unique_ptr<worker::MemoryPort>, 2> ports_;
  config::Workload workload_{.name = "pod", .addresses = PodAddresses(1, 11)};
  std::unique_ptr<Plane> plane_;
  ConfigMaker config_;
  int version_ = 0;
  bool attached_ = true;
  std::array<Peer, kClients> clients_;
  std::vector<Peer> servers_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_TURN_RIG_H_
