// ICMP (RFC 792, 1122 3.2.2, 1812 4.3) and ICMPv6 (RFC 4443).
#include <algorithm>
#include <cstring>

#include "dataplane/ip/ip_impl.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::ip {

void Ip::Impl::OnIcmp(const IpPacket& in, Instant now) {
  packet::Packet* p = in.packet;
  const uint32_t bytes = p->pkt_len - in.header_bytes;
  const auto h = wire::IcmpHeader::Parse(packet::Data(p) + in.header_bytes,
                                         p->data_len - in.header_bytes);
  if (!h) return Drop(p, counters_.drop_icmp);
  uint16_t sum = wire::SumPacket(p, in.header_bytes, bytes);
  if (!in.v4) {
    sum = wire::SumAdd(
        sum, wire::PseudoHeaderSum(in.source, in.destination, wire::kProtoIcmpv6, bytes));
  }
  if (sum != wire::kSumOfCorrect) return Drop(p, counters_.drop_icmp);
  const bool nd = !in.v4 && h->type >= wire::kIcmpv6RouterSolicitation &&
                  h->type <= wire::kIcmpv6Redirect;
  if (nd) {
    if (h->type == wire::kIcmpv6NeighbourSolicitation ||
        h->type == wire::kIcmpv6NeighbourAdvertisement) {
      return OnNd(in, now);
    }
    return Drop(p, counters_.nd_ignored);
  }
  const uint8_t echo = in.v4 ? uint8_t{wire::kIcmpEchoRequest} : uint8_t{wire::kIcmpv6EchoRequest};
  if (h->type == echo) return Echo(in, now);
  const bool error = in.v4 ? (h->type == wire::kIcmpUnreachable || h->type == wire::kIcmpTimeExceeded)
                           : h->type <= wire::kIcmpv6ErrorMax;
  if (error) {
    OnIcmpError(in, h->type, h->code, h->rest);
    pool_->Free(p);
    return;
  }
  Drop(p, counters_.icmp_ignored);
}

