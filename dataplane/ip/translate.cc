// Datagrams for UDP services: up to the worker, and on between the ends it says. RFC 768, 1624.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kUdpLengthOffset = 4;

// What of the IP header that came stays.
struct Traits {
  uint8_t dscp = 0, ecn = 0;
  bool dont_fragment = false;
};

Traits TraitsOf(const Segment& datagram) {
  const uint8_t* ip = packet::Data(datagram.packet) - datagram.ip_header_bytes;
  if (datagram.source.ip.v4()) {
    return {.dscp = static_cast<uint8_t>(ip[1] >> 2),
            .ecn = datagram.ecn,
            .dont_fragment = (ip[6] & 0x40) != 0};
  }
  return {.dscp = static_cast<uint8_t>(wire::Load16(ip) >> 6 & 0x3f), .ecn = datagram.ecn};
}

// The other family has other codes; all of them say that nobody is there.
wire::IcmpHeader Unreachable(const IpAddr& sender, const IcmpError& error) {
  const bool same = error.local.ip.v4() == sender.v4();
  if (sender.v4()) {
    return {.type = wire::kIcmpUnreachable,
            .code = same ? error.code : uint8_t{wire::kIcmpPortUnreachable}};
  }
  return {.type = wire::kIcmpv6Unreachable,
          .code = same ? error.code : uint8_t{wire::kIcmpv6PortUnreachable}};
}

// The plane's headers may be 20 bytes longer than the sender's, or shorter.
wire::IcmpHeader TooBig(const IpAddr& sender, const IcmpError& error) {
  constexpr uint32_t kMore = wire::kIpv6Bytes - wire::kIpv4Bytes;
  const bool same = error.local.ip.v4() == sender.v4();
  const uint32_t mtu = std::clamp<uint32_t>(error.mtu, wire::kIpv4Bytes + kMore, UINT16_MAX);
  if (sender.v4()) {
    return {.type = wire::kIcmpUnreachable,
            .code = wire::kIcmpFragmentationNeeded,
            .rest = same ? mtu : mtu - kMore};
  }
  return {.type = wire::kIcmpv6PacketTooBig, .rest = same ? mtu : mtu + kMore};
}

}  // namespace

// The way a translated datagram takes.
struct Ip::Impl::Onward {
  RouteEntry route;
  PortState* egress = nullptr;
  uint16_t header_bytes = 0;  // of its IP header
  bool dont_fragment = false;
};

void Ip::Impl::ToDatagram(Inbound& in) {
  packet::Packet* packet = in.packet;
  if (packet->pkt_len < uint32_t{in.l3_bytes} + wire::kUdpBytes) {
    return Drop(packet, &IpCounters::drop_udp_length);
  }
  const uint8_t* p = packet::Pull(packet, static_cast<uint16_t>(in.l3_bytes + wire::kUdpBytes));
  if (p == nullptr) return Drop(packet, &IpCounters::drop_ip_truncated);
  const uint16_t bytes = wire::Load16(p + in.l3_bytes + kUdpLengthOffset);
  // Of a super-frame every part gets its own.
  const bool super = SuperFrame(packet);
  if (!super && (bytes < wire::kUdpBytes || bytes > packet->pkt_len - in.l3_bytes)) {
    return Drop(packet, &IpCounters::drop_udp_length);
  }
  if (super && !PrepareSuperFrame(in)) return Drop(packet, &IpCounters::drop_super_frame);
  packet::TrimFront(packet, in.l3_bytes);
  const uint8_t* udp = packet::Data(packet);
  const uint64_t checksum = packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  ++counters.segments;
  datagrams.push_back({.packet = packet,
                       .source = {in.source, wire::Load16(udp)},
                       .destination = {in.destination, wire::Load16(udp + 2)},
                       .port = in.port->id,
                       .ip_header_bytes = in.l3_bytes,
                       .ecn = in.ecn,
                       .checksum_trusted = checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
                       .for_us = !udp_services.contains(in.destination)});
}

