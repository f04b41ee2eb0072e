// Big-endian loads and stores: the only place where the byte order of the wire is handled.
// Everything above works with host-order integers.
//
// Owns nothing. Pure; any thread. The caller has checked that the bytes are there.
#ifndef MELTEMI_DATAPLANE_WIRE_BYTES_H_
#define MELTEMI_DATAPLANE_WIRE_BYTES_H_

#include <array>
#include <cstdint>
#include <cstring>

namespace meltemi::wire {

using MacAddr = std::array<uint8_t, 6>;

inline constexpr MacAddr kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

inline uint16_t Load16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}
inline uint32_t Load32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}
inline uint64_t Load64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}
inline void Store16(uint8_t* p, uint16_t v) {
  v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}
inline void Store32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}
inline void Store64(uint8_t* p, uint64_t v) {
  v = __builtin_bswap64(v);
  std::memcpy(p, &v, sizeof v);
}

inline MacAddr LoadMac(const uint8_t* p) {
  MacAddr mac;
  std::memcpy(mac.data(), p, mac.size());
  return mac;
}
inline void StoreMac(uint8_t* p, const MacAddr& mac) { std::memcpy(p, mac.data(), mac.size()); }

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_BYTES_H_
