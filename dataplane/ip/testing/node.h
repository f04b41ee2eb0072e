// A small node for tests of the network layer: two pods on one subnet, one uplink, virtual time.
//
//   port 0: pod A 10.1.0.11, fd00:1::11    gateway 10.1.0.1, fd00:1::1 (also on port 1)
//   port 1: pod B 10.1.0.12, fd00:1::12
//   port 2: uplink 172.16.0.1/24, fd00:f::1/64; 10.2.0.0/24 and fd00:2::/64 via 172.16.0.2,
//   fd00:f::2
#ifndef MELTEMI_DATAPLANE_IP_TESTING_NODE_H_
#define MELTEMI_DATAPLANE_IP_TESTING_NODE_H_

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/ip/ip.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/wire/builders.h"

namespace meltemi::ip {

inline constexpr PortId kPodA = 0;
inline constexpr PortId kPodB = 1;
inline constexpr PortId kUplink = 2;

inline IpAddr Addr(std::string_view text) { return *IpAddr::Parse(text); }
// Of the plane on a port, and of the station at its other end.
inline MacAddr PlaneMac(PortId port) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(port)}; }
inline MacAddr PeerMac(PortId port) { return {2, 0, 0, 0, 1, static_cast<uint8_t>(port)}; }

// What can be different about the ports.
struct NodeOptions {
  bool offload = true;             // all ports complete checksums and take super-frames
  uint16_t segment_bytes_min = 0;  // of the super-frames they take
  uint16_t uplink_mtu = 1500;
  uint32_t segment_count_max = UINT32_MAX;
};

class TestNode {
 public:
  explicit TestNode(const NodeOptions& options = {});
  ~TestNode();
  TestNode(const TestNode&) = delete;

  // A frame from the station behind `port`, addressed to the plane unless `to` says otherwise.
  void Send(PortId port, std::string_view ip_or_arp_packet);
  void Send(PortId port, std::string_view ip_or_arp_packet, const MacAddr& to);
  void SendFrame(PortId port, std::string_view frame);
  void SendPacket(PortId port, packet::Packet* packet);

  // The frames that wait at a port, taken off; their packets are freed.
  std::vector<std::string> Take(PortId port);
  // Without their Ethernet header; ARP and ND left out.
  std::vector<std::string> TakeIp(PortId port);
  // The same as packets, owned by the caller.
  std::vector<packet::Packet*> TakePackets(PortId port);
  void FreeSegments();

  // Time passes; timers fire.
  void Advance(Duration d);
  // The stations behind the ports answer what the plane asked; what waited is at the ports then.
  void Resolve();
  // All three stations' and the remote gateway's addresses become known.
  void Warm();

  // rx_packets + ... = transmitted + drops + ...: see counters.h.
  bool Balanced() const;
  std::string Drops() const;  // "drop_x=1 drop_y=2", for comparing whole

  // Takes what waits at the ports; after that nothing may be held any more.
  void CheckEmpty();

  PortOptions PortOptionsOf(PortId port) const;

  const NodeOptions options;
  packet::HeapPacketPool pool;
  Instant now = Instant::FromNanos(1'000'000'000);
  TimerWheel timers;
  Prng prng{1};
  Ip ip;
  std::vector<Segment> segments;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_TESTING_NODE_H_
