// Ip::Impl: the network layer's state and steps. The steps are spread over files by idea:
//   ip.cc          ports, routes, the public door
//   receive.cc     Ethernet, ARP
//   receive_v4.cc  receive_v6.cc   header validation in the RFCs' order, then Dispatch
//   reassemble.cc  fragments for the plane, made whole
//   translate.cc   datagrams for services: up to the worker, and on between other ends
//   icmp_in.cc     echo, errors about TCP, Neighbour Discovery
//   icmp_out.cc    errors we send and when not
//   forward.cc     routing between ports, TCP of our own
//   fragment.cc    packets beyond the egress MTU cut into fragments
//   resolve.cc     neighbour states, ARP requests, Neighbour Solicitations, packets that wait
//   transmit.cc    link header, checksum and segmentation for the egress port
// Private to dataplane/ip. Thread and bounds: see ip.h.
#ifndef MELTEMI_DATAPLANE_IP_IMPL_H_
#define MELTEMI_DATAPLANE_IP_IMPL_H_

#include <array>
#include <memory>
#include <vector>

#include "dataplane/ip/ip.h"
#include "dataplane/ip/neighbours.h"
#include "dataplane/ip/reassembly.h"
#include "dataplane/ip/route_table.h"
#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/icmp.h"
#include "dataplane/wire/ip.h"
#include "l7/base/limits.h"

namespace meltemi::ip {

struct PortState {
  PortId id = kNoPort;
  PortOptions options;
  IpAddr link_local;  // fe80::/64 from the MAC
  std::vector<packet::Packet*> tx;
};

// Scratch for one packet on its way through. `packet` begins at the IP header once that is parsed.
// What of a packet's flags outlives its way through here.
inline constexpr uint64_t kKeepFlags = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
inline uint64_t FamilyFlag(bool v4) { return v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6; }

struct Inbound {
  packet::Packet* packet = nullptr;
  PortState* port = nullptr;  // null: made by us
  MacAddr source_mac{};
  bool link_group = false;  // came as a link-layer multicast or broadcast

  bool v4 = true;
  uint8_t protocol = 0;
  uint8_t ecn = 0;
  uint8_t hop_limit = 0;
  bool dont_fragment = true;
  bool fragment = false;
  bool first_fragment = false;
  bool reassembled = false;       // came in fragments
  uint16_t l3_bytes = 0;          // IP header with options and extension headers
  uint16_t protocol_name_at = 0;  // IPv6: offset of the field that names `protocol`
  IpAddr source, destination;
};

// Whether the port received several segments' worth in one (GSO, LRO).
inline bool SuperFrame(const packet::Packet* p) {
  return (p->ol_flags & RTE_MBUF_F_RX_LRO) != 0 && p->tso_segsz != 0;
}

// An ICMP error to send, in both families' words.
struct ErrorSpec {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t rest = 0;
  bool even_multicast = false;  // RFC 4443 2.4(e.3): packet too big, some parameter problems
};

class Ip::Impl {
 public:
  using Counter = uint64_t IpCounters::*;

  Impl(packet::PacketPool* pool, TimerWheel* timers, Prng* prng);
  ~Impl();

  void AddPort(PortId id, const PortOptions& options);
  void RemovePort(PortId id);
  void SetRoutes(std::vector<Route> routes);
  void Receive(const RxPacket& rx, Instant now, std::vector<Segment>* segments);
  void Forward(const Segment& segment, Instant now);
  std::optional<Egress> Lookup(const IpAddr& destination) const;
  void Translate(const Segment& datagram, const SockAddr& source, const SockAddr& destination,
                 Instant now);
  void Reject(const Segment& datagram, Instant now);
  void TellSender(const SockAddr& sender, const SockAddr& destination, const IcmpError& error,
                  Instant now);
  void SendTcp(packet::Packet* packet, const IpAddr& source, const IpAddr& destination, uint8_t ecn,
               Instant now);
  void OnTimer(Timer& timer, Instant now);
  void LearnNeighbour(const Neighbour& update, Instant now);

  PortState* FindPort(PortId id);
  const PortState* FindPort(PortId id) const { return const_cast<Impl*>(this)->FindPort(id); }

