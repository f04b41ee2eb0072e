// TCP options as bytes and as values: MSS (RFC 9293 3.7.1), window scale and timestamps (RFC 7323),
// SACK permitted and SACK (RFC 2018). Pure; hostile input.
#ifndef MELTEMI_DATAPLANE_TCP_OPTIONS_H_
#define MELTEMI_DATAPLANE_TCP_OPTIONS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/tcp/seq.h"

namespace meltemi::tcp {

inline constexpr int kOptionBytesMax = 40;
inline constexpr int kSackBlocksMax = 4;
inline constexpr uint8_t kWindowScaleMax = 14;  // RFC 7323 2.3
inline constexpr int kTimestampOptionBytes = 12;

struct Timestamps {
  uint32_t value = 0;  // TSval
  uint32_t echo = 0;   // TSecr
  bool operator==(const Timestamps&) const = default;
};

struct Options {
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;  // at most kWindowScaleMax
  bool sack_permitted = false;
  std::optional<Timestamps> timestamps;
  uint8_t sack_count = 0;
  std::array<SeqRange, kSackBlocksMax> sack;
};

// False when the options are malformed; what came before the fault is kept.
bool ParseOptions(std::span<const uint8_t> bytes, Options* options);
// Writes at most kOptionBytesMax bytes, padded with NOPs to a multiple of 4; returns the length.
// SACK blocks that do not fit are left out.
int EmitOptions(const Options& options, uint8_t* out);

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_OPTIONS_H_
