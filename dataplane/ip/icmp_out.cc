// ICMP errors we send: RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kErrorBytesMaxV4 = 576;    // RFC 1812 4.3.2.3
constexpr uint8_t kInternetworkControl = 48;  // DSCP of precedence 6, RFC 1812 4.3.2.5

void CopyFront(const packet::Packet* from, uint16_t n, uint8_t* to) {
  for (; n > 0; from = from->next) {
    const uint16_t here = std::min(from->data_len, n);
    std::memcpy(to, packet::Data(from), here);
    to += here;
    n -= here;
  }
}

// Whether the offending packet is itself an ICMP error, or may be one.
bool AboutError(const Inbound& in) {
  const uint8_t icmp = in.v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6;
  if (in.protocol != icmp) return false;
  if (in.fragment && !in.first_fragment) return true;
  if (in.packet->data_len <= in.l3_bytes) return true;
  const uint8_t type = packet::Data(in.packet)[in.l3_bytes];
  if (!in.v4) return type <= wire::kIcmpv6ErrorMax || type == wire::kIcmpv6Redirect;
  return type != wire::kIcmpEchoRequest && type != wire::kIcmpEchoReply;
}

}  // namespace

bool Ip::Impl::ErrorAllowed(const Inbound& in, const ErrorSpec& spec) {
  if (in.port == nullptr) return false;  // our own packet: its sender is told otherwise
  if (AboutError(in)) return false;
  const bool group = in.link_group || in.destination.multicast();
  if (group && !spec.even_multicast) return false;
  if (in.fragment && !in.first_fragment) return false;
  return !in.source.unspecified() && !in.source.multicast();
}

// A token bucket (RFC 4443 2.4(f)): full it holds one second's worth.
bool Ip::Impl::TakeErrorToken(Instant now) {
  constexpr int64_t kInterval = 1'000'000'000 / limits::kIcmpErrorsPerSecond;
  const int64_t due = (now - tokens_at_).nanos() / kInterval;
  if (due > 0) {
    error_tokens_ = std::min<int64_t>(error_tokens_ + due, limits::kIcmpErrorsPerSecond);
    tokens_at_ = tokens_at_ + Duration::Nanos(due * kInterval);
  }
  if (error_tokens_ == 0) return false;
  --error_tokens_;
  return true;
}

// RFC 1812 4.3.2.4: an address of the port the packet came in by; RFC 4443 2.2: the destination if
// that is ours.
IpAddr Ip::Impl::ErrorSource(const Inbound& in) {
  if (!in.v4 && in.source.link_local()) return in.port->link_local;
  if (routes_.Find(in.destination).kind == RouteEntry::Kind::kLocal) return in.destination;
  if (const IpAddr* own = OwnAddress(*in.port, in.source)) return *own;
  for (const auto& port : ports_) {
    const IpAddr* own = port == nullptr ? nullptr : OwnAddress(*port, in.source);
    if (own != nullptr) return *own;
  }
  return in.v4 ? IpAddr() : in.port->link_local;
}

// An IP header as packets of our own have it, in front of `bytes` bytes.
void Ip::Impl::EmitHeader(uint8_t* p, const IpAddr& source, const IpAddr& destination,
                          uint8_t protocol, uint16_t bytes, uint8_t dscp) {
  if (source.v4()) {
    wire::Ipv4Header{.dscp = dscp,
                     .total_bytes = static_cast<uint16_t>(wire::kIpv4Bytes + bytes),
                     .id = ipv4_id_++,
                     .protocol = protocol,
                     .source = source,
                     .destination = destination}
        .Emit(p);
  } else {
    wire::Ipv6Header{.dscp = dscp,
                     .payload_bytes = bytes,
                     .next_header = protocol,
                     .source = source,
                     .destination = destination}
        .Emit(p);
  }
}

// The IP header in front of an ICMP message that is there, and the message's checksum.
void Ip::Impl::WrapIcmp(uint8_t* p, const IpAddr& source, const IpAddr& destination,
                        uint16_t icmp_bytes, uint8_t dscp) {
  const bool v4 = source.v4();
  EmitHeader(p, source, destination, v4 ? wire::kProtoIcmp : wire::kProtoIcmpv6, icmp_bytes, dscp);
  uint8_t* icmp = p + (v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes);
  uint16_t sum = wire::SumBytes(icmp, icmp_bytes);
  if (!v4) {
    sum = wire::SumAdd(sum,
                       wire::PseudoHeaderSum(source, destination, wire::kProtoIcmpv6, icmp_bytes));
  }
  wire::Store16(icmp + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
}

void Ip::Impl::SendError(const Inbound& in, const ErrorSpec& v4, const ErrorSpec& v6, Instant now) {
  const ErrorSpec& spec = in.v4 ? v4 : v6;
  const bool allowed = ErrorAllowed(in, spec);
  const IpAddr source = allowed ? ErrorSource(in) : IpAddr();
  if (!allowed || source.v4() != in.v4) {
    ++counters.icmp_errors_suppressed;
    return;
  }
  if (!TakeErrorToken(now)) {
    ++counters.icmp_errors_limited;
    return;
  }
  packet::Packet* error = Originate();
  if (error == nullptr) return;
  const uint16_t header_bytes = in.v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
  const uint16_t room =
      (in.v4 ? kErrorBytesMaxV4 : wire::kIpv6MtuMin) - header_bytes - wire::kIcmpBytes;
  const auto quoted = static_cast<uint16_t>(std::min<uint32_t>(in.packet->pkt_len, room));
  const uint16_t icmp_bytes = wire::kIcmpBytes + quoted;
  uint8_t* p = packet::Append(error, header_bytes + icmp_bytes);
  uint8_t* icmp = p + header_bytes;
  wire::IcmpHeader{spec.type, spec.code, 0, spec.rest}.Emit(icmp);
  CopyFront(in.packet, quoted, icmp + wire::kIcmpBytes);
  WrapIcmp(p, source, in.source, icmp_bytes, in.v4 ? kInternetworkControl : uint8_t{0});
  ++counters.icmp_errors_out;
  SendOwn(error, in.source, in.port, now);
}

}  // namespace meltemi::ip
