#include "l7/base/xx_hash.h"

#include <array>
#include <bit>
#include <cstring>

namespace meltemi {
namespace {

constexpr uint64_t k1 = 0x9E3779B185EBCA87, k2 = 0xC2B2AE3D27D4EB4F, k3 = 0x165667B19E3779F9,
                   k4 = 0x85EBCA77C2B2AE63, k5 = 0x27D4EB2F165667C5;
static_assert(std::endian::native == std::endian::little, "the lanes are little endian");

template <typename Word>
uint64_t Take(std::string_view* text) {
  Word word;
  std::memcpy(&word, text->data(), sizeof(word));
  text->remove_prefix(sizeof(word));
  return word;
}

uint64_t Round(uint64_t sum, uint64_t lane) { return std::rotl(sum + lane * k2, 31) * k1; }

uint64_t Merge(uint64_t sum, uint64_t lane) { return (sum ^ Round(0, lane)) * k1 + k4; }

// The text's blocks of 32 bytes, in four lanes.
uint64_t Blocks(std::string_view* text, uint64_t seed) {
  std::array<uint64_t, 4> sums = {seed + k1 + k2, seed + k2, seed, seed - k1};
  while (text->size() >= 32) {
    for (uint64_t& sum : sums) sum = Round(sum, Take<uint64_t>(text));
  }
  uint64_t hash = std::rotl(sums[0], 1) + std::rotl(sums[1], 7) + std::rotl(sums[2], 12) +
                  std::rotl(sums[3], 18);
  for (const uint64_t sum : sums) hash = Merge(hash, sum);
  return hash;
}

}  // namespace

uint64_t XxHash64(std::string_view text, uint64_t seed) {
  const uint64_t size = text.size();
  uint64_t hash = (size >= 32 ? Blocks(&text, seed) : seed + k5) + size;
  while (text.size() >= 8) {
    hash = std::rotl(hash ^ Round(0, Take<uint64_t>(&text)), 27) * k1 + k4;
  }
  if (text.size() >= 4) hash = std::rotl(hash ^ Take<uint32_t>(&text) * k1, 23) * k2 + k3;
  while (!text.empty()) hash = std::rotl(hash ^ Take<uint8_t>(&text) * k5, 11) * k1;
  hash = (hash ^ (hash >> 33)) * k2;
  hash = (hash ^ (hash >> 29)) * k3;
  return hash ^ (hash >> 32);
}

}  // namespace meltemi
