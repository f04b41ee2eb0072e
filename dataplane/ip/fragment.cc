// Fragmentation: a packet beyond its egress port's MTU in pieces, RFC 791 3.2 and RFC 8200 4.5.
#include <algorithm>
#include <array>

#include "dataplane/ip/chain_reader.h"
#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kIpv4BytesMax = 60;  // with options
constexpr uint16_t kFragmentBytes = 8;  // the Fragment header of IPv6
constexpr uint16_t kMoreFragmentsV4 = 0x2000;
constexpr uint16_t kOffsetMask = 0x1fff;  // IPv4, in units of 8 bytes
constexpr uint8_t kOptionCopied = 0x80;   // RFC 791 3.1: the option is of every fragment
constexpr uint32_t kDatagramBytesMax = 65'535;

// What stands in front of a fragment's part of the payload.
struct Front {
  std::array<uint8_t, kIpv4BytesMax> bytes{};
  uint16_t length = 0;

  void Add(const uint8_t* p, size_t n) {
    std::memcpy(bytes.data() + length, p, n);
    length = static_cast<uint16_t>(length + n);
  }
};

// Of the first fragment everything, of the others the options that say so.
Front FrontV4(const uint8_t* ip, uint16_t header_bytes, bool first) {
  Front front;
  front.Add(ip, first ? header_bytes : wire::kIpv4Bytes);
  for (uint16_t at = wire::kIpv4Bytes; !first && at < header_bytes && ip[at] != 0;) {
    // A length that lies ends the options, as it would for their reader.
    const bool one = ip[at] == 1 || at + 1 >= header_bytes;
    const uint16_t n = one ? 1 : ip[at + 1];
    if (n == 0 || at + n > header_bytes) break;
    if ((ip[at] & kOptionCopied) != 0) front.Add(ip + at, n);
    at = static_cast<uint16_t>(at + n);
  }
  front.length = static_cast<uint16_t>((front.length + 3) & ~3);  // padded with End of Options
  front.bytes[0] = static_cast<uint8_t>(4 << 4 | front.length / 4);
  return front;
}

Front FrontV6(const uint8_t* ip, uint32_t id) {
  Front front;
  front.Add(ip, wire::kIpv6Bytes);
  uint8_t header[kFragmentBytes] = {ip[6]};
  wire::Store32(header + 4, id);
  front.Add(header, sizeof(header));
  front.bytes[6] = wire::kProtoFragment;
  return front;
}

// Makes the copied front at `p` that of a fragment with `n` payload bytes at `offset` bytes.
void FixFront(uint8_t* p, const Front& front, uint32_t offset, uint32_t n, bool more) {
  if (p[0] >> 4 == 4) {
    wire::Store16(p + 2, static_cast<uint16_t>(front.length + n));
    wire::Store16(p + 6, static_cast<uint16_t>((more ? kMoreFragmentsV4 : 0) | offset / 8));
    wire::Store16(p + 10, 0);
    wire::Store16(p + 10, static_cast<uint16_t>(~wire::SumBytes(p, front.length)));
    return;
  }
  wire::Store16(p + 4, static_cast<uint16_t>(kFragmentBytes + n));
  wire::Store16(p + wire::kIpv6Bytes + 2, static_cast<uint16_t>(offset | (more ? 1 : 0)));
}

}  // namespace

// Null, or why it cannot be cut: then there are no parts.
Ip::Impl::Counter Ip::Impl::CutFragments(const packet::Packet* packet, uint16_t l3_bytes,
                                         uint32_t mtu, FragmentList* parts) {
  const uint8_t* ip = packet::Data(packet);
  const bool v4 = ip[0] >> 4 == 4;
  const uint16_t word = v4 ? wire::Load16(ip + 6) : uint16_t{0};
  const uint32_t base = (word & kOffsetMask) * 8u;  // it may be a fragment already
  const uint32_t payload = packet->pkt_len - l3_bytes;
  if (base + payload > kDatagramBytesMax) return &IpCounters::drop_fragment_invalid;

  Front front = v4 ? FrontV4(ip, l3_bytes, /*first=*/true)
                   : FrontV6(ip, static_cast<uint32_t>(prng_->Next()));  // RFC 7739: not guessable
  const Front later = v4 ? FrontV4(ip, l3_bytes, /*first=*/false) : front;
  ChainReader reader(packet);
  reader.Skip(l3_bytes);
  Counter failure = nullptr;
  for (uint32_t at = 0; at < payload;) {
    const uint32_t room = mtu - front.length;
    const bool last = payload - at <= room;
    const uint32_t n = last ? payload - at : room & ~7u;
    const bool small = front.length + n <= packet::kSmallRoom - packet::kHeadroom;
    const bool full = parts->count == parts->packets.size();
    packet::Packet* part = full ? nullptr : pool_->Alloc(small ? packet::kSmall : packet::kLarge);
    if (part == nullptr) {
      failure = full ? &IpCounters::drop_needs_fragmentation : &IpCounters::drop_no_memory;
      break;
    }
    parts->packets[parts->count++] = part;
    uint8_t* p = packet::Append(part, static_cast<uint16_t>(front.length + n));
    std::memcpy(p, front.bytes.data(), front.length);
    reader.Copy(p + front.length, n);
    FixFront(p, front, base + at, n, !last || (word & kMoreFragmentsV4) != 0);
    at += n;
    front = later;
  }
  for (; failure != nullptr && parts->count > 0; --parts->count) {
    pool_->Free(parts->packets[parts->count - 1]);
  }
  return failure;
}

void Ip::Impl::Fragment(packet::Packet* packet, uint16_t l3_bytes, PortState& egress,
                        const IpAddr& next_hop, PortId ingress, Instant now) {
  CHECK(packet->data_len >= l3_bytes && egress.options.mtu >= limits::kMtuMin);
  if ((packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0) {
    packet->l2_len = 0;        // no link header yet
    CompleteChecksum(packet);  // no port could complete it from pieces
  }
  const uint32_t mtu =
      std::min<uint32_t>(egress.options.mtu, packet::kLargeRoom - packet::kHeadroom);
  FragmentList parts;
  const Counter failure = CutFragments(packet, l3_bytes, mtu, &parts);
  if (failure != nullptr) return Drop(packet, failure);
  ++counters.fragmented;
  counters.fragments_made += parts.count;
  pool_->Free(packet);
  for (size_t i = 0; i < parts.count; ++i) {
    Output(parts.packets[i], egress, next_hop, ingress, now);
  }
}

}  // namespace meltemi::ip
