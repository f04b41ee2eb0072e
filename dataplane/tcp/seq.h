// Sequence number arithmetic modulo 2^32, RFC 9293 3.4. Pure. Two numbers compare meaningfully when
// they are less than 2^31 apart.
#ifndef MELTEMI_DATAPLANE_TCP_SEQ_H_
#define MELTEMI_DATAPLANE_TCP_SEQ_H_

#include <cstdint>

namespace meltemi::tcp {

constexpr bool SeqLess(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
constexpr bool SeqLessEq(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) <= 0; }
constexpr uint32_t SeqMax(uint32_t a, uint32_t b) { return SeqLess(a, b) ? b : a; }
constexpr uint32_t SeqMin(uint32_t a, uint32_t b) { return SeqLess(a, b) ? a : b; }

// Sequence space [begin, end).
struct SeqRange {
  uint32_t begin = 0;
  uint32_t end = 0;
  constexpr uint32_t size() const { return end - begin; }
  constexpr bool Contains(uint32_t seq) const { return seq - begin < size(); }
  constexpr bool operator==(const SeqRange&) const = default;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SEQ_H_
