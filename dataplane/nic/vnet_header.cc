#include "dataplane/nic/vnet_header.h"

#include <algorithm>

namespace meltemi::nic {
namespace {

using packet::Data;
using packet::Packet;

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint16_t kTcpChecksumAt = 16;
constexpr uint16_t kUdpChecksumAt = 6;
constexpr uint16_t kTcpHeaderBytes = 20;
constexpr uint16_t kUdpHeaderBytes = 8;
constexpr uint16_t kL3BytesMax = 511;  // rte_mbuf's l3_len has 9 bits

enum class Family : uint8_t { kNone, kIpv4, kIpv6 };

// Where the transport header lies, by the frame's own bytes.
struct Transport {
  Family family = Family::kNone;
  uint8_t protocol = 0;
  uint16_t l2_bytes = 0;
  uint16_t l3_bytes = 0;
};

uint16_t Read16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }

// `start` is where the header says that the checksummed part begins. IPv6 extension headers are not
// walked: the protocol follows from the checksum's place then, and `start` bounds the network
// header.
Transport FindTransport(const Packet& frame, uint16_t start, uint16_t checksum_at) {
  Transport found;
  const uint8_t* data = Data(&frame);
  if (frame.data_len < kEthernetBytes + 20) return found;
  const uint16_t type = Read16(data + 12);
  found.l2_bytes = kEthernetBytes;
  if (type == 0x0800) {
    found.l3_bytes = (data[kEthernetBytes] & 0x0f) * 4;
    if (found.l3_bytes < 20 || kEthernetBytes + found.l3_bytes != start) return found;
    found.protocol = data[kEthernetBytes + 9];
    found.family = Family::kIpv4;
  } else if (type == 0x86dd) {
    if (start < kEthernetBytes + 40 || start - kEthernetBytes > kL3BytesMax) return found;
    found.l3_bytes = start - kEthernetBytes;
    found.protocol = checksum_at == kTcpChecksumAt ? kProtocolTcp : kProtocolUdp;
    if (found.l3_bytes == 40 && data[kEthernetBytes + 6] != found.protocol) return found;
    found.family = Family::kIpv6;
  }
  return found;
}

// RFC 1071 over the chain's bytes from `from` on.
uint16_t SumFrom(const Packet* frame, uint32_t from) {
  uint64_t sum = 0;
  uint32_t position = 0;  // of the byte about to be added, from `from`
  for (const Packet* segment = frame; segment != nullptr; segment = segment->next) {
    const uint32_t skip = std::min<uint32_t>(from, segment->data_len);
    from -= skip;
    for (uint32_t i = skip; i < segment->data_len; ++i, ++position) {
      const uint64_t byte = Data(segment)[i];
      sum += position % 2 == 0 ? byte << 8 : byte;
    }
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// The checksum of a protocol we have no flag for. Rare (SCTP has none of this kind; tunnels), so
// plain.
void CompleteInSoftware(Packet* frame, uint16_t start, uint16_t field) {
  const uint16_t checksum = SumFrom(frame, start);
  Data(frame)[field] = static_cast<uint8_t>(checksum >> 8);
  Data(frame)[field + 1] = static_cast<uint8_t>(checksum);
}

VnetVerdict PartialChecksum(const VnetHeader& header, Packet* frame, Transport* transport) {
  const uint32_t field = uint32_t{header.csum_start} + header.csum_offset;
  if (header.csum_start < kEthernetBytes || field + 2 > frame->data_len) return VnetVerdict::kBad;
  *transport = FindTransport(*frame, header.csum_start, header.csum_offset);
  frame->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const uint32_t l4_room = frame->data_len - header.csum_start;
  const bool tcp = transport->protocol == kProtocolTcp && header.csum_offset == kTcpChecksumAt &&
                   l4_room >= kTcpHeaderBytes;
  const bool udp = transport->protocol == kProtocolUdp && header.csum_offset == kUdpChecksumAt &&
                   l4_room >= kUdpHeaderBytes;
  if (transport->family == Family::kNone || !(tcp || udp)) {
    transport->family = Family::kNone;
    CompleteInSoftware(frame, header.csum_start, static_cast<uint16_t>(field));
    return VnetVerdict::kOk;
  }
  frame->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  frame->ol_flags |= transport->family == Family::kIpv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
  frame->l2_len = transport->l2_bytes;
  frame->l3_len = transport->l3_bytes;
  return VnetVerdict::kOk;
}

VnetVerdict SuperFrame(const VnetHeader& header, const Transport& transport, Packet* frame) {
  // The kernel makes super-frames with a partial checksum only; one without is not from it.
  if (header.gso_size == 0 || transport.family == Family::kNone) return VnetVerdict::kBad;
  const uint8_t kind = header.gso_type & ~kVnetGsoEcn;
  const uint8_t* l4 = Data(frame) + transport.l2_bytes + transport.l3_bytes;
  const uint32_t l4_room = frame->data_len - transport.l2_bytes - transport.l3_bytes;
  const bool ipv4 = transport.family == Family::kIpv4;
  if (kind == (ipv4 ? kVnetGsoTcp4 : kVnetGsoTcp6) && transport.protocol == kProtocolTcp) {
    const uint16_t l4_bytes = (l4[12] >> 4) * 4;
    if (l4_bytes < kTcpHeaderBytes || l4_bytes > l4_room) return VnetVerdict::kBad;
    frame->l4_len = l4_bytes;
    frame->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
  } else if (kind == kVnetGsoUdpL4 && transport.protocol == kProtocolUdp) {
    frame->l4_len = kUdpHeaderBytes;
    frame->ol_flags |= RTE_MBUF_F_TX_UDP_SEG;
  } else {
    return VnetVerdict::kBad;
  }
  frame->ol_flags |= RTE_MBUF_F_RX_LRO;
  frame->tso_segsz = header.gso_size;
  return VnetVerdict::kOk;
}

}  // namespace

VnetVerdict FromVnet(const VnetHeader& header, Packet* frame) {
  frame->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
  frame->tx_offload = 0;
  Transport transport;
  if ((header.flags & kVnetNeedsChecksum) != 0) {
    if (PartialChecksum(header, frame, &transport) == VnetVerdict::kBad) return VnetVerdict::kBad;
  } else if ((header.flags & kVnetDataValid) != 0) {
    frame->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  }
  if (header.gso_type == kVnetGsoNone) return VnetVerdict::kOk;
  return SuperFrame(header, transport, frame);
}

VnetVerdict FromDriver(Packet* frame) {
  const uint8_t* data = Data(frame);
  if (frame->data_len < kEthernetBytes + 20) return VnetVerdict::kBad;
  const bool ipv6 = Read16(data + 12) == 0x86dd;
  const uint8_t protocol = data[kEthernetBytes + (ipv6 ? 6 : 9)];
  VnetHeader header{};
  header.flags = kVnetNeedsChecksum;
  header.csum_start =
      static_cast<uint16_t>(kEthernetBytes + (ipv6 ? 40 : (data[kEthernetBytes] & 0x0f) * 4));
  header.csum_offset = protocol == kProtocolTcp ? kTcpChecksumAt : kUdpChecksumAt;
  if (protocol != kProtocolTcp && protocol != kProtocolUdp) return VnetVerdict::kBad;
  if ((frame->ol_flags & RTE_MBUF_F_RX_LRO) != 0) {
    header.gso_size = frame->tso_segsz;
    const uint8_t tcp = ipv6 ? kVnetGsoTcp6 : kVnetGsoTcp4;
    header.gso_type = protocol == kProtocolTcp ? tcp : kVnetGsoUdpL4;
  }
  return FromVnet(header, frame);
}

VnetHeader ToVnet(const Packet& frame) {
  VnetHeader header{};
  const uint64_t flags = frame.ol_flags;
  const bool tcp_super = (flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
  const bool udp_super = (flags & RTE_MBUF_F_TX_UDP_SEG) != 0;
  const uint64_t checksum = flags & RTE_MBUF_F_TX_L4_MASK;
  const bool tcp = tcp_super || checksum == RTE_MBUF_F_TX_TCP_CKSUM;
  const bool udp = udp_super || checksum == RTE_MBUF_F_TX_UDP_CKSUM;
  if (!tcp && !udp) return header;
  const auto l4_at = static_cast<uint16_t>(frame.l2_len + frame.l3_len);
  header.flags = kVnetNeedsChecksum;
  header.csum_start = l4_at;
  header.csum_offset = tcp ? kTcpChecksumAt : kUdpChecksumAt;
  const uint32_t header_bytes = l4_at + frame.l4_len;
  // A "super-frame" of one segment is an ordinary frame; the kernel refuses it as GSO.
  if (!(tcp_super || udp_super) || frame.pkt_len <= header_bytes + frame.tso_segsz) return header;
  header.hdr_len = static_cast<uint16_t>(header_bytes);
  header.gso_size = frame.tso_segsz;
  if (udp_super) {
    header.gso_type = kVnetGsoUdpL4;
    return header;
  }
  header.gso_type = (flags & RTE_MBUF_F_TX_IPV6) != 0 ? kVnetGsoTcp6 : kVnetGsoTcp4;
  // CWR must stand on the first cut segment only (RFC 3168 6.1.2): tell the kernel that it is set.
  const bool cwr = l4_at + 14 <= frame.data_len && (Data(&frame)[l4_at + 13] & 0x80) != 0;
  if (cwr) header.gso_type |= kVnetGsoEcn;
  return header;
}

}  // namespace meltemi::nic
