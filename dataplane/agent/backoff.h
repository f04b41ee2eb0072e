// How long to wait before the next attempt to reach the control plane: exponential, from 500 ms to
// 30 s, with jitter, so that nodes that lost the same Pilot do not come back together. Pure; the
// agent's.
#ifndef MELTEMI_DATAPLANE_AGENT_BACKOFF_H_
#define MELTEMI_DATAPLANE_AGENT_BACKOFF_H_

#include <algorithm>

#include "l7/base/prng.h"
#include "l7/base/time.h"

namespace meltemi::agent {

class Backoff {
 public:
  static constexpr Duration kFirst = Duration::Millis(500);
  static constexpr Duration kLongest = Duration::Seconds(30);

  // Between a quarter and the whole of the present step; the next step is twice as long.
  Duration Next(Prng& prng) {
    const auto spread = static_cast<uint64_t>(step_.nanos() * 3 / 4);
    const Duration wait = step_ / 4 + Duration::Nanos(static_cast<int64_t>(prng.Below(spread)));
    step_ = std::min(step_ * 2, kLongest);
    return wait;
  }
  // The control plane has answered.
  void Reset() { step_ = kFirst; }

 private:
  Duration step_ = kFirst;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_BACKOFF_H_
