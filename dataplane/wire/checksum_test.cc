// Goal: the wide checksum equals a naive one for every length, alignment and cut of a chain.
// Method: exhaustive over lengths and segment boundaries, seeded bytes.
#include "dataplane/wire/checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/wire/builders.h"
#include "dataplane/wire/bytes.h"
#include "l7/base/prng.h"

namespace meltemi::wire {
namespace {

// RFC 1071, word by word.
uint16_t Naive(const uint8_t* p, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += i % 2 == 0 ? uint64_t{p[i]} << 8 : p[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

std::vector<uint8_t> Random(size_t n, uint64_t seed) {
  Prng prng(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(prng.Next());
  return bytes;
}

TEST(SumBytes, EqualsNaiveForEveryLengthAndAlignment) {
  const auto bytes = Random(1600, 1);
  for (size_t offset = 0; offset < 8; ++offset) {
    for (size_t n = 0; n + offset <= bytes.size(); n += n < 300 ? 1 : 37) {
      ASSERT_EQ(SumBytes(bytes.data() + offset, n), Naive(bytes.data() + offset, n)) << n;
    }
  }
}

TEST(SumBytes, LosesNoCarry) {
  for (const size_t n : {1u, 2u, 63u, 64u, 65u, 128u, 1460u, 16'383u, 65'535u}) {
    const std::vector<uint8_t> ones(n, 0xff);
    EXPECT_EQ(SumBytes(ones.data(), n), Naive(ones.data(), n)) << n;
  }
  const std::vector<uint8_t> zeros(100, 0);
  EXPECT_EQ(SumBytes(zeros.data(), zeros.size()), 0);
}

TEST(SumPacket, EqualsTheFlatSumForEveryBoundary) {
  packet::HeapPacketPool pool;
  const auto bytes = Random(260, 2);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (uint32_t segment = 1; segment <= bytes.size(); ++segment) {
    packet::Packet* p = ToPacket(&pool, text, segment);
    for (uint32_t offset = 0; offset < bytes.size(); offset += 13) {
      for (uint32_t n = 0; n + offset <= bytes.size(); n += 7) {
        ASSERT_EQ(SumPacket(p, offset, n), Naive(bytes.data() + offset, n))
            << segment << " " << offset << " " << n;
      }
    }
    pool.Free(p);
  }
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(UpdateChecksum, EqualsRecomputingForEveryNewWord) {
  // Equation 3 of RFC 1624 never makes 0xffff of a 0x0000 by accident: all results compared.
  for (uint32_t word = 0; word <= 0xffff; ++word) {
    uint8_t data[6] = {0x45, 0x00, 0xab, 0xcd, 0x12, 0x34};
    const auto before = static_cast<uint16_t>(~SumBytes(data, sizeof data));
    const uint16_t old_word = Load16(data + 2);
    Store16(data + 2, static_cast<uint16_t>(word));
    const auto after = static_cast<uint16_t>(~SumBytes(data, sizeof data));
    ASSERT_EQ(UpdateChecksum(before, old_word, static_cast<uint16_t>(word)), after) << word;
  }
}

TEST(PseudoHeaderSum, CoversAddressesProtocolAndLength) {
  const IpAddr a4 = *IpAddr::Parse("10.1.2.3"), b4 = *IpAddr::Parse("192.168.255.254");
  uint8_t v4[12] = {10, 1, 2, 3, 192, 168, 255, 254, 0, 6, 0x12, 0x34};
  EXPECT_EQ(PseudoHeaderSum(a4, b4, 6, 0x1234), Naive(v4, sizeof v4));
  const IpAddr a6 = *IpAddr::Parse("fd00:1::11"), b6 = *IpAddr::Parse("2001:db8::ffff:1");
  std::vector<uint8_t> v6(a6.bytes().begin(), a6.bytes().end());
  v6.insert(v6.end(), b6.bytes().begin(), b6.bytes().end());
  v6.insert(v6.end(), {0x00, 0x01, 0x02, 0x03, 0, 0, 0, 17});
  EXPECT_EQ(PseudoHeaderSum(a6, b6, 17, 0x00010203), Naive(v6.data(), v6.size()));
}

}  // namespace
}  // namespace meltemi::wire