// The datagram is dropped as it came, and its source told why.
void Ip::Impl::Refuse(const Segment& datagram, Counter reason, const ErrorSpec& v4,
                      const ErrorSpec& v6, Instant now) {
  packet::Prepend(datagram.packet, datagram.ip_header_bytes);
  PortState* port = FindPort(datagram.port);
  Inbound in;
  if (port != nullptr && Describe(datagram.packet, port, &in)) SendError(in, v4, v6, now);
  Drop(datagram.packet, reason);
}

void Ip::Impl::Reject(const Segment& datagram, Instant now) {
  ++counters.segments_returned;
  Refuse(datagram, &IpCounters::drop_udp_refused,
         {.type = wire::kIcmpUnreachable, .code = wire::kIcmpPortUnreachable},
         {.type = wire::kIcmpv6Unreachable, .code = wire::kIcmpv6PortUnreachable}, now);
}

// False: it is too big and must not be cut; its source has been told and it is gone.
bool Ip::Impl::FitTranslated(const Segment& datagram, const Onward& onward, Instant now) {
  packet::Packet* packet = datagram.packet;
  const bool super = SuperFrame(packet);
  const uint32_t udp_bytes =
      super ? uint32_t{wire::kUdpBytes} + packet->tso_segsz : packet->pkt_len;
  const uint16_t mtu = onward.egress->options.mtu;
  if (onward.header_bytes + udp_bytes <= mtu) return true;
  if (!super && !onward.dont_fragment) return true;
  // As it came in, its header may be of another length.
  const uint32_t room = mtu - onward.header_bytes + datagram.ip_header_bytes;
  Refuse(datagram, &IpCounters::drop_too_big,
         {.type = wire::kIcmpUnreachable, .code = wire::kIcmpFragmentationNeeded, .rest = room},
         {.type = wire::kIcmpv6PacketTooBig, .rest = room}, now);
  return false;
}

// Ports, addresses' part of the checksum, and what is to be done about it on the way out.
void Ip::Impl::RewriteUdp(const Segment& datagram, const SockAddr& source,
                          const SockAddr& destination) {
  packet::Packet* packet = datagram.packet;
  uint8_t* udp = packet::Data(packet);
  uint8_t* field = udp + wire::kUdpChecksumOffset;
  const uint32_t bytes = packet->pkt_len;
  const bool super = SuperFrame(packet);
  const uint16_t was =
      wire::PseudoHeaderSum(datagram.source.ip, datagram.destination.ip, wire::kProtoUdp, bytes);
  const uint16_t is = wire::PseudoHeaderSum(source.ip, destination.ip, wire::kProtoUdp, bytes);
  const bool partial = super || (datagram.checksum_trusted && wire::Load16(field) == was);
  const bool none = !partial && wire::Load16(field) == 0;
  wire::Store16(udp, source.port);
  wire::Store16(udp + 2, destination.port);
  packet->ol_flags &= kKeepFlags;
  // RFC 8200 8.1: over IPv6 there is always one.
  if (partial || (none && !destination.ip.v4())) {
    wire::Store16(field, is);
    packet->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | (super ? RTE_MBUF_F_TX_UDP_SEG : 0) |
                        FamilyFlag(destination.ip.v4());
    return;
  }
  if (none) return;
  uint16_t checksum = wire::UpdateChecksum(wire::Load16(field), was, is);
  checksum = wire::UpdateChecksum(checksum, datagram.source.port, source.port);
  checksum = wire::UpdateChecksum(checksum, datagram.destination.port, destination.port);
  wire::Store16(field, checksum == 0 ? 0xffff : checksum);
}

