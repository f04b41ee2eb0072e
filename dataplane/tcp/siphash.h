// SipHash-c-d (Aumasson and Bernstein 2012): the keyed hash behind initial sequence numbers and the
// flow table. Pure. 2-4 for what a peer sees, 1-3 for tables.
#ifndef MELTEMI_DATAPLANE_TCP_SIPHASH_H_
#define MELTEMI_DATAPLANE_TCP_SIPHASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace meltemi::tcp {

template <int kCompressRounds, int kFinalRounds>
class SipHasher {
 public:
  explicit SipHasher(const std::array<uint8_t, 16>& key) {
    std::memcpy(&k0_, key.data(), 8);
    std::memcpy(&k1_, key.data() + 8, 8);
  }

  uint64_t operator()(const void* bytes, size_t n) const {
    State s{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d, k0_ ^ 0x6c7967656e657261,
            k1_ ^ 0x7465646279746573};
    const auto* p = static_cast<const uint8_t*>(bytes);
    size_t left = n;
    for (; left >= 8; left -= 8, p += 8) {
      uint64_t word = 0;
      std::memcpy(&word, p, 8);
      Absorb(&s, word);
    }
    uint64_t last = 0;
    std::memcpy(&last, p, left);
    Absorb(&s, last | (static_cast<uint64_t>(n) << 56));
    s.v2 ^= 0xff;
    for (int i = 0; i < kFinalRounds; ++i) Round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
  }

 private:
  struct State {
    uint64_t v0, v1, v2, v3;
  };
  static constexpr uint64_t Rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  static void Round(State* s) {
    s->v0 += s->v1;
    s->v1 = Rotate(s->v1, 13) ^ s->v0;
    s->v0 = Rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = Rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = Rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = Rotate(s->v1, 17) ^ s->v2;
    s->v2 = Rotate(s->v2, 32);
  }
  static void Absorb(State* s, uint64_t word) {
    s->v3 ^= word;
    for (int i = 0; i < kCompressRounds; ++i) Round(s);
    s->v0 ^= word;
  }

  uint64_t k0_ = 0;
  uint64_t k1_ = 0;
};

using SipHash24 = SipHasher<2, 4>;
using SipHash13 = SipHasher<1, 3>;

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SIPHASH_H_
