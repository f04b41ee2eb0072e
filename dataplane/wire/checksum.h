// The Internet checksum: RFC 1071, incremental update RFC 1624, pseudo-headers RFC 9293 3.1 and
// RFC 8200 8.1. Pure; any thread. Bounds: the ranges given.
//
// A "sum" is the folded ones' complement sum of the big-endian 16-bit words, not complemented, as a
// host-order number. The checksum field holds ~sum: Store16(field, ~sum). A range that contains its
// own correct checksum sums to 0xffff.
#ifndef MELTEMI_DATAPLANE_WIRE_CHECKSUM_H_
#define MELTEMI_DATAPLANE_WIRE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/packet/packet.h"
#include "l7/base/ip_addr.h"

namespace meltemi::wire {

inline constexpr uint16_t kSumOfCorrect = 0xffff;

// Ones' complement addition of two sums.
inline uint16_t SumAdd(uint16_t a, uint16_t b) {
  const uint32_t s = uint32_t{a} + b;
  return static_cast<uint16_t>(s + (s >> 16));
}

// A last odd byte counts as the high byte of a word whose low byte is 0.
uint16_t SumBytes(const uint8_t* p, size_t n);

// Bytes [offset, offset + n) of the chain; segment boundaries may be odd. CHECKs that they exist.
uint16_t SumPacket(const packet::Packet* p, uint32_t offset, uint32_t n);

// Same family for both addresses. `bytes`: upper-layer header and payload.
uint16_t PseudoHeaderSum(const IpAddr& source, const IpAddr& destination, uint8_t protocol,
                         uint32_t bytes);

// The checksum field after a 16-bit word of the covered data changed; RFC 1624 equation 3.
inline uint16_t UpdateChecksum(uint16_t checksum, uint16_t old_word, uint16_t new_word) {
  const uint16_t sum =
      SumAdd(SumAdd(static_cast<uint16_t>(~checksum), static_cast<uint16_t>(~old_word)), new_word);
  return static_cast<uint16_t>(~sum);
}

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_CHECKSUM_H_
