#include "dataplane/tcp/syn_cookie.h"

#include <cstring>
#include <type_traits>

namespace meltemi::tcp {
namespace {

constexpr uint8_t kNoScale = 15;
constexpr uint8_t kScaleBits = 0x0f;
constexpr uint8_t kSackBit = 0x10;
constexpr uint8_t kEcnBit = 0x20;
constexpr uint32_t kStampMask = 0x3f;
constexpr uint32_t kMacMask = 0x00ff'ffff;
constexpr uint32_t kHalfMask = 0x0000'0fff;

// Hashed as bytes: no padding may hide in it.
struct MacInput {
  FourTuple tuple;
  uint32_t peer_isn;
  uint32_t index;
  uint32_t bits;
};
static_assert(std::has_unique_object_representations_v<MacInput>);

}  // namespace

uint8_t SynCookies::PackOptions(const Options& syn, bool ecn) {
  uint8_t bits = syn.window_scale.value_or(kNoScale);
  if (syn.sack_permitted) bits |= kSackBit;
  if (ecn) bits |= kEcnBit;
  return bits;
}

bool SynCookies::UnpackOptions(uint8_t bits, Options* options) {
  options->sack_permitted = (bits & kSackBit) != 0;
  options->window_scale.reset();
  if ((bits & kScaleBits) != kNoScale) options->window_scale = bits & kScaleBits;
  return (bits & kEcnBit) != 0;
}

uint32_t SynCookies::Stamp(uint32_t clock, uint8_t bits) {
  const uint32_t stamp = (clock & ~kStampMask) | bits;
  return SeqLess(clock, stamp) ? stamp - kStampMask - 1 : stamp;
}

uint32_t SynCookies::Mac(const FourTuple& tuple, uint32_t peer_isn, uint64_t period, uint32_t index,
                         std::optional<uint8_t> bits) const {
  std::array<uint8_t, 16> key;
  for (uint64_t half = 0; half < 2; ++half) {
    const uint64_t input[2] = {period, half};
    const uint64_t part = secret_(input, sizeof(input));
    std::memcpy(key.data() + half * 8, &part, 8);
  }
  constexpr uint32_t kNoStamp = 0xff, kWithNumber = 0x100;
  const SipHash24 hash(key);
  MacInput input{tuple, 0, index, bits ? *bits : kNoStamp};
  const auto without = static_cast<uint32_t>(hash(&input, sizeof(input)));
  input.peer_isn = peer_isn;
  input.bits |= kWithNumber;
  const auto with = static_cast<uint32_t>(hash(&input, sizeof(input)));
  return (with & kHalfMask) << 12 | (without & kHalfMask);
}

uint32_t SynCookies::Isn(const FourTuple& tuple, uint32_t peer_isn, uint16_t peer_mss,
                         std::optional<uint8_t> bits, Instant now) const {
  uint32_t index = kMss.size() - 1;
  while (index > 0 && kMss[index] > peer_mss) --index;
  const uint64_t period = PeriodOf(now);
  return static_cast<uint32_t>(period % 32) << 27 | index << 24 |
         Mac(tuple, peer_isn, period, index, bits);
}

std::optional<uint16_t> SynCookies::Check(const FourTuple& tuple, uint32_t peer_isn, uint32_t isn,
                                          std::optional<uint8_t> bits, Instant now) const {
  const std::optional<uint64_t> period = PeriodOf(isn, now);
  if (!period) return std::nullopt;
  const uint32_t index = isn >> 24 & 7;
  if (Mac(tuple, peer_isn, *period, index, bits) != (isn & kMacMask)) return std::nullopt;
  return kMss[index];
}

bool SynCookies::MayBeOurs(const FourTuple& tuple, uint32_t isn, std::optional<uint8_t> bits,
                           Instant now) const {
  const std::optional<uint64_t> period = PeriodOf(isn, now);
  if (!period) return false;
  return ((Mac(tuple, 0, *period, isn >> 24 & 7, bits) ^ isn) & kHalfMask) == 0;
}

std::optional<uint64_t> SynCookies::PeriodOf(uint32_t isn, Instant now) {
  const uint64_t current = PeriodOf(now);
  // Two periods ago would be another key: not tried.
  const uint64_t age = (current - (isn >> 27)) % 32;
  if (age > 1 || age > current) return std::nullopt;
  return current - age;
}

}  // namespace meltemi::tcp
