// From a frame to a decision: whose is it? Checks in the order of RFC 1812 5.2 and RFC 8200.
#include <algorithm>

#include "dataplane/ip/ip_impl.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::ip {
namespace {

// Enough of the packet in one piece for every header we read.
constexpr uint16_t kReadable = 256;

// A source that no honest packet has: RFC 1122 3.2.1.3, RFC 4291 2.5.
bool MartianSource(const IpAddr& a) {
  if (a.multicast()) return true;
  if (a.v4()) return a.v4_bytes()[0] == 127 || a.v4_bytes()[0] == 0;
  return a == *IpAddr::Parse("::1");
}
bool MartianDestination(const IpAddr& a) {
  if (a.unspecified()) return true;
  return a.v4() ? a.v4_bytes()[0] == 127 : a.bytes() == IpAddr::Parse("::1")->bytes();
}

}  // namespace

void Ip::Impl::ReceiveOne(const RxPacket& rx, Instant now, std::vector<Segment>* segments) {
  ++counters_.packets_in;
  packet::Packet* p = rx.packet;
  const PortState* port = Port(rx.port);
  if (port == nullptr) return Drop(p, counters_.drop_port_gone);
  const uint8_t* bytes =
      packet::Pull(p, static_cast<uint16_t>(std::min<uint32_t>(p->pkt_len, kReadable)));
  if (bytes == nullptr) return Drop(p, counters_.drop_no_memory);
  const auto header = wire::EthernetHeader::Parse(bytes, p->data_len);
  if (!header) return Drop(p, counters_.drop_ethernet);
  const bool ours = header->destination == port->options.mac || wire::IsGroupMac(header->destination);
  if (!ours) return Drop(p, counters_.drop_not_our_mac);
  packet::TrimFront(p, wire::kEthernetBytes);
  switch (header->type) {
    case wire::kEtherArp:
      return OnArp(p, rx.port, now);
    case wire::kEtherIpv4:
      return ReceiveV4(p, rx.port, now, segments);
    case wire::kEtherIpv6:
      return ReceiveV6(p, rx.port, now, segments);
    case wire::kEtherVlan:
    case wire::kEtherQinq:
      return Drop(p, counters_.drop_vlan);
    default:
      return Drop(p, counters_.drop_ethertype);
  }
}

void Ip::Impl::ReceiveV4(packet::Packet* p, PortId port, Instant now,
                         std::vector<Segment>* segments) {
  const auto h = wire::Ipv4Header::Parse(packet::Data(p), p->data_len);
  if (!h || h->total_bytes > p->pkt_len) return Drop(p, counters_.drop_ip_header);
  if (wire::SumBytes(packet::Data(p), h->header_bytes) != wire::kSumOfCorrect) {
    return Drop(p, counters_.drop_ip_checksum);
  }
  packet::TrimTo(p, h->total_bytes);
  Judge({.packet = p,
         .port = port,
         .source = h->source,
         .destination = h->destination,
         .protocol = h->protocol,
         .ttl = h->ttl,
         .ecn = h->ecn,
         .fragment = h->fragment(),
         .dont_fragment = h->dont_fragment,
         .header_bytes = h->header_bytes,
         .v4 = true},
        now, segments);
}

void Ip::Impl::ReceiveV6(packet::Packet* p, PortId port, Instant now,
                         std::vector<Segment>* segments) {
  const auto h = wire::Ipv6Header::Parse(packet::Data(p), p->data_len);
  if (!h || uint32_t{h->payload_bytes} + wire::kIpv6Bytes > p->pkt_len) {
    return Drop(p, counters_.drop_ip_header);
  }
  packet::TrimTo(p, uint32_t{h->payload_bytes} + wire::kIpv6Bytes);
  IpPacket in{.packet = p,
              .port = port,
              .source = h->source,
              .destination = h->destination,
              .protocol = h->next_header,
              .ttl = h->hop_limit,
              .ecn = h->ecn,
              .header_bytes = wire::kIpv6Bytes,
              .v4 = false};
  if (h->next_header != wire::kProtoTcp && h->next_header != wire::kProtoUdp &&
      h->next_header != wire::kProtoIcmpv6) {
    const bool for_us = Own(h->destination);
    const wire::Ipv6Walk walk =
        wire::WalkIpv6(packet::Data(p), p->data_len,
                       for_us ? wire::WalkFor::kDestination : wire::WalkFor::kRouter);
    if (walk.result == wire::Ipv6Walk::Result::kFragment) {
      in.fragment = true;
    } else if (walk.result != wire::Ipv6Walk::Result::kUpperLayer) {
      return Drop(p, counters_.drop_extension);
    }
    in.protocol = walk.protocol;
    in.header_bytes = walk.offset;
  }
  Judge(in, now, segments);
}

bool Ip::Impl::Spoofed(const PortState& port, const IpAddr& source) const {
  if (port.options.kind != PortKind::kPod) return Own(source);  // our own address from outside
  if (!source.v4() && (source.link_local() || source.unspecified())) return false;  // ND
  const auto& pods = port.options.pod_addresses;
  return std::find(pods.begin(), pods.end(), source) == pods.end();
}

void Ip::Impl::Judge(const IpPacket& in, Instant now, std::vector<Segment>* segments) {
  const bool nd_source = !in.v4 && in.source.unspecified() && in.protocol == wire::kProtoIcmpv6;
  if ((MartianSource(in.source) || MartianDestination(in.destination) ||
       (in.source.unspecified() && !nd_source))) {
    return Drop(in.packet, counters_.drop_martian);
  }
  if (Spoofed(ports_[in.port], in.source)) return Drop(in.packet, counters_.drop_spoofed);
  const bool for_us = Own(in.destination);
  if (in.protocol == wire::kProtoTcp) {
    if (in.fragment) return Drop(in.packet, counters_.drop_fragment);
    if (in.destination.multicast()) return Drop(in.packet, counters_.drop_multicast);
    return TakeTcp(in, for_us, segments);
  }
  if (for_us || in.destination.multicast()) return DeliverLocal(in, now);
  Route(in, now);
}

void Ip::Impl::TakeTcp(const IpPacket& in, bool for_us, std::vector<Segment>* segments) {
  const packet::Packet* p = in.packet;
  if (p->pkt_len < uint32_t{in.header_bytes} + 20 || p->data_len < in.header_bytes + 20) {
    return Drop(in.packet, counters_.drop_ip_header);
  }
  const uint8_t* tcp = packet::Data(p) + in.header_bytes;
  Segment s{.packet = in.packet,
            .source = {in.source, wire::Load16(tcp)},
            .destination = {in.destination, wire::Load16(tcp + 2)},
            .port = in.port,
            .ip_header_bytes = in.header_bytes,
            .ecn = in.ecn,
            .for_us = for_us};
  s.checksum_trusted = (p->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD) != 0;
  packet::TrimFront(in.packet, in.header_bytes);
  ++counters_.tcp_in;
  segments->push_back(s);
}

// For the plane itself, or a group it may belong to.
void Ip::Impl::DeliverLocal(const IpPacket& in, Instant now) {
  if (in.fragment) return Drop(in.packet, counters_.drop_fragment);
  const bool icmp = in.protocol == (in.v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6);
  if (icmp) return OnIcmp(in, now);
  if (in.destination.multicast()) return Drop(in.packet, counters_.drop_multicast);
  SendError(in, Error::kProtocol, 0, now);
  Drop(in.packet, counters_.drop_not_served);
}

}  // namespace meltemi::ip
