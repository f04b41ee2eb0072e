// Ip::Impl: what the files of this folder share. One per worker.
//
//   ingress.cc     Ethernet, IPv4, IPv6: validation in the order of the RFCs; what is for whom
//   neighbours.cc  ARP, ND, the neighbour cache and what waits for it
//   icmp.cc        echo, errors received, errors sent
//   egress.cc      forwarding, sending, checksums and segmentation in software
#ifndef MELTEMI_DATAPLANE_IP_IP_IMPL_H_
#define MELTEMI_DATAPLANE_IP_IP_IMPL_H_

#include <array>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "dataplane/ip/route_table.h"
#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/icmp.h"
#include "dataplane/wire/ip.h"
#include "l7/base/limits.h"

namespace meltemi::ip {

// One received IP packet while it is judged. The packet's data begins at the IP header.
struct IpPacket {
  packet::Packet* packet = nullptr;
  PortId port = kNoPort;
  IpAddr source, destination;
  uint8_t protocol = 0;
  uint8_t ttl = 0;
  uint8_t ecn = 0;
  bool fragment = false;
  bool dont_fragment = true;    // IPv6: always
  uint16_t header_bytes = 0;    // with options or extension headers
  bool v4 = true;
};

struct Ip::Impl {
  struct PortState {
    bool present = false;
    PortOptions options;
    IpAddr link_local;
    std::vector<packet::Packet*> tx;
  };
  struct NeighbourKey {
    PortId port = kNoPort;
    IpAddr address;
    bool operator==(const NeighbourKey&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const NeighbourKey& k) {
      return H::combine(std::move(h), k.port, k.address);
    }
  };
  struct NeighbourEntry {
    MacAddr mac{};
    bool resolved = false;
    uint8_t tries = 0;
    Instant next_try;   // unresolved, or being refreshed
    Instant confirmed;  // last heard of
    Instant used;
    std::vector<packet::Packet*> waiting;  // IP packets, at most kNeighbourPendingPackets
  };

  Impl(packet::PacketPool* pool, TimerWheel* timers, Prng* prng);
  ~Impl();

  // ingress.cc
  void ReceiveOne(const RxPacket& rx, Instant now, std::vector<Segment>* segments);
  void ReceiveV4(packet::Packet* p, PortId port, Instant now, std::vector<Segment>* segments);
  void ReceiveV6(packet::Packet* p, PortId port, Instant now, std::vector<Segment>* segments);
  void Judge(const IpPacket& in, Instant now, std::vector<Segment>* segments);
  void DeliverLocal(const IpPacket& in, Instant now);
  bool Spoofed(const PortState& port, const IpAddr& source) const;
  bool Own(const IpAddr& address) const { return own_.contains(address); }
  void TakeTcp(const IpPacket& in, bool for_us, std::vector<Segment>* segments);

  // neighbours.cc
  void OnArp(packet::Packet* p, PortId port, Instant now);
  void OnNd(const IpPacket& in, Instant now);
  bool AnswersFor(const PortState& port, PortId id, const IpAddr& target) const;
  void Learn(PortId port, const IpAddr& address, const MacAddr& mac, Instant now);
  void Solicit(PortId port, const IpAddr& address);
  void SendArp(PortId port, uint16_t operation, const MacAddr& to, const IpAddr& target,
               const MacAddr& target_mac, const IpAddr& sender);
  void SendNd(PortId port, const wire::NdMessage& message, const IpAddr& source,
              const IpAddr& destination, const MacAddr& to);
  void OnNeighbourTimer(Instant now);
  NeighbourEntry* NeighbourFor(PortId port, const IpAddr& address, Instant now);

  // icmp.cc
  void OnIcmp(const IpPacket& in, Instant now);
  void Echo(const IpPacket& in, Instant now);
  void OnIcmpError(const IpPacket& in, uint8_t type, uint8_t code, uint32_t rest);
  enum class Error : uint8_t { kTtl, kNoRoute, kHost, kTooBig, kProtocol };
  // About `in`, which stays the caller's.
  void SendError(const IpPacket& in, Error error, uint32_t mtu, Instant now);
  bool MayError(const IpPacket& in, Instant now);

  // egress.cc
  void Route(const IpPacket& in, Instant now);
  const ip::Route* FindRoute(const IpAddr& destination) const;
  bool LowerTtl(const IpPacket& in);
  void ToNeighbour(packet::Packet* p, PortId port, const IpAddr& next_hop, Instant now);
  void ToPort(packet::Packet* p, PortId port, const MacAddr& to, uint16_t ether_type);
  void Finish(packet::Packet* p, PortState& port);
  void CompleteChecksum(packet::Packet* p);
  void CutSuperFrame(packet::Packet* p, PortState& port);

  void Drop(packet::Packet* p, uint64_t& counter) {
    ++counter;
    pool_->Free(p);
  }
  PortState* Port(PortId id) {
    return id < ports_.size() && ports_[id].present ? &ports_[id] : nullptr;
  }
  const PortState* Port(PortId id) const {
    return id < ports_.size() && ports_[id].present ? &ports_[id] : nullptr;
  }
  const IpAddr* SourceOn(PortId id, const IpAddr& towards) const;
  void RebuildOwn();

  packet::PacketPool* const pool_;
  TimerWheel* const timers_;
  Prng* const prng_;
  IpCounters counters_;
  std::vector<PortState> ports_;
  absl::flat_hash_map<IpAddr, PortId> own_;
  RouteTable routes_;
  absl::flat_hash_map<NeighbourKey, NeighbourEntry> neighbours_;
  Timer neighbour_timer_;
  std::vector<IcmpError> icmp_errors_;
  std::vector<Neighbour> learned_;
  uint16_t ipv4_id_ = 0;
  // Token bucket of ICMP errors.
  int icmp_tokens_ = limits::kIcmpErrorsPerSecond;
  Instant icmp_refilled_;

  // Destination cache, direct mapped, emptied whenever routes change.
  struct Cached {
    IpAddr destination;
    const ip::Route* route = nullptr;
  };
  mutable std::array<Cached, 256> cache_;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_IP_IMPL_H_