// The same packet goes back: addresses swapped, type changed.
void Ip::Impl::Echo(const IpPacket& in, Instant now) {
  packet::Packet* p = in.packet;
  const IpAddr* source = &in.destination;
  if (in.destination.multicast()) {
    if (in.v4) return Drop(p, counters_.icmp_ignored);  // RFC 1122 3.2.2.6 allows silence
    source = SourceOn(in.port, in.source);
    if (source == nullptr) return Drop(p, counters_.icmp_ignored);
  }
  const uint32_t bytes = p->pkt_len - in.header_bytes;
  packet::TrimFront(p, in.header_bytes);
  uint8_t* icmp = packet::Data(p);
  icmp[0] = in.v4 ? uint8_t{wire::kIcmpEchoReply} : uint8_t{wire::kIcmpv6EchoReply};
  wire::Store16(icmp + wire::kIcmpChecksumOffset, 0);
  uint16_t sum = wire::SumPacket(p, 0, bytes);
  const auto length = static_cast<uint16_t>(bytes);
  if (in.v4) {
    wire::Store16(icmp + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
    wire::Ipv4Header{.total_bytes = static_cast<uint16_t>(length + wire::kIpv4Bytes),
                     .id = ipv4_id_++,
                     .protocol = wire::kProtoIcmp,
                     .source = *source,
                     .destination = in.source}
        .Emit(packet::Prepend(p, wire::kIpv4Bytes));
  } else {
    sum = wire::SumAdd(sum, wire::PseudoHeaderSum(*source, in.source, wire::kProtoIcmpv6, bytes));
    wire::Store16(icmp + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
    wire::Ipv6Header{.payload_bytes = length,
                     .next_header = wire::kProtoIcmpv6,
                     .source = *source,
                     .destination = in.source}
        .Emit(packet::Prepend(p, wire::kIpv6Bytes));
  }
  p->ol_flags = 0;
  ++counters_.echo_replies_out;
  ToNeighbour(p, in.port, in.source, now);
}

// An error about a packet of ours: only TCP is told (RFC 5461); the quote must hold ports and sequence.
void Ip::Impl::OnIcmpError(const IpPacket& in, uint8_t type, uint8_t code, uint32_t rest) {
  const uint8_t* quote = packet::Data(in.packet) + in.header_bytes + wire::kIcmpBytes;
  const size_t n = in.packet->data_len - in.header_bytes - wire::kIcmpBytes;
  IcmpError error;
  size_t l4 = 0;
  if (in.v4) {
    const auto h = n >= wire::kIpv4Bytes ? wire::Ipv4Header::Parse(quote, n) : std::nullopt;
    // Parse wants the whole packet; a quote is cut. Read the few fields directly.
    if (n < wire::kIpv4Bytes + 8u || quote[9] != wire::kProtoTcp) return;
    (void)h;
    l4 = (quote[0] & 0x0f) * 4u;
    error.local.ip = IpAddr::V4(quote + 12);
    error.remote.ip = IpAddr::V4(quote + 16);
  } else {
    if (n < wire::kIpv6Bytes + 8u || quote[6] != wire::kProtoTcp) return;
    l4 = wire::kIpv6Bytes;
    error.local.ip = IpAddr::V6(quote + 8);
    error.remote.ip = IpAddr::V6(quote + 24);
  }
  if (l4 + 8 > n) return;
  error.local.port = wire::Load16(quote + l4);
  error.remote.port = wire::Load16(quote + l4 + 2);
  error.sequence = wire::Load32(quote + l4 + 4);
  using Kind = IcmpError::Kind;
  if (in.v4) {
    error.kind = type == wire::kIcmpTimeExceeded ? Kind::kTimeExceeded : Kind::kUnreachable;
    if (type == wire::kIcmpUnreachable && code == wire::kIcmpFragmentationNeeded) {
      error.kind = Kind::kTooBig;
      error.mtu = std::max<uint32_t>(rest & 0xffff, limits::kMtuMin);
    }
  } else {
    error.kind = type == wire::kIcmpv6Unreachable      ? Kind::kUnreachable
                 : type == wire::kIcmpv6PacketTooBig   ? Kind::kTooBig
                 : type == wire::kIcmpv6TimeExceeded   ? Kind::kTimeExceeded
                                                       : Kind::kOther;
    if (error.kind == Kind::kTooBig) error.mtu = std::max<uint32_t>(rest, wire::kIpv6MtuMin);
  }
  ++counters_.icmp_errors_in;
  icmp_errors_.push_back(error);
}

// RFC 1122 3.2.2, RFC 4443 2.4 (e): never about an error, a group, a later fragment, an odd source.
bool Ip::Impl::MayError(const IpPacket& in, Instant now) {
  if (in.destination.multicast() || in.source.unspecified() || in.fragment) return false;
  if (in.protocol == (in.v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6)) {
    const uint8_t type = packet::Data(in.packet)[in.header_bytes];
    const bool query = in.v4 ? (type == wire::kIcmpEchoRequest || type == wire::kIcmpEchoReply)
                             : type > wire::kIcmpv6ErrorMax;
    if (!query) return false;
  }
  if (now - icmp_refilled_ >= Duration::Seconds(1)) {
    icmp_refilled_ = now;
    icmp_tokens_ = limits::kIcmpErrorsPerSecond;
  }
  if (icmp_tokens_ == 0) {
    ++counters_.icmp_errors_limited;
    return false;
  }
  --icmp_tokens_;
  return true;
}

void Ip::Impl::SendError(const IpPacket& in, Error error, uint32_t mtu, Instant now) {
  const IpAddr* source = SourceOn(in.port, in.source);
  if (source == nullptr || !MayError(in, now)) return;
  packet::Packet* p = pool_->Alloc();
  if (p == nullptr) {
    ++counters_.drop_no_memory;
    return;
  }
  struct Code {
    uint8_t type, code;
  };
  constexpr Code kV4[] = {{11, 0}, {3, 0}, {3, 1}, {3, 4}, {3, 2}};
  constexpr Code kV6[] = {{3, 0}, {1, 0}, {1, 3}, {2, 0}, {4, 1}};
  const Code code = in.v4 ? kV4[static_cast<int>(error)] : kV6[static_cast<int>(error)];
  // As much of the packet as fits 576 (RFC 1812 4.3.2.3) or 1280 bytes (RFC 4443 2.4 c).
  const uint32_t quote_max = in.v4 ? 576 - 28 : 1280 - 48;
  const auto quote = static_cast<uint16_t>(std::min<uint32_t>(in.packet->data_len, quote_max));
  uint8_t* at = packet::Append(p, wire::kIcmpBytes + quote);
  wire::IcmpHeader{.type = code.type, .code = code.code, .rest = mtu}.Emit(at);
  std::memcpy(at + wire::kIcmpBytes, packet::Data(in.packet), quote);
  const uint16_t bytes = wire::kIcmpBytes + quote;
  uint16_t sum = wire::SumBytes(at, bytes);
  if (!in.v4) {
    sum = wire::SumAdd(sum, wire::PseudoHeaderSum(*source, in.source, wire::kProtoIcmpv6, bytes));
  }
  wire::Store16(at + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
  if (in.v4) {
    wire::Ipv4Header{.total_bytes = static_cast<uint16_t>(bytes + wire::kIpv4Bytes),
                     .id = ipv4_id_++,
                     .protocol = wire::kProtoIcmp,
                     .source = *source,
                     .destination = in.source}
        .Emit(packet::Prepend(p, wire::kIpv4Bytes));
  } else {
    wire::Ipv6Header{.payload_bytes = bytes,
                     .next_header = wire::kProtoIcmpv6,
                     .source = *source,
                     .destination = in.source}
        .Emit(packet::Prepend(p, wire::kIpv6Bytes));
  }
  ++counters_.icmp_errors_out;
  const ip::Route* route = FindRoute(in.source);
  const IpAddr next_hop = route != nullptr && route->via ? *route->via : in.source;
  ToNeighbour(p, in.port, next_hop, now);
}

}  // namespace meltemi::ip