void Ip::Impl::Translate(const Segment& datagram, const SockAddr& source,
                         const SockAddr& destination, Instant now) {
  ++counters.segments_returned;
  packet::Packet* packet = datagram.packet;
  const Traits traits = TraitsOf(datagram);
  const bool v4 = destination.ip.v4();
  CHECK(source.ip.v4() == v4);
  Onward onward{.route = routes_.Find(destination.ip),
                .header_bytes = v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes,
                // To IPv6 it is a packet of our own, which we may cut.
                .dont_fragment = traits.dont_fragment && v4};
  if (onward.route.kind != RouteEntry::Kind::kForward) {
    return Drop(packet, &IpCounters::drop_no_route);
  }
  onward.egress = FindPort(onward.route.port);
  if (!FitTranslated(datagram, onward, now)) return;
  RewriteUdp(datagram, source, destination);
  const uint32_t udp_bytes = packet->pkt_len;
  const bool super = (packet->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0;
  const uint32_t count = super ? udp_bytes / packet->tso_segsz + 1 : 1;
  // IPv4 counts its header too: of the longest datagrams over IPv6 none can say the length.
  if (udp_bytes + (v4 ? onward.header_bytes : 0) > UINT16_MAX) {
    return Drop(packet, &IpCounters::drop_udp_length);
  }
  uint8_t* p = packet::Prepend(packet, onward.header_bytes);
  if (v4) {
    wire::Ipv4Header{.dscp = traits.dscp,
                     .ecn = traits.ecn,
                     .total_bytes = static_cast<uint16_t>(wire::kIpv4Bytes + udp_bytes),
                     .id = ipv4_id_,
                     .dont_fragment = traits.dont_fragment,
                     .protocol = wire::kProtoUdp,
                     .source = source.ip,
                     .destination = destination.ip}
        .Emit(p);
    ipv4_id_ = static_cast<uint16_t>(ipv4_id_ + count);
  } else {
    wire::Ipv6Header{.dscp = traits.dscp,
                     .ecn = traits.ecn,
                     .payload_bytes = static_cast<uint16_t>(udp_bytes),
                     .next_header = wire::kProtoUdp,
                     .source = source.ip,
                     .destination = destination.ip}
        .Emit(p);
  }
  packet->l2_len = wire::kEthernetBytes;
  packet->l3_len = onward.header_bytes;
  packet->l4_len = wire::kUdpBytes;
  ++counters.datagrams_translated;
  const IpAddr& next_hop = onward.route.has_via ? onward.route.via : destination.ip;
  if (!super && packet->pkt_len > onward.egress->options.mtu) {
    return Fragment(packet, onward.header_bytes, *onward.egress, next_hop, kNoPort, now);
  }
  Output(packet, *onward.egress, next_hop, kNoPort, now);
}

void Ip::Impl::TellSender(const SockAddr& sender, const SockAddr& destination,
                          const IcmpError& error, Instant now) {
  const bool v4 = sender.ip.v4();
  const RouteEntry route = routes_.Find(sender.ip);
  const bool unreachable = error.kind == IcmpError::Kind::kUnreachable;
  if (route.kind != RouteEntry::Kind::kForward || v4 != destination.ip.v4() ||
      (!unreachable && error.kind != IcmpError::Kind::kTooBig)) {
    ++counters.icmp_errors_suppressed;
    return;
  }
  if (!TakeErrorToken(now)) {
    ++counters.icmp_errors_limited;
    return;
  }
  const wire::IcmpHeader icmp =
      unreachable ? Unreachable(sender.ip, error) : TooBig(sender.ip, error);
  packet::Packet* packet = Originate();
  if (packet == nullptr) return;
  const uint16_t header_bytes = v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
  const uint16_t quoted_bytes = header_bytes + wire::kUdpBytes;
  const uint16_t icmp_bytes = wire::kIcmpBytes + quoted_bytes;
  uint8_t* p = packet::Append(packet, header_bytes + icmp_bytes);
  uint8_t* message = p + header_bytes;
  uint8_t* quoted = message + wire::kIcmpBytes;
  icmp.Emit(message);
  EmitHeader(quoted, sender.ip, destination.ip, wire::kProtoUdp, wire::kUdpBytes);
  wire::UdpHeader{
      .source_port = sender.port, .destination_port = destination.port, .bytes = wire::kUdpBytes}
      .Emit(quoted + header_bytes);
  WrapIcmp(p, destination.ip, sender.ip, icmp_bytes);
  ++counters.icmp_errors_translated;
  SendOwn(packet, sender.ip, nullptr, now);
}

}  // namespace meltemi::ip
