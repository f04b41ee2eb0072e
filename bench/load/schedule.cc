#include "bench/load/schedule.h"

#include <cmath>

#include "l7/base/check.h"

namespace meltemi::load {

Schedule::Schedule(Arrival arrival, double rate, Instant start, uint64_t seed)
    : arrival_(arrival), nanos_per_request_(1e9 / rate), start_(start), prng_(seed), next_(start) {
  CHECK(rate > 0);
}

void Schedule::Advance() {
  switch (arrival_) {
    case Arrival::kConstant:
      offset_ = static_cast<double>(++count_) * nanos_per_request_;  // rounding does not add up
      break;
    case Arrival::kPoisson:
      offset_ -= std::log(1.0 - prng_.Unit()) * nanos_per_request_;
      break;
  }
  next_ = start_ + Duration::Nanos(static_cast<int64_t>(offset_));
}

}  // namespace meltemi::load