  // What the public door hands out.
  std::vector<packet::Packet*> no_tx;
  std::vector<IcmpError> icmp_errors;
  std::vector<Neighbour> learned;
  IpCounters counters;
  std::vector<Segment> datagrams;
  absl::flat_hash_set<IpAddr> udp_services;
  uint32_t pending_packets = 0;
  uint32_t neighbour_count() const { return neighbours_.size(); }
  const Reassembly& reassembly() const { return reassembly_; }

 private:
  void Drop(packet::Packet* packet, Counter reason);
  void Consume(packet::Packet* packet);
  // An empty packet for a message of ours, counted; null when the pool is exhausted.
  packet::Packet* Originate();

  // ip.cc
  void RebuildRoutes();
  void Announce(PortState& port);

  // receive.cc
  void ReceiveArp(const Inbound& in, Instant now);
  bool ArpSenderAllowed(const PortState& port, const wire::ArpMessage& arp);
  void ReplyArp(PortState& port, const wire::ArpMessage& request);
  // Whether this port answers ARP or ND for `target`: its own address, or (proxy, RFC 1027, 4389)
  // an on-link address that is routed to another port.
  enum class Answers : uint8_t { kNo, kOwn, kProxy };
  Answers AnswersFor(const PortState& port, const IpAddr& target);
  bool Own(const PortState& port, const IpAddr& address) const;
  bool OnLink(const PortState& port, const IpAddr& address) const;

  // receive_v4.cc, receive_v6.cc
  void ReceiveV4(Inbound& in, Instant now, std::vector<Segment>* segments);
  void ReceiveV6(Inbound& in, Instant now, std::vector<Segment>* segments);
  bool AddressesV4(Inbound& in);
  bool AddressesV6(Inbound& in);
  bool ExtensionsV6(Inbound& in, bool local, Instant now);
  void MulticastV6(Inbound& in, Instant now);
  bool SourceBelongs(const Inbound& in);
  // Local or to be routed, TCP or not.
  void Dispatch(Inbound& in, bool local, Instant now, std::vector<Segment>* segments);
  void ToSegment(const Inbound& in, bool local, std::vector<Segment>* segments);

  // reassemble.cc
  void Reassemble(Inbound& in, Instant now, std::vector<Segment>* segments);
  Datagram* BeginDatagram(const DatagramKey& key, const Inbound& in, Instant now);
  bool MakeRoom(const Datagram& datagram, uint32_t bytes);
  void DropFragments(Datagram& datagram, Counter reason);
  void RefuseDatagram(Datagram& datagram, Counter reason);
  void ForgetDatagram(Datagram& datagram, Counter reason);
  void ExpireDatagram(Datagram& datagram, Instant now);
  void FinishDatagram(Datagram& datagram, const Inbound& last, Instant now,
                      std::vector<Segment>* segments);

  // translate.cc
  // Whether a datagram to this address is the worker's.
  bool TakesUdp(const IpAddr& destination, bool local) const {
    return !udp_services.empty() && (local || udp_services.contains(destination));
  }
  void ToDatagram(Inbound& in);
  struct Onward;
  bool FitTranslated(const Segment& datagram, const Onward& onward, Instant now);
  void Refuse(const Segment& datagram, Counter reason, const ErrorSpec& v4, const ErrorSpec& v6,
              Instant now);
  void RewriteUdp(const Segment& datagram, const SockAddr& source, const SockAddr& destination);

  // icmp_in.cc
  void LocalIcmpV4(Inbound& in, Instant now);
  void LocalIcmpV6(Inbound& in, Instant now);
  bool IcmpChecksumCorrect(const Inbound& in);
  // Tells TCP when the message is an error about TCP; true when it was.
  bool TellTcp(const Inbound& in);
  void EchoReply(Inbound& in, Instant now);
  void ReceiveNd(const Inbound& in, Instant now);
  void ReceiveSolicitation(const Inbound& in, const wire::NdMessage& ns, Instant now);
  void ReceiveAdvertisement(const Inbound& in, const wire::NdMessage& na, Instant now);

