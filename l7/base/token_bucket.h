// SharedTokens: a token bucket that all workers of a node take from, exactly: `tokens_max` to begin
// with, `tokens_per_fill` more at the end of each `fill_interval` since it was made, and never more
// than `tokens_max`. Nothing runs in the background: who takes a token adds those that are due.
//
// One word of 64 bits, changed by compare and swap, and never waited for:
//
//    63          32 31           0
//   | fills counted | tokens left |
//
// Any thread. Nothing else is ordered by it. Workers read their clocks at slightly different times:
// one that is behind adds nothing. A bucket must be asked once in 2^31 intervals (three years of
// the shortest, 50 ms) to count them right.
#ifndef MELTEMI_L7_BASE_TOKEN_BUCKET_H_
#define MELTEMI_L7_BASE_TOKEN_BUCKET_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "l7/base/time.h"

namespace meltemi {

struct TokenRate {
  uint32_t tokens_max = 0;
  uint32_t tokens_per_fill = 1;
  Duration fill_interval;  // above zero
  bool operator==(const TokenRate&) const = default;
};

class SharedTokens {
 public:
  struct Answer {
    bool taken = false;
    uint32_t left = 0;  // after it
  };

  SharedTokens(const TokenRate& rate, Instant now)
      : rate_(rate), made_(now), state_(rate.tokens_max) {}
  SharedTokens(const SharedTokens&) = delete;
  SharedTokens& operator=(const SharedTokens&) = delete;

  Answer Take(Instant now) {
    const auto fills = static_cast<uint32_t>(FillsUntil(now));
    uint64_t seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      const auto counted = static_cast<uint32_t>(seen >> 32);
      const auto due = static_cast<int32_t>(fills - counted);
      uint64_t tokens = seen & UINT32_MAX;
      if (due > 0) {
        tokens += static_cast<uint64_t>(due) * rate_.tokens_per_fill;
        tokens = std::min<uint64_t>(tokens, rate_.tokens_max);
      }
      if (tokens == 0) return {};
      --tokens;
      const uint64_t next = uint64_t{due > 0 ? fills : counted} << 32 | tokens;
      if (state_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
        return {.taken = true, .left = static_cast<uint32_t>(tokens)};
      }
    }
  }

  // Until the next tokens come.
  Duration UntilFill(Instant now) const {
    const int64_t interval = rate_.fill_interval.nanos();
    return Duration::Nanos(interval - (std::max(now, made_) - made_).nanos() % interval);
  }

  const TokenRate& rate() const { return rate_; }

 private:
  uint64_t FillsUntil(Instant now) const {
    if (now <= made_) return 0;
    return static_cast<uint64_t>((now - made_).nanos() / rate_.fill_interval.nanos());
  }

  const TokenRate rate_;
  const Instant made_;
  std::atomic<uint64_t> state_;
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_TOKEN_BUCKET_H_
