#include "dataplane/tcp/options.h"

#include <algorithm>

namespace meltemi::tcp {
namespace {

enum Kind : uint8_t {
  kEnd = 0,
  kNop = 1,
  kMss = 2,
  kWindowScale = 3,
  kSackPermitted = 4,
  kSack = 5,
  kTimestamps = 8,
};

uint32_t Load32(const uint8_t* p) {
  return (uint32_t{p[0]} << 24) | (uint32_t{p[1]} << 16) | (uint32_t{p[2]} << 8) | p[3];
}

uint8_t* Store32(uint8_t* p, uint32_t v) {
  *p++ = static_cast<uint8_t>(v >> 24);
  *p++ = static_cast<uint8_t>(v >> 16);
  *p++ = static_cast<uint8_t>(v >> 8);
  *p++ = static_cast<uint8_t>(v);
  return p;
}

// One option of `length` bytes at `p`. False: its length is wrong for its kind.
bool ParseOne(const uint8_t* p, int length, Options* options) {
  switch (p[0]) {
    case kMss:
      if (length != 4) return false;
      options->mss = static_cast<uint16_t>((p[2] << 8) | p[3]);
      return true;
    case kWindowScale:
      if (length != 3) return false;
      options->window_scale = std::min(p[2], kWindowScaleMax);
      return true;
    case kSackPermitted:
      if (length != 2) return false;
      options->sack_permitted = true;
      return true;
    case kTimestamps:
      if (length != 10) return false;
      options->timestamps = Timestamps{Load32(p + 2), Load32(p + 6)};
      return true;
    case kSack:
      if (length < 10 || (length - 2) % 8 != 0) return false;
      for (int at = 2; at < length && options->sack_count < kSackBlocksMax; at += 8) {
        options->sack[options->sack_count++] = {Load32(p + at), Load32(p + at + 4)};
      }
      return true;
    default:  // not an enum of ours: unknown options are skipped, RFC 9293 3.1 MUST-6
      return true;
  }
}

}  // namespace

bool ParseOptions(std::span<const uint8_t> bytes, Options* options) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes[at] == kEnd) return true;
    if (bytes[at] == kNop) {
      ++at;
      continue;
    }
    if (at + 1 >= bytes.size()) return false;
    const int length = bytes[at + 1];
    if (length < 2 || at + length > bytes.size()) return false;
    if (!ParseOne(bytes.data() + at, length, options)) return false;
    at += length;
  }
  return true;
}

int EmitOptions(const Options& options, uint8_t* out) {
  uint8_t* p = out;
  if (options.mss) {
    *p++ = kMss;
    *p++ = 4;
    *p++ = static_cast<uint8_t>(*options.mss >> 8);
    *p++ = static_cast<uint8_t>(*options.mss);
  }
  if (options.timestamps) {
    if (options.sack_permitted) {
      *p++ = kSackPermitted;
      *p++ = 2;
    } else {
      *p++ = kNop;
      *p++ = kNop;
    }
    *p++ = kTimestamps;
    *p++ = 10;
    p = Store32(p, options.timestamps->value);
    p = Store32(p, options.timestamps->echo);
  } else if (options.sack_permitted) {
    *p++ = kNop;
    *p++ = kNop;
    *p++ = kSackPermitted;
    *p++ = 2;
  }
  if (options.window_scale) {
    *p++ = kNop;
    *p++ = kWindowScale;
    *p++ = 3;
    *p++ = *options.window_scale;
  }
  const int room = (kOptionBytesMax - static_cast<int>(p - out) - 4) / 8;
  const int blocks = std::min<int>(options.sack_count, std::max(room, 0));
  if (blocks > 0) {
    *p++ = kNop;
    *p++ = kNop;
    *p++ = kSack;
    *p++ = static_cast<uint8_t>(2 + 8 * blocks);
    for (int i = 0; i < blocks; ++i) {
      p = Store32(p, options.sack[i].begin);
      p = Store32(p, options.sack[i].end);
    }
  }
  return static_cast<int>(p - out);
}

}  // namespace meltemi::tcp
