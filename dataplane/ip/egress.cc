// On the way out: forwarding (RFC 1812 5.3, RFC 8200 3), the plane's own TCP, and what a port without
// offloads needs done in software.
#include <algorithm>
#include <cstring>

#include "dataplane/ip/ip_impl.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"

namespace meltemi::ip {
namespace {

constexpr uint8_t kTtl = 64;

bool SuperFrame(const packet::Packet* p) { return (p->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0; }
bool WantsChecksum(const packet::Packet* p) {
  return (p->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)) != 0;
}

}  // namespace

void Ip::Forward(Segment s, Instant now) {
  // Back to the IP header, which still lies in front.
  packet::Prepend(s.packet, s.ip_header_bytes);
  const uint8_t* h = packet::Data(s.packet);
  const bool v4 = s.source.ip.v4();
  impl_->Route({.packet = s.packet,
                .port = s.port,
                .source = s.source.ip,
                .destination = s.destination.ip,
                .protocol = wire::kProtoTcp,
                .ttl = v4 ? h[8] : h[7],
                .ecn = s.ecn,
                .dont_fragment = !v4 || (h[6] & 0x40) != 0,
                .header_bytes = s.ip_header_bytes,
                .v4 = v4},
               now);
}

// One hop less; the IPv4 checksum follows (RFC 1624). False: it ran out.
bool Ip::Impl::LowerTtl(const IpPacket& in) {
  if (in.ttl <= 1) return false;
  uint8_t* h = packet::Data(in.packet);
  if (!in.v4) {
    --h[7];
    return true;
  }
  const uint16_t before = wire::Load16(h + 8);
  --h[8];
  wire::Store16(h + 10, wire::UpdateChecksum(wire::Load16(h + 10), before, wire::Load16(h + 8)));
  return true;
}

void Ip::Impl::Route(const IpPacket& in, Instant now) {
  if (in.destination.link_local() || in.source.link_local()) {
    return Drop(in.packet, counters_.drop_martian);  // never routed: RFC 4291 2.5.6, RFC 3927 7
  }
  if (!LowerTtl(in)) {
    SendError(in, Error::kTtl, 0, now);
    return Drop(in.packet, counters_.drop_ttl);
  }
  const ip::Route* route = FindRoute(in.destination);
  PortState* out = route == nullptr ? nullptr : Port(route->port);
  if (out == nullptr || route->port == in.port) {
    SendError(in, Error::kNoRoute, 0, now);
    return Drop(in.packet, counters_.drop_no_route);
  }
  packet::Packet* p = in.packet;
  const uint32_t largest =
      SuperFrame(p) ? in.header_bytes + p->l4_len + p->tso_segsz : p->pkt_len;
  if (largest > out->options.mtu) {
    // Without "don't fragment" we should fragment (RFC 1812 5.2.6); we do not yet, and say so.
    SendError(in, Error::kTooBig, out->options.mtu, now);
    return Drop(p, counters_.drop_too_big);
  }
  ++counters_.forwarded;
  ToNeighbour(p, route->port, route->via ? *route->via : in.destination, now);
}

void Ip::SendTcp(packet::Packet* p, const IpAddr& source, const IpAddr& destination, uint8_t ecn,
                 Instant now) {
  const ip::Route* route = impl_->FindRoute(destination);
  if (route == nullptr || impl_->Port(route->port) == nullptr) {
    return impl_->Drop(p, impl_->counters_.drop_no_route);
  }
  const uint32_t bytes = p->pkt_len;
  if (source.v4()) {
    p->l3_len = wire::kIpv4Bytes;
    p->ol_flags |= RTE_MBUF_F_TX_IPV4;
    wire::Ipv4Header{.ecn = ecn,
                     .total_bytes = static_cast<uint16_t>(bytes + wire::kIpv4Bytes),
                     .id = impl_->ipv4_id_++,
                     .dont_fragment = true,
                     .ttl = kTtl,
                     .protocol = wire::kProtoTcp,
                     .source = source,
                     .destination = destination}
        .Emit(packet::Prepend(p, wire::kIpv4Bytes));
  } else {
    p->l3_len = wire::kIpv6Bytes;
    p->ol_flags |= RTE_MBUF_F_TX_IPV6;
    wire::Ipv6Header{.ecn = ecn,
                     .payload_bytes = static_cast<uint16_t>(bytes),
                     .next_header = wire::kProtoTcp,
                     .hop_limit = kTtl,
                     .source = source,
                     .destination = destination}
        .Emit(packet::Prepend(p, wire::kIpv6Bytes));
  }
  ++impl_->counters_.tcp_out;
  impl_->ToNeighbour(p, route->port, route->via ? *route->via : destination, now);
}

// `p` begins at what `ether_type` names.
void Ip::Impl::ToPort(packet::Packet* p, PortId id, const MacAddr& to, uint16_t ether_type) {
  PortState* port = Port(id);
  if (port == nullptr) return Drop(p, counters_.drop_port_gone);
  wire::EthernetHeader{.destination = to, .source = port->options.mac, .type = ether_type}.Emit(
      packet::Prepend(p, wire::kEthernetBytes));
  p->l2_len = wire::kEthernetBytes;
  if (WantsChecksum(p)) return Finish(p, *port);
  port->tx.push_back(p);
}

// What the packet asks for, done by the port if it can, else here.
void Ip::Impl::Finish(packet::Packet* p, PortState& port) {
  if (SuperFrame(p) && !port.options.tx_segmentation) return CutSuperFrame(p, port);
  if (!port.options.tx_checksum) CompleteChecksum(p);
  port.tx.push_back(p);
}

// The field holds the pseudo-header's sum: add the rest.
void Ip::Impl::CompleteChecksum(packet::Packet* p) {
  const uint32_t l4 = p->l2_len + p->l3_len;
  const bool udp = (p->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
  const uint32_t field = l4 + (udp ? wire::kUdpChecksumOffset : wire::kTcpChecksumOffset);
  if (field + 2 > p->data_len) return;
  uint16_t checksum = static_cast<uint16_t>(~wire::SumPacket(p, l4, p->pkt_len - l4));
  if (udp && checksum == 0) checksum = 0xffff;  // RFC 768
  wire::Store16(packet::Data(p) + field, checksum);
  p->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
  ++counters_.checksums_in_software;
}

// Software GSO: packets of tso_segsz text each, copied; sequence, IP id, length and flags adjusted.
void Ip::Impl::CutSuperFrame(packet::Packet* p, PortState& port) {
  const uint32_t headers = p->l2_len + p->l3_len + p->l4_len;
  const bool v4 = p->l3_len != wire::kIpv6Bytes || (p->ol_flags & RTE_MBUF_F_TX_IPV4) != 0;
  if (headers > p->data_len || p->tso_segsz == 0) return Drop(p, counters_.drop_ip_header);
  Chain text;
  uint8_t head[256];
  CHECK(headers <= sizeof(head));
  std::memcpy(head, packet::Data(p), headers);
  const uint32_t total = p->pkt_len - headers;
  const uint64_t flags = p->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
  for (uint32_t offset = 0; offset < total; offset += p->tso_segsz) {
    const uint32_t n = std::min<uint32_t>(p->tso_segsz, total - offset);
    packet::Packet* out = pool_->Alloc(n + headers <= packet::kSmallRoom - packet::kHeadroom
                                           ? packet::kSmall
                                           : packet::kLarge);
    if (out == nullptr) {
      ++counters_.drop_no_memory;
      break;
    }
    uint8_t* at = packet::Append(out, static_cast<uint16_t>(headers + n));
    std::memcpy(at, head, headers);
    uint32_t skip = headers + offset, want = n;
    uint8_t* to = at + headers;
    for (const packet::Packet* s = p; s != nullptr && want > 0; s = s->next) {
      const uint32_t from = std::min<uint32_t>(skip, s->data_len);
      const uint32_t part = std::min<uint32_t>(want, s->data_len - from);
      std::memcpy(to, packet::Data(s) + from, part);
      to += part;
      skip -= from;
      want -= part;
    }
    uint8_t* ip = at + p->l2_len;
    uint8_t* tcp = ip + p->l3_len;
    const auto l4_bytes = static_cast<uint16_t>(p->l4_len + n);
    uint16_t pseudo = 0;
    if (v4) {
      wire::Store16(ip + 2, static_cast<uint16_t>(p->l3_len + l4_bytes));
      wire::Store16(ip + 4, static_cast<uint16_t>(wire::Load16(ip + 4) + offset / p->tso_segsz));
      wire::Store16(ip + 10, 0);
      wire::Store16(ip + 10, static_cast<uint16_t>(~wire::SumBytes(ip, p->l3_len)));
      pseudo = wire::PseudoHeaderSum(IpAddr::V4(ip + 12), IpAddr::V4(ip + 16), wire::kProtoTcp,
                                     l4_bytes);
    } else {
      wire::Store16(ip + 4, static_cast<uint16_t>(p->l3_len - wire::kIpv6Bytes + l4_bytes));
      pseudo = wire::PseudoHeaderSum(IpAddr::V6(ip + 8), IpAddr::V6(ip + 24), wire::kProtoTcp,
                                     l4_bytes);
    }
    wire::Store32(tcp + 4, wire::Load32(tcp + 4) + offset);
    if (offset + n < total) tcp[13] &= static_cast<uint8_t>(~(wire::kTcpFin | wire::kTcpPsh));
    if (offset > 0) tcp[13] &= static_cast<uint8_t>(~wire::kTcpCwr);
    wire::Store16(tcp + wire::kTcpChecksumOffset, pseudo);
    out->ol_flags = flags | RTE_MBUF_F_TX_TCP_CKSUM;
    out->l2_len = p->l2_len;
    out->l3_len = p->l3_len;
    out->l4_len = p->l4_len;
    ++counters_.gso_packets_out;
    Finish(out, port);
  }
  pool_->Free(p);
}

}  // namespace meltemi::ip
