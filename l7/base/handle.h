// Typed handles: a slot and its generation. A stale handle is detected, never dereferenced.
#ifndef MELTEMI_L7_BASE_HANDLE_H_
#define MELTEMI_L7_BASE_HANDLE_H_

#include <compare>
#include <cstdint>
#include <utility>

namespace meltemi {

template <typename Tag>
struct Handle {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0 is never given out: a default handle is invalid

  constexpr bool valid() const { return generation != 0; }
  constexpr uint64_t bits() const { return (uint64_t{generation} << 32) | slot; }
  static constexpr Handle FromBits(uint64_t bits) {
    return Handle{static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
  }
  constexpr auto operator<=>(const Handle&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Handle& a) {
    return H::combine(std::move(h), a.slot, a.generation);
  }
};

// A TCP connection of this worker (dataplane/tcp).
using TcpId = Handle<struct TcpTag>;
// A connection as L7 sees it, downstream or upstream (l7/engine).
using ConnId = Handle<struct ConnTag>;

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_HANDLE_H_
