#include "dataplane/wire/ip.h"

#include "dataplane/wire/checksum.h"

namespace meltemi::wire {
namespace {

// Checks the options of a Hop-by-Hop or Destination Options header of `n` bytes at `p` (RFC 8200
// 4.2). False when one asks for discarding; `walk` then says how to answer.
bool OptionsAllow(const uint8_t* p, size_t n, uint32_t offset, Ipv6Walk* walk) {
  size_t at = 2;
  while (at < n) {
    const uint8_t type = p[at];
    if (type == 0) {  // Pad1
      ++at;
      continue;
    }
    if (at + 2 > n || at + 2 + p[at + 1] > n) {
      walk->problem_offset = offset + static_cast<uint32_t>(at);
      return false;
    }
    // PadN (1) and Router Alert (5, RFC 2711) are known; nothing else is acted upon.
    if (type >> 6 != 0) {
      walk->problem_offset = offset + static_cast<uint32_t>(at);
      walk->problem_code = 2;
      walk->problem_silent = type >> 6 == 1;
      walk->problem_even_multicast = type >> 6 == 2;
      return false;
    }
    at += 2 + p[at + 1];
  }
  return true;
}

Ipv6Walk& Problem(Ipv6Walk* walk, Ipv6Walk::Result result, uint8_t code, uint32_t offset) {
  walk->result = result;
  walk->problem_code = code;
  walk->problem_offset = offset;
  return *walk;
}

enum class Step : uint8_t { kNext, kDone };

// One extension header of type walk->protocol at walk->offset.
Step WalkOne(const uint8_t* p, size_t n, WalkFor reader, Ipv6Walk* walk) {
  const uint8_t type = walk->protocol;
  const uint16_t at = walk->offset;
  walk->result = Ipv6Walk::Result::kTruncated;
  if (size_t{at} + 8 > n) return Step::kDone;
  const uint8_t* h = p + at;
  size_t bytes = 8;
  if (type == kProtoAuth)
    bytes = (size_t{h[1]} + 2) * 4;
  else if (type != kProtoFragment)
    bytes = (size_t{h[1]} + 1) * 8;
  if (at + bytes > n) return Step::kDone;

  if (type == kProtoHopByHop && at != kIpv6Bytes) {
    Problem(walk, Ipv6Walk::Result::kBadOrder, 1, walk->name_offset);
    return Step::kDone;
  }
  const bool options_count = type == kProtoHopByHop ||
                             (type == kProtoDestinationOptions && reader == WalkFor::kDestination);
  if (options_count && !OptionsAllow(h, bytes, at, walk)) {
    walk->result = Ipv6Walk::Result::kBadOption;
    return Step::kDone;
  }
  if (type == kProtoRouting && reader == WalkFor::kDestination && h[3] != 0) {
    Problem(walk, Ipv6Walk::Result::kBadRouting, 0, at + 2u);
    return Step::kDone;
  }
  if (type == kProtoFragment) walk->fragment_named_at = walk->name_offset;
  walk->protocol = h[0];
  walk->offset = static_cast<uint16_t>(at + bytes);
  walk->name_offset = at;
  if (type != kProtoFragment) return Step::kNext;

  walk->fragment_offset = Load16(h + 2) & 0xfff8;
  walk->more_fragments = h[3] & 1;
  // An atomic fragment is a whole packet (RFC 6946).
  if (walk->fragment_offset == 0 && !walk->more_fragments) return Step::kNext;
  walk->result = Ipv6Walk::Result::kFragment;
  return Step::kDone;
}

bool IsExtension(uint8_t protocol) {
  return protocol == kProtoHopByHop || protocol == kProtoRouting || protocol == kProtoFragment ||
         protocol == kProtoDestinationOptions || protocol == kProtoAuth;
}

}  // namespace

std::optional<Ipv4Header> Ipv4Header::Parse(const uint8_t* p, size_t n) {
  if (n < kIpv4Bytes || p[0] >> 4 != 4) return std::nullopt;
  const uint8_t header_bytes = (p[0] & 15) * 4;
  const uint16_t total_bytes = Load16(p + 2);
  if (header_bytes < kIpv4Bytes || header_bytes > n || total_bytes < header_bytes) {
    return std::nullopt;
  }
  const uint16_t fragment = Load16(p + 6);
  return Ipv4Header{.header_bytes = header_bytes,
                    .dscp = static_cast<uint8_t>(p[1] >> 2),
                    .ecn = static_cast<uint8_t>(p[1] & 3),
                    .total_bytes = total_bytes,
                    .id = Load16(p + 4),
                    .dont_fragment = (fragment & 0x4000) != 0,
                    .more_fragments = (fragment & 0x2000) != 0,
                    .fragment_offset = static_cast<uint16_t>((fragment & 0x1fff) * 8),
                    .ttl = p[8],
                    .protocol = p[9],
                    .checksum = Load16(p + 10),
                    .source = IpAddr::V4(p + 12),
                    .destination = IpAddr::V4(p + 16)};
}

void Ipv4Header::Emit(uint8_t* p) const {
  p[0] = 0x45;
  p[1] = static_cast<uint8_t>(dscp << 2 | ecn);
  Store16(p + 2, total_bytes);
  Store16(p + 4, id);
  Store16(p + 6, static_cast<uint16_t>((dont_fragment ? 0x4000 : 0) |
                                       (more_fragments ? 0x2000 : 0) | fragment_offset / 8));
  p[8] = ttl;
  p[9] = protocol;
  Store16(p + 10, 0);
  std::memcpy(p + 12, source.v4_bytes(), 4);
  std::memcpy(p + 16, destination.v4_bytes(), 4);
  Store16(p + 10, static_cast<uint16_t>(~SumBytes(p, kIpv4Bytes)));
}

std::optional<Ipv6Header> Ipv6Header::Parse(const uint8_t* p, size_t n) {
  if (n < kIpv6Bytes || p[0] >> 4 != 6) return std::nullopt;
  const uint32_t word = Load32(p);
  return Ipv6Header{.dscp = static_cast<uint8_t>(word >> 22 & 63),
                    .ecn = static_cast<uint8_t>(word >> 20 & 3),
                    .flow_label = word & 0xfffff,
                    .payload_bytes = Load16(p + 4),
                    .next_header = p[6],
                    .hop_limit = p[7],
                    .source = IpAddr::V6(p + 8),
                    .destination = IpAddr::V6(p + 24)};
}

void Ipv6Header::Emit(uint8_t* p) const {
  Store32(p, 6u << 28 | uint32_t{dscp} << 22 | uint32_t{ecn} << 20 | (flow_label & 0xfffff));
  Store16(p + 4, payload_bytes);
  p[6] = next_header;
  p[7] = hop_limit;
  std::memcpy(p + 8, source.bytes().data(), 16);
  std::memcpy(p + 24, destination.bytes().data(), 16);
}

Ipv6Walk WalkIpv6(const uint8_t* p, size_t n, WalkFor reader) {
  Ipv6Walk walk;
  if (n < kIpv6Bytes) return walk;
  walk.protocol = p[6];
  walk.offset = kIpv6Bytes;
  for (int count = 0; IsExtension(walk.protocol); ++count) {
    if (count == kExtensionHeadersMax) {
      walk.result = Ipv6Walk::Result::kTooMany;
      return walk;
    }
    if (WalkOne(p, n, reader, &walk) == Step::kDone) return walk;
  }
  walk.result = Ipv6Walk::Result::kUpperLayer;
  return walk;
}

}  // namespace meltemi::wire
