// Byte scanning with AVX2: 32 bytes a step, a scalar tail, never a byte beyond `end`.
#ifndef MELTEMI_L7_HTTP1_SCAN_H_
#define MELTEMI_L7_HTTP1_SCAN_H_

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>

namespace meltemi::http1 {

// For each byte: its lower-case form when it is a token character (RFC 9110 5.6.2), else 0.
inline constexpr std::array<uint8_t, 256> kTokenLower = [] {
  std::array<uint8_t, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<uint8_t>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = static_cast<uint8_t>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = static_cast<uint8_t>(c + 32);
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<uint8_t>(c)] = static_cast<uint8_t>(c);
  }
  return table;
}();

// The first byte that may not stand in a field value: a control character other than HTAB, or DEL.
// CR and LF are among them: on good input this finds the end of the line.
inline char* FindValueEnd(char* p, char* end) {
  const __m256i bound = _mm256_set1_epi8(0x1f);
  const __m256i tab = _mm256_set1_epi8('\t');
  const __m256i del = _mm256_set1_epi8(0x7f);
  for (; end - p >= 32; p += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, bound), v);
    const __m256i bad = _mm256_or_si256(_mm256_andnot_si256(_mm256_cmpeq_epi8(v, tab), control),
                                        _mm256_cmpeq_epi8(v, del));
    const auto mask = static_cast<uint32_t>(_mm256_movemask_epi8(bad));
    if (mask != 0) return p + std::countr_zero(mask);
  }
  for (; p < end; ++p) {
    const auto c = static_cast<uint8_t>(*p);
    if ((c < 0x20 && c != '\t') || c == 0x7f) break;
  }
  return p;
}

// The first byte that may not stand in a request target: anything but visible ASCII. Obs-text
// (0x80-0xff) is refused: RFC 3986 has none.
inline char* FindTargetEnd(char* p, char* end) {
  const __m256i space = _mm256_set1_epi8(' ');
  const __m256i del = _mm256_set1_epi8(0x7f);
  for (; end - p >= 32; p += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    // Signed: bytes from 0x80 on are negative, so one comparison finds them and the controls.
    const __m256i good =
        _mm256_andnot_si256(_mm256_cmpeq_epi8(v, del), _mm256_cmpgt_epi8(v, space));
    const auto mask = ~static_cast<uint32_t>(_mm256_movemask_epi8(good));
    if (mask != 0) return p + std::countr_zero(mask);
  }
  for (; p < end; ++p) {
    const auto c = static_cast<int8_t>(*p);
    if (c <= ' ' || c == 0x7f) break;
  }
  return p;
}

// One past the empty line that ends a head (CR LF CR LF), searched from `p`; null: not there.
inline char* FindHeadEnd(char* p, char* end) {
  const __m256i lf = _mm256_set1_epi8('\n');
  for (; end - p >= 32 + 3; p += 32) {
    // LF at distance 1 and 3 from the same CR: rare enough that the scalar check below is free.
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 1));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 3));
    auto mask = static_cast<uint32_t>(
        _mm256_movemask_epi8(_mm256_and_si256(_mm256_cmpeq_epi8(a, lf), _mm256_cmpeq_epi8(b, lf))));
    for (; mask != 0; mask &= mask - 1) {
      char* at = p + std::countr_zero(mask);
      if (at[0] == '\r' && at[2] == '\r') return at + 4;
    }
  }
  for (; end - p >= 4; ++p) {
    if (p[0] == '\r' && p[1] == '\n' && p[2] == '\r' && p[3] == '\n') return p + 4;
  }
  return nullptr;
}

// The same search byte by byte, for heads that come in pieces, which also stops at what no head may
// hold: a control character, a bare CR, a bare LF. So that a TLS hello or a client that ends lines
// with LF is refused at once and not at the size limit or by a timeout.
struct HeadScan {
  enum class Found : uint8_t { kNothing, kEnd, kControl, kBareLineEnd };

  Found Step(char c) {
    last4 = last4 << 8 | static_cast<uint8_t>(c);
    const bool after_cr = (last4 >> 8 & 0xff) == '\r';
    if (static_cast<uint8_t>(c) >= 0x20 && c != 0x7f) {
      return after_cr ? Found::kBareLineEnd : Found::kNothing;
    }
    if (c == '\n') {
      if (!after_cr) return Found::kBareLineEnd;
      return last4 == 0x0d0a0d0a ? Found::kEnd : Found::kNothing;
    }
    if (after_cr) return Found::kBareLineEnd;
    return c == '\r' || c == '\t' ? Found::kNothing : Found::kControl;
  }

  uint32_t last4 = 0;  // the last four bytes, the latest lowest
};

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_SCAN_H_
