// Bottleneck: one direction of a network path: a rate, a delay, a queue of so many packets that
// drops what does not fit, and losses drawn from a seed, packet by packet. Pure: the same path
// carries simulated packets here and those of two kernels (test/integration/tun_path.cc).
#ifndef MELTEMI_TEST_SIM_BOTTLENECK_H_
#define MELTEMI_TEST_SIM_BOTTLENECK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "l7/base/prng.h"
#include "l7/base/time.h"

namespace meltemi::sim {

struct BottleneckOptions {
  int64_t bits_per_second = 50'000'000;  // of IP packets; 0: no limit, and no queue
  Duration delay;                        // one way
  size_t queue_packets = 128;            // waiting for the transmitter, the one in it included
  uint32_t lost_per_million = 0;
  uint64_t seed = 1;
};

class Bottleneck {
 public:
  explicit Bottleneck(const BottleneckOptions& options) : options_(options), prng_(options.seed) {}

  // When a packet that is sent now arrives; nothing when it does not.
  std::optional<Instant> Offer(Instant now, size_t bytes) {
    if (options_.lost_per_million > 0 && prng_.Chance(options_.lost_per_million, 1'000'000)) {
      ++lost_;
      return std::nullopt;
    }
    if (options_.bits_per_second == 0) return now + options_.delay;
    while (!waiting_.empty() && waiting_.front() <= now) waiting_.pop_front();
    if (waiting_.size() >= options_.queue_packets) {
      ++dropped_;
      return std::nullopt;
    }
    const Instant begins = waiting_.empty() ? now : waiting_.back();
    const auto bits = static_cast<int64_t>(bytes) * 8;
    waiting_.push_back(begins + Duration::Nanos(bits * 1'000'000'000 / options_.bits_per_second));
    return waiting_.back() + options_.delay;
  }

  uint64_t lost() const { return lost_; }
  uint64_t dropped() const { return dropped_; }  // the queue was full

 private:
  const BottleneckOptions options_;
  Prng prng_;
  std::deque<Instant> waiting_;  // when each has left the transmitter
  uint64_t lost_ = 0, dropped_ = 0;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_BOTTLENECK_H_
