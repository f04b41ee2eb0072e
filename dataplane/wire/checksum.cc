#include "dataplane/wire/checksum.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "l7/base/check.h"

namespace meltemi::wire {
namespace {

// Ones' complement addition is independent of byte order (RFC 1071 2(B)): words are added as the
// machine loads them and the folded result is swapped once.
uint16_t FoldAndSwap(uint64_t sum) {
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return __builtin_bswap16(static_cast<uint16_t>(sum));
}

// 64 bytes a round: 32-bit words are widened to 64-bit lanes, so no carry is ever lost.
uint64_t SumBlocks(const uint8_t* p, size_t blocks) {
  const __m256i low = _mm256_set1_epi64x(0xffff'ffff);
  __m256i a = _mm256_setzero_si256();
  __m256i b = _mm256_setzero_si256();
  for (; blocks > 0; --blocks, p += 64) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    a = _mm256_add_epi64(a, _mm256_and_si256(x, low));
    b = _mm256_add_epi64(b, _mm256_srli_epi64(x, 32));
    a = _mm256_add_epi64(a, _mm256_and_si256(y, low));
    b = _mm256_add_epi64(b, _mm256_srli_epi64(y, 32));
  }
  a = _mm256_add_epi64(a, b);
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), a);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

}  // namespace

uint16_t SumBytes(const uint8_t* p, size_t n) {
  uint64_t sum = 0;
  if (n >= 64) {
    sum = SumBlocks(p, n / 64);
    p += n & ~size_t{63};
    n &= 63;
  }
  uint32_t word = 0;
  for (; n >= 4; n -= 4, p += 4) {
    std::memcpy(&word, p, 4);
    sum += word;
  }
  if (n > 0) {
    word = 0;
    std::memcpy(&word, p, n);  // the missing bytes are 0
    sum += word;
  }
  return FoldAndSwap(sum);
}

uint16_t SumPacket(const packet::Packet* p, uint32_t offset, uint32_t n) {
  CHECK(uint64_t{offset} + n <= p->pkt_len);
  uint16_t sum = 0;
  bool odd = false;  // the next byte is the low one of its word
  for (; n > 0; p = p->next) {
    CHECK(p != nullptr);
    if (offset >= p->data_len) {
      offset -= p->data_len;
      continue;
    }
    const uint32_t here = std::min<uint32_t>(p->data_len - offset, n);
    const uint16_t part = SumBytes(packet::Data(p) + offset, here);
    sum = SumAdd(sum, odd ? __builtin_bswap16(part) : part);
    odd ^= (here & 1) != 0;
    offset = 0;
    n -= here;
  }
  return sum;
}

uint16_t PseudoHeaderSum(const IpAddr& source, const IpAddr& destination, uint8_t protocol,
                         uint32_t bytes) {
  const uint16_t addresses =
      source.v4()
          ? SumAdd(SumBytes(source.v4_bytes(), 4), SumBytes(destination.v4_bytes(), 4))
          : SumAdd(SumBytes(source.bytes().data(), 16), SumBytes(destination.bytes().data(), 16));
  const uint16_t length = SumAdd(static_cast<uint16_t>(bytes >> 16), static_cast<uint16_t>(bytes));
  return SumAdd(SumAdd(addresses, protocol), length);
}

}  // namespace meltemi::wire
