// Routed connections: their ends learn of smaller MTUs on the way by what SYNs say, as by Linux's
// TCPMSS --clamp-mss-to-pmtu, where ICMP errors may be lost.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/transport.h"

namespace meltemi::ip {
namespace {

constexpr uint8_t kOptionEnd = 0, kOptionPad = 1, kOptionMss = 2;
constexpr uint8_t kMssBytes = 4;

// The value of the MSS option in a TCP header of so many bytes; null: there is none, or it cannot
// be told, since options before it or its own are malformed (RFC 9293 3.2).
uint8_t* FindMss(uint8_t* tcp, uint8_t header_bytes) {
  for (uint8_t* p = tcp + wire::kTcpBytes; p < tcp + header_bytes;) {
    if (*p == kOptionEnd) return nullptr;
    if (*p == kOptionPad) {
      ++p;
      continue;
    }
    const auto left = static_cast<uint32_t>(tcp + header_bytes - p);
    if (left < 2 || p[1] < 2 || p[1] > left) return nullptr;
    if (*p == kOptionMss) return p[1] == kMssBytes ? p + 2 : nullptr;
    p += p[1];
  }
  return nullptr;
}

// As the checksum sees a value that may lie across two of its words.
uint16_t AsSummed(uint16_t value, bool odd) {
  return odd ? static_cast<uint16_t>(value << 8 | value >> 8) : value;
}

}  // namespace

// What the SYN's sender gets comes in by `egress` and leaves by the port the SYN came from: both
// MTUs count. Without the option peers take 536 bytes (1,220 with IPv6), which every MTU carries.
void Ip::Impl::ClampMss(const Inbound& in, const PortState& egress) {
  const uint32_t fixed_end = uint32_t{in.l3_bytes} + wire::kTcpBytes;
  if (in.packet->pkt_len < fixed_end) return;
  const uint8_t* p = packet::Pull(in.packet, static_cast<uint16_t>(fixed_end));
  if (p == nullptr || (p[in.l3_bytes + 13] & wire::kTcpSyn) == 0) return;
  const uint32_t end = uint32_t{in.l3_bytes} + (p[in.l3_bytes + 12] >> 4) * 4u;
  if (end <= fixed_end || end > in.packet->pkt_len) return;
  if (packet::Pull(in.packet, static_cast<uint16_t>(end)) == nullptr) return;

  uint8_t* tcp = packet::Data(in.packet) + in.l3_bytes;
  uint8_t* value = FindMss(tcp, static_cast<uint8_t>(end - in.l3_bytes));
  if (value == nullptr) return;
  const uint16_t headers = (in.v4 ? wire::kIpv4Bytes : wire::kIpv6Bytes) + wire::kTcpBytes;
  const uint16_t mtu = std::min(egress.options.mtu, in.port->options.mtu);
  const uint16_t before = wire::Load16(value);
  if (mtu <= headers || before <= mtu - headers) return;
  const auto after = static_cast<uint16_t>(mtu - headers);
  wire::Store16(value, after);
  ++counters.mss_clamped;

  // A partial checksum is of the pseudo-header alone (ToTransmitFlags).
  uint8_t* field = tcp + wire::kTcpChecksumOffset;
  const bool trusted =
      (in.packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const uint16_t checksum = wire::Load16(field);
  if (trusted && checksum == wire::PseudoHeaderSum(in.source, in.destination, wire::kProtoTcp,
                                                   in.packet->pkt_len - in.l3_bytes)) {
    return;
  }
  const bool odd = (value - tcp) % 2 != 0;
  wire::Store16(field, wire::UpdateChecksum(checksum, AsSummed(before, odd), AsSummed(after, odd)));
}

}  // namespace meltemi::ip
