// Routing: from port to port, and packets of our own.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/ip/merge.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"

namespace meltemi::ip {
namespace {

// One TTL less; the checksum follows (RFC 1141, RFC 1624).
void DecrementHopLimit(uint8_t* ip, bool v4) {
  if (!v4) {
    --ip[7];
    return;
  }
  const uint16_t old_word = wire::Load16(ip + 8);
  --ip[8];
  wire::Store16(ip + 10,
                wire::UpdateChecksum(wire::Load16(ip + 10), old_word, wire::Load16(ip + 8)));
}

// Stable for a connection, not telling anything about it (RFC 6437).
uint32_t FlowLabel(const IpAddr& source, const IpAddr& destination, const uint8_t* tcp,
                   uint32_t seed) {
  const uint32_t hash =
      SymmetricHash({source, wire::Load16(tcp)}, {destination, wire::Load16(tcp + 2)}) ^ seed;
  return (hash * 0x9e3779b1u) >> 12;
}

// Of a TCP packet that begins at its TCP header.
uint32_t TextBytes(const packet::Packet* p) {
  return p->pkt_len - uint32_t{packet::Data(p)[12]} / 16 * 4;
}

}  // namespace

bool Ip::Impl::Describe(packet::Packet* packet, PortState* port, Inbound* in) {
  *in = Inbound{.packet = packet, .port = port};
  const uint8_t* p = packet::Data(packet);
  const size_t n = packet->data_len;
  if (const auto v4 = wire::Ipv4Header::Parse(p, n)) {
    in->protocol = v4->protocol;
    in->ecn = v4->ecn;
    in->hop_limit = v4->ttl;
    in->dont_fragment = v4->dont_fragment;
    in->fragment = v4->fragment();
    in->first_fragment = v4->fragment_offset == 0;
    in->l3_bytes = v4->header_bytes;
    in->source = v4->source;
    in->destination = v4->destination;
    return true;
  }
  const auto v6 = wire::Ipv6Header::Parse(p, n);
  if (!v6) return false;
  const wire::Ipv6Walk walk = wire::WalkIpv6(p, n, wire::WalkFor::kRouter);
  in->v4 = false;
  in->protocol = walk.protocol;
  in->ecn = v6->ecn;
  in->hop_limit = v6->hop_limit;
  in->fragment = walk.result == wire::Ipv6Walk::Result::kFragment;
  in->first_fragment = walk.fragment_offset == 0;
  in->l3_bytes = walk.offset;
  in->source = v6->source;
  in->destination = v6->destination;
  return walk.result == wire::Ipv6Walk::Result::kUpperLayer || in->fragment;
}

void Ip::Impl::Forward(const Segment& segment, Instant now) {
  if (segment.parts > 1 && !TakesWhole(segment)) {
    unmerged_.clear();
    Unmerge(segment, &unmerged_);
    for (const Segment& part : unmerged_) Forward(part, now);
    return;
  }
  ++counters.segments_returned;
  packet::Packet* packet = segment.packet;
  packet::Prepend(packet, segment.ip_header_bytes);
  if (segment.parts > 1) MarkSuperFrame(packet, segment.part_bytes);
  PortState* port = FindPort(segment.port);
  if (port == nullptr) return Drop(packet, &IpCounters::drop_port_gone);
  Inbound in;
  if (!Describe(packet, port, &in)) return Drop(packet, &IpCounters::drop_ip_header_length);
  RoutePacket(in, now);
}

// Whether the port it leaves by takes the merged packet as a super-frame.
bool Ip::Impl::TakesWhole(const Segment& segment) {
  const RouteEntry route = routes_.Find(segment.destination.ip);
  if (route.kind != RouteEntry::Kind::kForward) return false;
  const PortOptions& o = FindPort(route.port)->options;
  const uint32_t ip_bytes = segment.ip_header_bytes + segment.packet->pkt_len;
  const uint32_t headers = ip_bytes - TextBytes(segment.packet);
  return o.tx_checksum && o.tx_segmentation && segment.part_bytes >= o.segment_bytes_min &&
         headers + segment.part_bytes <= o.mtu &&
         wire::kEthernetBytes + ip_bytes <= o.super_frame_bytes_max;
}

// RFC 1812 5.2.1.2 and RFC 4443: route, hop limit, MTU, then out.
void Ip::Impl::RoutePacket(Inbound& in, Instant now) {
  using Kind = RouteEntry::Kind;
  if (in.source.link_local() || in.destination.link_local()) {
    return Drop(in.packet, &IpCounters::drop_link_local);
  }
  if (in.hop_limit <= 1) {
    SendError(in, {.type = wire::kIcmpTimeExceeded}, {.type = wire::kIcmpv6TimeExceeded}, now);
    return Drop(in.packet, &IpCounters::drop_hop_limit);
  }
  const RouteEntry route = routes_.Find(in.destination);
  switch (route.kind) {
    case Kind::kForward:
      break;
    case Kind::kNone:
      SendError(in, {.type = wire::kIcmpUnreachable, .code = wire::kIcmpNetUnreachable},
                {.type = wire::kIcmpv6Unreachable, .code = wire::kIcmpv6NoRoute}, now);
      return Drop(in.packet, &IpCounters::drop_no_route);
    case Kind::kUnreachable:
      SendError(in, {.type = wire::kIcmpUnreachable, .code = wire::kIcmpHostUnreachable},
                {.type = wire::kIcmpv6Unreachable, .code = wire::kIcmpv6AddressUnreachable}, now);
      return Drop(in.packet, &IpCounters::drop_host_unreachable);
    case Kind::kLocal:
      return Drop(in.packet, &IpCounters::drop_protocol);
    case Kind::kBroadcast:
      return Drop(in.packet, &IpCounters::drop_broadcast);
  }
  PortState& egress = *FindPort(route.port);
  if (SuperFrame(in.packet) && !PrepareSuperFrame(in))
    return Drop(in.packet, &IpCounters::drop_super_frame);
  if (in.protocol == wire::kProtoTcp && !in.fragment) ClampMss(in, egress);
  const Fit fit = FitMtu(in, egress, now);
  if (fit == Fit::kDropped) return;
  ToTransmitFlags(in);
  DecrementHopLimit(packet::Data(in.packet), in.v4);
  ++counters.forwarded;
  const IpAddr& next_hop = route.has_via ? route.via : in.destination;
  if (fit == Fit::kFragment) {
    return Fragment(in.packet, in.l3_bytes, egress, next_hop, in.port->id, now);
  }
  Output(in.packet, egress, next_hop, in.port->id, now);
}

// Sets l4_len. What fits one segment is no super-frame any more: its LRO flag goes. False: it
// cannot be cut as it says.
bool Ip::Impl::PrepareSuperFrame(Inbound& in) {
  if (in.fragment) return false;
  if (in.protocol != wire::kProtoTcp && in.protocol != wire::kProtoUdp) return false;
  const uint32_t wanted = std::min<uint32_t>(in.packet->pkt_len, in.l3_bytes + wire::kTcpBytesMax);
  const uint8_t* p = packet::Pull(in.packet, static_cast<uint16_t>(wanted));
  if (p == nullptr) return false;
  uint8_t l4_bytes = wire::kUdpBytes;
  if (in.protocol == wire::kProtoTcp) {
    const auto tcp = wire::TcpHeader::Parse(p + in.l3_bytes, wanted - in.l3_bytes);
    if (!tcp) return false;
    l4_bytes = tcp->header_bytes;
  }
  if (in.packet->pkt_len < uint32_t{in.l3_bytes} + l4_bytes) return false;
  in.packet->l4_len = l4_bytes;
  const uint32_t payload = in.packet->pkt_len - in.l3_bytes - l4_bytes;
  const uint32_t count = (payload + in.packet->tso_segsz - 1) / in.packet->tso_segsz;
  if (count <= 1) in.packet->ol_flags &= ~RTE_MBUF_F_RX_LRO;
  return count <= limits::kSuperFrameSegmentsMax;
}

Ip::Impl::Fit Ip::Impl::FitMtu(const Inbound& in, const PortState& egress, Instant now) {
  const packet::Packet* p = in.packet;
  const bool super = SuperFrame(p);
  const uint32_t bytes =
      super ? static_cast<uint32_t>(in.l3_bytes + p->l4_len + p->tso_segsz) : p->pkt_len;
  const uint16_t mtu = egress.options.mtu;
  if (bytes <= mtu) return Fit::kFits;
  if (in.v4 && !in.dont_fragment) {
    if (!super) return Fit::kFragment;
    // Its parts would have to be cut once more. Its sender knows our MTU by its port.
    Drop(in.packet, &IpCounters::drop_needs_fragmentation);
    return Fit::kDropped;
  }
  SendError(in,
            {.type = wire::kIcmpUnreachable, .code = wire::kIcmpFragmentationNeeded, .rest = mtu},
            {.type = wire::kIcmpv6PacketTooBig, .rest = mtu, .even_multicast = true}, now);
  Drop(in.packet, &IpCounters::drop_too_big);
  return Fit::kDropped;
}

// What the port said on receive becomes what we ask for on transmit. A trusted checksum may be
// partial (its field holds the pseudo-header sum: a packet made on this machine) or complete
// (verified by the port). Partial ones must be completed; asking for a complete one that looks the
// same is harmless.
void Ip::Impl::ToTransmitFlags(const Inbound& in) {
  packet::Packet* p = in.packet;
  const bool trusted = (p->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const bool super = SuperFrame(p);
  p->ol_flags &= kKeepFlags;
  const bool tcp = in.protocol == wire::kProtoTcp;
  if (in.fragment || !(super || trusted) || (!tcp && in.protocol != wire::kProtoUdp)) return;
  const uint16_t at = in.l3_bytes + (tcp ? wire::kTcpChecksumOffset : wire::kUdpChecksumOffset);
  if (p->pkt_len < at + 2u || packet::Pull(p, at + 2) == nullptr) return;
  uint8_t* field = packet::Data(p) + at;
  const uint16_t pseudo =
      wire::PseudoHeaderSum(in.source, in.destination, in.protocol, p->pkt_len - in.l3_bytes);
  if (!super && wire::Load16(field) != pseudo) return;  // complete
  wire::Store16(field, pseudo);
  p->l2_len = wire::kEthernetBytes;
  p->l3_len = in.l3_bytes;
  p->ol_flags |= FamilyFlag(in.v4) | (tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
  if (super) p->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG;
}

void Ip::Impl::SendOwn(packet::Packet* packet, const IpAddr& destination, PortState* port,
                       Instant now) {
  packet->ol_flags &= kKeepFlags;
  PortState* egress = port;
  IpAddr next_hop = destination;
  if (!destination.link_local()) {
    const RouteEntry route = routes_.Find(destination);
    if (route.kind != RouteEntry::Kind::kForward) return Drop(packet, &IpCounters::drop_no_route);
    egress = FindPort(route.port);
    if (route.has_via) next_hop = route.via;
  }
  if (packet->pkt_len <= egress->options.mtu) {
    return Output(packet, *egress, next_hop, kNoPort, now);
  }
  const uint16_t l3_bytes = destination.v4() ? wire::kIpv4Bytes : wire::kIpv6Bytes;
  Fragment(packet, l3_bytes, *egress, next_hop, kNoPort, now);
}

// Our own packet does not fit (the port's MTU has become smaller): TCP hears of it as from a
// router.
void Ip::Impl::TellTooBig(packet::Packet* packet, const IpAddr& source, const IpAddr& destination,
                          uint16_t mtu) {
  const uint8_t* tcp = packet::Data(packet);
  if (icmp_errors.size() < limits::kIcmpErrorsToldPerTurn) {
    icmp_errors.push_back({.kind = IcmpError::Kind::kTooBig,
                           .local = {source, wire::Load16(tcp)},
                           .remote = {destination, wire::Load16(tcp + 2)},
                           .sequence = wire::Load32(tcp + 4),
                           .mtu = mtu});
  } else {
    ++counters.icmp_error_overflow;
  }
  Drop(packet, &IpCounters::drop_too_big);
}

void Ip::Impl::SendTcp(packet::Packet* packet, const IpAddr& source, const IpAddr& destination,
                       uint8_t ecn, Instant now) {
  ++counters.tcp_out;
  CHECK(packet->data_len >= wire::kTcpBytes && source.v4() == destination.v4());
  const RouteEntry route = routes_.Find(destination);
  if (route.kind != RouteEntry::Kind::kForward) return Drop(packet, &IpCounters::drop_no_route);
  PortState& egress = *FindPort(route.port);

  const bool v4 = destination.v4();
  const uint16_t header_bytes = v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
  const uint32_t tcp_bytes = packet->pkt_len;
  const bool super = packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
  const uint32_t biggest =
      super ? static_cast<uint32_t>(packet->l4_len + packet->tso_segsz) : tcp_bytes;
  if (header_bytes + biggest > egress.options.mtu) {
    return TellTooBig(packet, source, destination, egress.options.mtu);
  }
  CHECK(tcp_bytes + (v4 ? header_bytes : 0) <= UINT16_MAX);
  const uint32_t label = v4 ? 0 : FlowLabel(source, destination, packet::Data(packet), flow_seed_);
  uint8_t* p = packet::Prepend(packet, header_bytes);
  if (v4) {
    wire::Ipv4Header{.ecn = ecn,
                     .total_bytes = static_cast<uint16_t>(header_bytes + tcp_bytes),
                     .id = ipv4_id_,
                     .dont_fragment = true,
                     .protocol = wire::kProtoTcp,
                     .source = source,
                     .destination = destination}
        .Emit(p);
    const uint32_t count = super ? static_cast<uint32_t>(tcp_bytes / packet->tso_segsz + 1) : 1;
    ipv4_id_ = static_cast<uint16_t>(ipv4_id_ + count);
  } else {
    wire::Ipv6Header{.ecn = ecn,
                     .flow_label = label,
                     .payload_bytes = static_cast<uint16_t>(tcp_bytes),
                     .next_header = wire::kProtoTcp,
                     .source = source,
                     .destination = destination}
        .Emit(p);
  }
  packet->l2_len = wire::kEthernetBytes;
  packet->l3_len = header_bytes;
  packet->ol_flags &= kKeepFlags | RTE_MBUF_F_TX_TCP_SEG;
  packet->ol_flags |= FamilyFlag(v4) | RTE_MBUF_F_TX_TCP_CKSUM;
  Output(packet, egress, route.has_via ? route.via : destination, kNoPort, now);
}

}  // namespace meltemi::ip
