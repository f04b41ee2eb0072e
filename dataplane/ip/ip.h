// Ip: the network layer of one worker. Ethernet, ARP, IPv4, IPv6, ICMP, ND, routing between ports.
//
// Owns: port addressing, routes, the neighbour cache, per-port transmit queues. Must not know:
// TCP's state, L7. Called by dataplane/worker on its thread, and by simulations. Bounds: limits.h
// "IP". RFC 826 (ARP), 791/1122/1812 (IPv4), 792 (ICMP), 8200 (IPv6), 4443 (ICMPv6), 4861 (ND).
//
// Every packet ends here in exactly one way: handed on as a Segment, forwarded, answered or dropped
// with a named counter.
#ifndef MELTEMI_DATAPLANE_IP_IP_H_
#define MELTEMI_DATAPLANE_IP_IP_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "dataplane/ip/counters.h"
#include "dataplane/packet/packet_pool.h"
#include "l7/base/ip_addr.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::ip {

using PortId = uint16_t;  // index of a port of this node; the same on every worker
inline constexpr PortId kNoPort = UINT16_MAX;
using MacAddr = std::array<uint8_t, 6>;

enum class PortKind : uint8_t { kPod, kUplink };

struct PortOptions {
  PortKind kind = PortKind::kUplink;
  MacAddr mac{};
  uint16_t mtu = 1500;
  std::vector<IpPrefix> addresses;    // on-link prefixes; the address part is in `own`
  std::vector<IpAddr> own;            // the plane's addresses on this port (answers ARP/ND/echo)
  std::vector<IpAddr> pod_addresses;  // kPod: the only source addresses accepted
  bool tx_checksum = false;           // the port completes L4 checksums; else done in software here
  bool tx_segmentation = false;       // the port takes super-frames; else cut here
  uint32_t super_frame_bytes_max = 0;  // with the Ethernet header
  uint16_t segment_bytes_min = 0;      // super-frames of smaller segments are cut here
};

// A TCP packet or a datagram, its IP header checked. The packet's data begins at the TCP or UDP
// header; `packet` is owned by whoever holds the Segment.
struct Segment {
  packet::Packet* packet = nullptr;
  SockAddr source, destination;
  PortId port = kNoPort;          // where it came in
  uint16_t ip_header_bytes = 0;   // how far the IP header lies before the data: Forward needs it
  uint8_t ecn = 0;                // the IP ECN field, RFC 3168
  bool checksum_trusted = false;  // the port vouches for the checksum: it is right, or partial
  bool for_us = false;            // the destination is an address of the plane itself
  // Of several packets' worth: how many merge.h made it of, the text of each but the last (a port's
  // super-frame has that too), and how many pieces of the chain are the first's.
  uint16_t parts = 1;
  uint16_t part_bytes = 0;
  uint16_t first_pieces = 0;
};

// An ICMP error about a TCP connection (RFC 5461) or a datagram: the quoted packet's addresses, as
// we sent it.
struct IcmpError {
  enum class Kind : uint8_t { kUnreachable, kTooBig, kTimeExceeded, kOther };
  Kind kind = Kind::kOther;
  bool udp = false;
  uint8_t code = 0;        // of the message
  SockAddr local, remote;  // the quoted packet's source (us) and destination
  uint32_t sequence = 0;   // the quoted TCP sequence number
  uint32_t mtu = 0;        // kTooBig
};

// Where a connection to `destination` would leave.
struct Egress {
  PortId port = kNoPort;
  IpAddr source;  // the plane's address to use
  uint16_t mtu = 1500;
  uint32_t super_frame_bytes_max = 0;  // of the IP packet; 0: MTU-sized packets only
};

struct RxPacket {
  packet::Packet* packet = nullptr;
  PortId port = kNoPort;
};

struct Route {
  IpPrefix prefix;
  PortId port = kNoPort;
  std::optional<IpAddr> via;  // absent: on link
};

// What ARP or ND has told. With many workers only the one that received the answer sees it: the
// worker tells the others.
struct Neighbour {
  PortId port = kNoPort;
  IpAddr address;
  MacAddr mac{};
};

class Ip {
 public:
  Ip(packet::PacketPool* pool, TimerWheel* timers, Prng* prng);
  ~Ip();

  // Control: from the worker's mail, between turns.
  void AddPort(PortId port, const PortOptions& options);
  void RemovePort(PortId port);               // forgets its neighbours and queued packets
  void SetRoutes(std::vector<Route> routes);  // all of them; longest prefix wins

  // Datagrams to these are for the worker, in fragments or not, and with them what comes to the
  // plane's own addresses. Empty: UDP is routed, and refused at the plane's own.
  void SetUdpServices(absl::flat_hash_set<IpAddr> services);

  // Answers ARP, ND, echo, whole or in fragments; forwards what is not TCP; appends TCP packets to
  // `segments`, undecided, and datagrams for services to datagrams().
  void Receive(std::span<const RxPacket> packets, Instant now, std::vector<Segment>* segments);
  // A segment that nobody here terminates: routed as it came (TTL one less).
  void Forward(Segment segment, Instant now);

  // Datagrams since the last call, undecided; the worker takes them out and gives each to one of
  // Translate, Reject and Forward.
  std::vector<Segment>& datagrams();
  // Sends the datagram on between other ends, of the same family or not: a packet of the plane's
  // own, in fragments when it must. The checksum follows (RFC 1624).
  void Translate(const Segment& datagram, const SockAddr& source, const SockAddr& destination,
                 Instant now);
  // Nobody is there: its source hears of it (port unreachable).
  void Reject(const Segment& datagram, Instant now);
  // Tells `sender` what a translated datagram from it to `destination` met further on, as if
  // `destination` told it. kOther and kTimeExceeded are not passed on.
  void TellSender(const SockAddr& sender, const SockAddr& destination, const IcmpError& error,
                  Instant now);

  std::optional<Egress> Lookup(const IpAddr& destination) const;

  // Sends a TCP packet made by us. The packet's data begins at the TCP header, with kHeadroom in
  // front, checksum field = pseudo-header sum; for a super-frame tso_segsz and
  // RTE_MBUF_F_TX_TCP_SEG are set and l4_len is the TCP header's length. Resolves the neighbour (a
  // few packets wait, then dropped).
  void SendTcp(packet::Packet* packet, const IpAddr& source, const IpAddr& destination, uint8_t ecn,
               Instant now);

  void OnTimer(Timer& timer, Instant now);

  // Answers arrive on the worker that receives from a port; the worker tells the others.
  void LearnNeighbour(const Neighbour& neighbour, Instant now);
  // New or changed since the last call, at most kNeighbourUpdatesPerTurn; the caller clears it.
  std::vector<Neighbour>& learned();

  // What waits for each port, in order; the worker takes from the front what the port accepts.
  std::vector<packet::Packet*>& tx(PortId port);
  // ICMP errors about TCP and datagrams since the last call, for the worker.
  std::vector<IcmpError>& icmp_errors();

  const IpCounters& counters() const;
  uint32_t pending_packets() const;  // that wait for a neighbour
  uint32_t neighbour_count() const;
  uint32_t held_fragments() const;    // that wait for the rest of their datagrams
  uint32_t held_datagrams() const;    // whose fragments wait, or are refused
  uint32_t reassembly_bytes() const;  // charged for both

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_IP_H_
