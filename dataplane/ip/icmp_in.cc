// ICMP for the plane: echo, errors about TCP connections (RFC 5461), Neighbour Discovery (RFC
// 4861).
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kQuotedBytes = 8;       // of TCP, UDP: RFC 792 promises no more
constexpr uint16_t kErrorBytesMax = 1280;  // of an error message that are looked at
constexpr uint16_t kNdBytesMax = 1024;
constexpr uint32_t kIpv4MtuMin = 68;  // RFC 791

// RFC 1191 7.1: the next lower usual MTU, for routers that do not tell theirs.
uint32_t PlateauBelow(uint32_t bytes) {
  for (const uint32_t plateau : {32'000u, 17'914u, 8166u, 4352u, 2002u, 1492u, 1006u, 508u, 296u}) {
    if (plateau < bytes) return plateau;
  }
  return kIpv4MtuMin;
}

void KindV4(const wire::IcmpHeader& icmp, uint16_t quoted_bytes, IcmpError* error) {
  if (icmp.type == wire::kIcmpTimeExceeded) error->kind = IcmpError::Kind::kTimeExceeded;
  if (icmp.type != wire::kIcmpUnreachable) return;
  error->kind = IcmpError::Kind::kUnreachable;
  if (icmp.code != wire::kIcmpFragmentationNeeded) return;
  error->kind = IcmpError::Kind::kTooBig;
  const uint32_t mtu = icmp.rest & 0xffff;
  error->mtu = std::max(mtu != 0 ? mtu : PlateauBelow(quoted_bytes), kIpv4MtuMin);
}

void KindV6(const wire::IcmpHeader& icmp, IcmpError* error) {
  if (icmp.type == wire::kIcmpv6TimeExceeded) error->kind = IcmpError::Kind::kTimeExceeded;
  if (icmp.type == wire::kIcmpv6Unreachable) error->kind = IcmpError::Kind::kUnreachable;
  if (icmp.type != wire::kIcmpv6PacketTooBig) return;
  error->kind = IcmpError::Kind::kTooBig;
  error->mtu = std::max<uint32_t>(icmp.rest, wire::kIpv6MtuMin);  // RFC 8201 4
}

bool ErrorV4(uint8_t type) {
  return type == wire::kIcmpUnreachable || type == wire::kIcmpSourceQuench ||
         type == wire::kIcmpTimeExceeded || type == wire::kIcmpParameterProblem;
}

// Reads the quoted packet of `n` bytes. False: not TCP or UDP, or too little of it.
bool ParseQuoted(const uint8_t* p, size_t n, bool v4, IcmpError* error, uint16_t* quoted_bytes) {
  size_t l4 = 0;
  uint8_t protocol = 0;
  if (v4) {
    const auto header = wire::Ipv4Header::Parse(p, n);
    if (!header || header->fragment_offset != 0) return false;
    protocol = header->protocol;
    l4 = header->header_bytes;
    *quoted_bytes = header->total_bytes;
    error->local.ip = header->source;
    error->remote.ip = header->destination;
  } else {
    const auto header = wire::Ipv6Header::Parse(p, n);
    if (!header || header->source.v4() || header->destination.v4()) return false;
    const auto walk = wire::WalkIpv6(p, n, wire::WalkFor::kRouter);
    // A first fragment names its ports too.
    const bool first = walk.result == wire::Ipv6Walk::Result::kFragment;
    if (walk.result != wire::Ipv6Walk::Result::kUpperLayer && !first) return false;
    if (walk.fragment_offset != 0) return false;
    protocol = walk.protocol;
    l4 = walk.offset;
    error->local.ip = header->source;
    error->remote.ip = header->destination;
  }
  error->udp = protocol == wire::kProtoUdp;
  if (!error->udp && protocol != wire::kProtoTcp) return false;
  if (l4 + kQuotedBytes > n) return false;
  error->local.port = wire::Load16(p + l4);
  error->remote.port = wire::Load16(p + l4 + 2);
  if (!error->udp) error->sequence = wire::Load32(p + l4 + 4);
  return true;
}

}  // namespace

bool Ip::Impl::IcmpChecksumCorrect(const Inbound& in) {
  const uint32_t bytes = in.packet->pkt_len - in.l3_bytes;
  uint16_t sum = wire::SumPacket(in.packet, in.l3_bytes, bytes);
  if (!in.v4) {
    sum = wire::SumAdd(sum,
                       wire::PseudoHeaderSum(in.source, in.destination, wire::kProtoIcmpv6, bytes));
  }
  return sum == wire::kSumOfCorrect;
}

