// IPv4 ingress in the order of RFC 1812 5.2.2 and RFC 1122 3.2.1, then what both families share.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"

namespace meltemi::ip {
namespace {

using wire::Ipv4Header;

constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionLooseRoute = 131;
constexpr uint8_t kOptionStrictRoute = 137;

// 0/8, 127/8, 240/4 with 255.255.255.255: RFC 1812 5.3.7, RFC 6890.
bool Martian(const IpAddr& a) {
  const uint8_t first = a.v4_bytes()[0];
  return first == 0 || first == 127 || first >= 240;
}

bool HasSourceRoute(const uint8_t* options, size_t n) {
  for (size_t at = 0; at < n && options[at] != kOptionEnd;) {
    if (options[at] == kOptionNop) {
      ++at;
      continue;
    }
    if (options[at] == kOptionLooseRoute || options[at] == kOptionStrictRoute) return true;
    if (at + 1 >= n || options[at + 1] < 2) return false;
    at += options[at + 1];
  }
  return false;
}

// Of a super-frame.
uint16_t PartBytes(const packet::Packet* p) { return SuperFrame(p) ? p->tso_segsz : 0; }

}  // namespace

void Ip::Impl::ReceiveV4(Inbound& in, Instant now, std::vector<Segment>* segments) {
  const uint8_t* p = packet::Pull(in.packet, wire::kIpv4Bytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_ip_truncated);
  if (p[0] >> 4 != 4) return Drop(in.packet, &IpCounters::drop_ip_version);
  const uint16_t header_bytes = (p[0] & 15) * 4;
  if (header_bytes < wire::kIpv4Bytes || header_bytes > in.packet->pkt_len) {
    return Drop(in.packet, &IpCounters::drop_ip_header_length);
  }
  p = packet::Pull(in.packet, header_bytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_ip_truncated);
  const uint16_t total_bytes = wire::Load16(p + 2);
  if (total_bytes < header_bytes || total_bytes > in.packet->pkt_len) {
    return Drop(in.packet, &IpCounters::drop_ip_length);
  }
  packet::TrimTo(in.packet, total_bytes);
  if (wire::SumBytes(p, header_bytes) != wire::kSumOfCorrect) {
    return Drop(in.packet, &IpCounters::drop_ip_checksum);
  }
  const Ipv4Header header = *Ipv4Header::Parse(p, header_bytes);
  in.v4 = true;
  in.protocol = header.protocol;
  in.ecn = header.ecn;
  in.hop_limit = header.ttl;
  in.dont_fragment = header.dont_fragment;
  in.fragment = header.fragment();
  in.first_fragment = header.fragment_offset == 0;
  in.l3_bytes = header_bytes;
  in.source = header.source;
  in.destination = header.destination;
  if (!AddressesV4(in)) return;
  if (HasSourceRoute(p + wire::kIpv4Bytes, header_bytes - wire::kIpv4Bytes)) {
    return Drop(in.packet, &IpCounters::drop_source_route);
  }
  const bool local = routes_.Find(in.destination).kind == RouteEntry::Kind::kLocal;
  Dispatch(in, local, now, segments);
}

// False: the packet was dropped.
bool Ip::Impl::AddressesV4(Inbound& in) {
  Counter reason = nullptr;
  if (in.source.multicast() || Martian(in.source)) {
    reason = &IpCounters::drop_martian_source;
  } else if (!SourceBelongs(in)) {
    reason = &IpCounters::drop_spoofed_source;
  } else if (in.destination.multicast()) {
    const bool broadcast = in.destination.v4_host_order() == 0xffff'ffff;
    reason = broadcast ? &IpCounters::drop_broadcast : &IpCounters::drop_multicast;
  } else if (Martian(in.destination)) {
    reason = &IpCounters::drop_martian_destination;
  } else if (routes_.Find(in.destination).kind == RouteEntry::Kind::kBroadcast) {
    reason = &IpCounters::drop_broadcast;
  } else if (in.link_group) {
    reason = &IpCounters::drop_link_broadcast;  // RFC 1122 3.3.6
  }
  if (reason != nullptr) Drop(in.packet, reason);
  return reason == nullptr;
}

// A pod uses its own addresses (and IPv6 link-local, which never leaves the link); nobody else uses
// them, nor ours.
bool Ip::Impl::SourceBelongs(const Inbound& in) {
  if (in.port->options.kind == PortKind::kPod) {
    const auto& pods = in.port->options.pod_addresses;
    if (!in.v4 && in.source.link_local()) return in.source != in.port->link_local;
    return std::find(pods.begin(), pods.end(), in.source) != pods.end();
  }
  const RouteEntry& back = routes_.Find(in.source);
  if (back.kind == RouteEntry::Kind::kLocal) return false;
  if (back.kind != RouteEntry::Kind::kForward || back.port == in.port->id) return true;
  return FindPort(back.port)->options.kind != PortKind::kPod;
}

void Ip::Impl::Dispatch(Inbound& in, bool local, Instant now, std::vector<Segment>* segments) {
  if (in.protocol == wire::kProtoTcp) {
    if (in.fragment) return Drop(in.packet, &IpCounters::drop_fragment_tcp);
    return ToSegment(in, local, segments);
  }
  if (in.protocol == wire::kProtoUdp && TakesUdp(in.destination, local)) {
    return in.fragment ? Reassemble(in, now, segments) : ToDatagram(in);
  }
  if (!local) {
    // An error about a connection that we answer for as a service address is for us to know, though
    // it is not addressed to us; it is routed as well, for it may be about somebody else's.
    const uint8_t icmp = in.v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6;
    if (in.protocol == icmp && !in.fragment && IcmpChecksumCorrect(in)) TellTcp(in);
    return RoutePacket(in, now);
  }
  const bool icmp = in.protocol == (in.v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6);
  if (in.fragment) {
    if (icmp || in.protocol == wire::kProtoUdp) return Reassemble(in, now, segments);
    return Drop(in.packet, &IpCounters::drop_fragment_local);
  }
  if (icmp) return in.v4 ? LocalIcmpV4(in, now) : LocalIcmpV6(in, now);
  if (in.protocol == wire::kProtoUdp) {
    SendError(in, {.type = wire::kIcmpUnreachable, .code = wire::kIcmpPortUnreachable},
              {.type = wire::kIcmpv6Unreachable, .code = wire::kIcmpv6PortUnreachable}, now);
  } else {
    SendError(in, {.type = wire::kIcmpUnreachable, .code = wire::kIcmpProtocolUnreachable},
              {.type = wire::kIcmpv6ParameterProblem, .code = 1, .rest = in.protocol_name_at}, now);
  }
  Drop(in.packet, &IpCounters::drop_protocol);
}

void Ip::Impl::ToSegment(const Inbound& in, bool local, std::vector<Segment>* segments) {
  // The TCP header in one piece, as far as it is there; TCP judges it.
  const uint32_t wanted = std::min<uint32_t>(in.packet->pkt_len, in.l3_bytes + wire::kTcpBytesMax);
  const uint8_t* p = packet::Pull(in.packet, static_cast<uint16_t>(wanted));
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_ip_truncated);
  packet::TrimFront(in.packet, in.l3_bytes);
  const uint8_t* tcp = packet::Data(in.packet);
  const bool ports = in.packet->pkt_len >= 4;
  const uint64_t checksum = in.packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  ++counters.segments;
  segments->push_back(
      Segment{.packet = in.packet,
              .source = {in.source, ports ? wire::Load16(tcp) : uint16_t{0}},
              .destination = {in.destination, ports ? wire::Load16(tcp + 2) : uint16_t{0}},
              .port = in.port->id,
              .ip_header_bytes = in.l3_bytes,
              .ecn = in.ecn,
              .checksum_trusted = checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
              .for_us = local,
              .part_bytes = PartBytes(in.packet)});
}

}  // namespace meltemi::ip
