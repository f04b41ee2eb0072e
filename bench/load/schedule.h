// Schedule: when each request of an open-loop run is meant to be sent, whatever the server does.
//
// Latency counts from these instants, not from when a busy generator or a full connection got to
// it: a server that stalls is charged for every request that waited (no coordinated omission).
// Pure: all chance comes from the seed. One thread.
#ifndef MELTEMI_BENCH_LOAD_SCHEDULE_H_
#define MELTEMI_BENCH_LOAD_SCHEDULE_H_

#include <cstdint>

#include "l7/base/prng.h"
#include "l7/base/time.h"

namespace meltemi::load {

enum class Arrival : uint8_t {
  kConstant,  // evenly spaced
  kPoisson,   // exponential gaps: independent clients
};

class Schedule {
 public:
  // `rate`: requests per second, above 0.
  Schedule(Arrival arrival, double rate, Instant start, uint64_t seed);

  Instant next() const { return next_; }
  void Advance();

 private:
  const Arrival arrival_;
  const double nanos_per_request_;
  const Instant start_;
  Prng prng_;
  uint64_t count_ = 0;
  double offset_ = 0;  // Poisson: of `next_` from the start
  Instant next_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_SCHEDULE_H_