// Validated by lengths here; TCP checks that the sequence number is one it has in flight (RFC
// 5927). Of datagrams only those that services get are of interest.
bool Ip::Impl::TellTcp(const Inbound& in) {
  const auto n = static_cast<uint16_t>(std::min<uint32_t>(in.packet->pkt_len, kErrorBytesMax));
  if (n < in.l3_bytes + wire::kIcmpBytes) return false;
  const uint8_t* p = packet::Pull(in.packet, n);
  if (p == nullptr) return false;
  const auto icmp = *wire::IcmpHeader::Parse(p + in.l3_bytes, wire::kIcmpBytes);
  if (in.v4 ? !ErrorV4(icmp.type) : icmp.type > wire::kIcmpv6ErrorMax) return false;
  IcmpError error{.code = icmp.code};
  uint16_t quoted_bytes = 0;
  const size_t quoted = in.l3_bytes + wire::kIcmpBytes;
  if (!ParseQuoted(p + quoted, n - quoted, in.v4, &error, &quoted_bytes)) return false;
  if (error.udp && udp_services.empty()) return false;
  if (in.v4)
    KindV4(icmp, quoted_bytes, &error);
  else
    KindV6(icmp, &error);
  ++counters.icmp_errors_in;
  if (icmp_errors.size() < limits::kIcmpErrorsToldPerTurn)
    icmp_errors.push_back(error);
  else
    ++counters.icmp_error_overflow;
  return true;
}

void Ip::Impl::LocalIcmpV4(Inbound& in, Instant now) {
  if (in.packet->pkt_len < uint32_t{in.l3_bytes} + wire::kIcmpBytes) {
    return Drop(in.packet, &IpCounters::drop_icmp_malformed);
  }
  const uint8_t* p = packet::Pull(in.packet, in.l3_bytes + wire::kIcmpBytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_icmp_malformed);
  if (!IcmpChecksumCorrect(in)) return Drop(in.packet, &IpCounters::drop_icmp_checksum);
  const uint8_t type = p[in.l3_bytes];
  if (type == wire::kIcmpEchoRequest) return EchoReply(in, now);
  if (TellTcp(in)) return Consume(in.packet);
  Drop(in.packet, &IpCounters::drop_icmp_ignored);
}

void Ip::Impl::LocalIcmpV6(Inbound& in, Instant now) {
  if (in.packet->pkt_len < uint32_t{in.l3_bytes} + wire::kIcmpBytes) {
    return Drop(in.packet, &IpCounters::drop_icmp_malformed);
  }
  const uint8_t* p = packet::Pull(in.packet, in.l3_bytes + wire::kIcmpBytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_icmp_malformed);
  const uint8_t type = p[in.l3_bytes];
  if (type == wire::kIcmpv6NeighbourSolicitation || type == wire::kIcmpv6NeighbourAdvertisement) {
    if (in.reassembled) return Drop(in.packet, &IpCounters::drop_nd_invalid);  // RFC 6980 5
    return ReceiveNd(in, now);
  }
  if (!IcmpChecksumCorrect(in)) return Drop(in.packet, &IpCounters::drop_icmp_checksum);
  if (type == wire::kIcmpv6EchoRequest) return EchoReply(in, now);
  if (TellTcp(in)) return Consume(in.packet);
  Drop(in.packet, &IpCounters::drop_icmp_ignored);
}

// The request turned round in place. IP options and extension headers are not sent back: they lie
// in front and are cut off.
void Ip::Impl::EchoReply(Inbound& in, Instant now) {
  packet::TrimFront(in.packet, in.l3_bytes);
  uint8_t* icmp = packet::Data(in.packet);
  const uint16_t old_word = wire::Load16(icmp);
  icmp[0] = in.v4 ? uint8_t{wire::kIcmpEchoReply} : uint8_t{wire::kIcmpv6EchoReply};
  // The pseudo-header's sum does not change when the addresses trade places. A message that is all
  // zeros now has the checksum 0xffff, which an update cannot tell from 0; for others both are
  // right.
  const uint16_t updated =
      wire::UpdateChecksum(wire::Load16(icmp + 2), old_word, wire::Load16(icmp));
  wire::Store16(icmp + 2, updated == 0 ? 0xffff : updated);
  const uint32_t bytes = in.packet->pkt_len;
  uint8_t* p = packet::Prepend(in.packet, in.v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes);
  EmitHeader(p, in.destination, in.source, in.protocol, static_cast<uint16_t>(bytes));
  ++counters.echo_replies_out;
  SendOwn(in.packet, in.source, in.port, now);
}

