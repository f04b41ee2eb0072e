// Builders of packets for tests: name the fields that matter, the rest is valid. Lengths and
// checksums are computed. Composed as strings of bytes, put into pool packets at the end:
//
//   Packet* p = ToPacket(&pool, Ethernet({.source = a}, Ip({.source = x, .destination = y},
//                                                          Tcp({.flags = kTcpSyn}))));
//
// An upper-layer part is made by a function of its IpFields, because checksums cover the addresses.
#ifndef MELTEMI_DATAPLANE_WIRE_BUILDERS_H_
#define MELTEMI_DATAPLANE_WIRE_BUILDERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "dataplane/packet/packet_pool.h"
#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/icmp.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/transport.h"

namespace meltemi::wire {

struct IpFields {
  IpAddr source, destination;
  uint8_t ttl = 64;
  uint8_t ecn = 0;
  uint16_t id = 0;               // IPv4; IPv6: of the Fragment header
  bool dont_fragment = true;     // IPv4
  bool more_fragments = false;   // IPv4; IPv6: with fragment_offset adds a Fragment header
  uint16_t fragment_offset = 0;  // bytes
  std::string options;          // IPv4 options (multiple of 4) or IPv6 extension headers, see below
  uint8_t first_extension = 0;  // IPv6: the type of the first header in `options` when not empty;
                                // the last one there must name the payload's protocol itself
  int16_t length_change = 0;    // added to the header's length field: a lie
  bool bad_checksum = false;    // IPv4 header
};

struct TcpFields {
  uint16_t source_port = 1000;
  uint16_t destination_port = 80;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = kTcpAck;
  uint16_t window = 65'535;
  std::string options;  // padded with zeros to a multiple of 4
  std::string payload;
  bool bad_checksum = false;
  bool partial_checksum = false;  // only the pseudo-header sum, as locally generated packets have
};

struct UdpFields {
  uint16_t source_port = 1000;
  uint16_t destination_port = 53;
  std::string payload;
  bool bad_checksum = false;
};

struct IcmpFields {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t rest = 0;    // bytes 4..7
  std::string payload;  // from byte 8
  bool bad_checksum = false;
};

// What goes behind an IP header: its protocol, and its bytes given the header's addresses.
struct Upper {
  uint8_t protocol = 0;
  std::function<std::string(const IpFields&)> bytes;
};
Upper Tcp(TcpFields fields);
Upper Udp(UdpFields fields);
Upper Icmp(IcmpFields fields);    // ICMP in IPv4
Upper Icmpv6(IcmpFields fields);  // ICMPv6 in IPv6
Upper Nd(NdMessage message);
Upper Raw(uint8_t protocol, std::string bytes);

// The family is that of fields.source.
std::string Ip(const IpFields& fields, const Upper& upper);
std::string Arp(const ArpMessage& message);
// `type` 0: by what `payload` begins with (IPv4 or IPv6; else ARP).
std::string Ethernet(const EthernetHeader& header, std::string_view payload);

// One packet of one segment, or of segments of `segment_bytes` each; CHECKs that the pool has room.
packet::Packet* ToPacket(packet::PacketPool* pool, std::string_view bytes,
                         uint32_t segment_bytes = packet::kLargeRoom - packet::kHeadroom);
// All bytes of the chain.
std::string ToString(const packet::Packet* packet);

// Checks of what came out: header and upper-layer checksum of an IP packet (from its IP header on).
bool ChecksumsCorrect(std::string_view ip_packet);

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_BUILDERS_H_