  // icmp_out.cc
  // Answers with an ICMP error when the standards and the rate limit allow; the packet stays the
  // caller's.
  void SendError(const Inbound& in, const ErrorSpec& v4, const ErrorSpec& v6, Instant now);
  bool ErrorAllowed(const Inbound& in, const ErrorSpec& spec);
  bool TakeErrorToken(Instant now);
  IpAddr ErrorSource(const Inbound& in);
  void EmitHeader(uint8_t* p, const IpAddr& source, const IpAddr& destination, uint8_t protocol,
                  uint16_t bytes, uint8_t dscp = 0);
  void WrapIcmp(uint8_t* p, const IpAddr& source, const IpAddr& destination, uint16_t icmp_bytes,
                uint8_t dscp = 0);

  // forward.cc
  // Fills `in` from a packet whose IP header has been checked before.
  bool Describe(packet::Packet* packet, PortState* port, Inbound* in);
  void RoutePacket(Inbound& in, Instant now);
  // A packet of ours (IP header done, hop limit not touched) to where its destination is routed;
  // link local destinations go out of `port`.
  void SendOwn(packet::Packet* packet, const IpAddr& destination, PortState* port, Instant now);
  enum class Fit : uint8_t { kFits, kFragment, kDropped };
  Fit FitMtu(const Inbound& in, const PortState& egress, Instant now);
  bool TakesWhole(const Segment& segment);
  bool PrepareSuperFrame(Inbound& in);
  void ToTransmitFlags(const Inbound& in);
  void TellTooBig(packet::Packet* packet, const IpAddr& source, const IpAddr& destination,
                  uint16_t mtu);
  const IpAddr* OwnAddress(const PortState& port, const IpAddr& towards) const;

  // clamp_mss.cc
  void ClampMss(const Inbound& in, const PortState& egress);

  // fragment.cc
  // `packet` as it would go out, its IP header of `l3_bytes` in one piece: all fragments go, or
  // none. IPv6 only for packets of ours, without extension headers: routers do not fragment them.
  void Fragment(packet::Packet* packet, uint16_t l3_bytes, PortState& egress,
                const IpAddr& next_hop, PortId ingress, Instant now);
  struct FragmentList {
    std::array<packet::Packet*, limits::kFragmentsMadeMax> packets;
    size_t count = 0;
  };
  Counter CutFragments(const packet::Packet* packet, uint16_t l3_bytes, uint32_t mtu,
                       FragmentList* parts);

  // resolve.cc
  void Output(packet::Packet* packet, PortState& port, const IpAddr& next_hop, PortId ingress,
              Instant now);
  void Solicit(NeighbourEntry& neighbour, Instant now);
  void SolicitArp(PortState& port, const NeighbourEntry& neighbour);
  void SolicitNd(PortState& port, const NeighbourEntry& neighbour);
  enum class Create : uint8_t { kNo, kYes };
  // `confirmed`: it answered us. Packets that waited go out.
  void LearnMac(PortState& port, const IpAddr& address, const MacAddr& mac, bool confirmed,
                Create create, Instant now);
  // For the other workers.
  void Tell(const PortState& port, const IpAddr& address, const MacAddr& mac);
  void FailNeighbour(NeighbourEntry& neighbour, Instant now);
  void Flush(NeighbourEntry& neighbour);
  void QueuePending(NeighbourEntry& neighbour, packet::Packet* packet, PortId ingress);
  void DropPending(NeighbourEntry& neighbour, Counter reason);

  // transmit.cc
  void Transmit(packet::Packet* packet, PortState& port, const MacAddr& destination);
  void TransmitSuperFrame(packet::Packet* frame, PortState& port);
  void Cut(packet::Packet* frame, PortState& port);
  void CompleteChecksum(packet::Packet* frame);
  bool TxRoom(packet::Packet* frame, PortState& port, size_t count);

  packet::PacketPool* const pool_;
  TimerWheel* const timers_;
  Prng* const prng_;
  std::vector<std::unique_ptr<PortState>> ports_;  // by PortId
  std::vector<Route> configured_routes_;
  mutable RouteTable routes_;  // the cache inside changes by looking
  Neighbours neighbours_;
  std::vector<Segment> unmerged_;  // scratch of Forward
  Reassembly reassembly_;
  uint16_t ipv4_id_;
  uint32_t flow_seed_;
  Instant tokens_at_;
  int64_t error_tokens_ = 0;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_IMPL_H_