// RFC 4861 7.1.1 and 7.1.2: what makes a message invalid.
void Ip::Impl::ReceiveNd(const Inbound& in, Instant now) {
  const auto n = static_cast<uint16_t>(std::min<uint32_t>(in.packet->pkt_len, kNdBytesMax));
  const uint8_t* p = packet::Pull(in.packet, n);
  if (in.hop_limit != 255 || in.packet->pkt_len > kNdBytesMax || p == nullptr ||
      !IcmpChecksumCorrect(in)) {
    return Drop(in.packet, &IpCounters::drop_nd_invalid);
  }
  const auto nd = wire::NdMessage::Parse(p + in.l3_bytes, n - in.l3_bytes);
  const bool bad_mac = nd && nd->link_address && wire::IsGroupMac(*nd->link_address);
  if (!nd || bad_mac || nd->target.v4()) return Drop(in.packet, &IpCounters::drop_nd_invalid);
  if (nd->type == wire::kIcmpv6NeighbourSolicitation) return ReceiveSolicitation(in, *nd, now);
  ReceiveAdvertisement(in, *nd, now);
}

void Ip::Impl::ReceiveSolicitation(const Inbound& in, const wire::NdMessage& ns, Instant now) {
  PortState& port = *in.port;
  const bool probe = in.source.unspecified();  // Duplicate Address Detection, RFC 4862 5.4
  if (probe && (ns.link_address || in.destination != wire::SolicitedNode(ns.target))) {
    return Drop(in.packet, &IpCounters::drop_nd_invalid);
  }
  const Answers answers = AnswersFor(port, ns.target);
  if (answers == Answers::kNo) return Drop(in.packet, &IpCounters::drop_nd_ignored);
  const MacAddr to = probe ? wire::MulticastMac(wire::AllNodes()) : in.source_mac;
  if (!probe && ns.link_address) {
    LearnMac(port, in.source, *ns.link_address, /*confirmed=*/false, Create::kYes, now);
  }
  packet::Packet* packet = Originate();
  if (packet != nullptr) {
    // RFC 4861 7.2.4; 7.2.8: a proxy does not override.
    const wire::NdMessage na{.type = wire::kIcmpv6NeighbourAdvertisement,
                             .flags = wire::kNaRouter | (probe ? 0 : wire::kNaSolicited) |
                                      (answers == Answers::kOwn ? wire::kNaOverride : 0),
                             .target = ns.target,
                             .link_address = port.options.mac};
    uint8_t* p =
        packet::Append(packet, wire::kIpv6Bytes + wire::kNdBytes + wire::kNdLinkOptionBytes);
    const uint16_t bytes = na.Emit(p + wire::kIpv6Bytes);
    const wire::Ipv6Header header{.payload_bytes = bytes,
                                  .next_header = wire::kProtoIcmpv6,
                                  .hop_limit = 255,
                                  .source = answers == Answers::kOwn ? ns.target : port.link_local,
                                  .destination = probe ? wire::AllNodes() : in.source};
    header.Emit(p);
    const uint16_t sum = wire::SumAdd(
        wire::SumBytes(p + wire::kIpv6Bytes, bytes),
        wire::PseudoHeaderSum(header.source, header.destination, wire::kProtoIcmpv6, bytes));
    wire::Store16(p + wire::kIpv6Bytes + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
    ++counters.na_out;
    Transmit(packet, port, to);
  }
  Consume(in.packet);
}

void Ip::Impl::ReceiveAdvertisement(const Inbound& in, const wire::NdMessage& na, Instant now) {
  PortState& port = *in.port;
  const bool solicited = na.flags & wire::kNaSolicited;
  if (in.source.unspecified() || (in.destination.multicast() && solicited)) {
    return Drop(in.packet, &IpCounters::drop_nd_invalid);
  }
  const auto& pods = port.options.pod_addresses;
  const bool of_pod = std::find(pods.begin(), pods.end(), na.target) != pods.end();
  if (Own(port, na.target) ||
      (port.options.kind == PortKind::kPod && !of_pod && !na.target.link_local())) {
    return Drop(in.packet, &IpCounters::drop_nd_spoofed);
  }
  ++counters.na_in;
  NeighbourEntry* neighbour = neighbours_.Find(port.id, na.target);
  const MacAddr mac = na.link_address.value_or(in.source_mac);
  if (neighbour == nullptr) {
    // RFC 4861 7.2.5: nothing is made when nobody asked. Another worker may have.
    if (!solicited) return Drop(in.packet, &IpCounters::drop_nd_ignored);
    Tell(port, na.target, mac);
    return Consume(in.packet);
  }
  const bool other = neighbour->state != NeighbourState::kIncomplete &&
                     neighbour->state != NeighbourState::kFailed && neighbour->mac != mac;
  if (!other || na.flags & wire::kNaOverride) {
    LearnMac(port, na.target, mac, solicited, Create::kNo, now);
  }
  Consume(in.packet);
}

}  // namespace meltemi::ip
