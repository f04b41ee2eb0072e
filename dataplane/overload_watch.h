// OverloadWatch: measures what the overload manager watches, and tells the workers what to do
// about it (l7/policy/overload.h has the terms).
//
// Owns what it saw last. Thread: the control thread. Bounds: a look per refresh interval.
#ifndef MELTEMI_DATAPLANE_OVERLOAD_WATCH_H_
#define MELTEMI_DATAPLANE_OVERLOAD_WATCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/shared/overload_slot.h"
#include "l7/base/time.h"
#include "l7/policy/overload.h"
#include "l7/telemetry/sample.h"

namespace meltemi {

// What only the operating system and the processor can tell.
struct OverloadReading {
  std::optional<uint64_t> resident_bytes;  // nothing: could not be read
  uint64_t cycles = 0;                     // of the counter that turns are measured with
};

class OverloadWatch {
 public:
  // `memory_max`: what the connections of one worker may hold. `slot` outlives the watch.
  OverloadWatch(const policy::OverloadSettings& settings, int workers, uint64_t memory_max,
                shared::OverloadSlot* slot);

  bool due(Instant now) const { return now >= next_; }
  void Look(const OverloadReading& reading, Instant now);
  const policy::Pressures& pressures() const { return pressures_; }

  // Envoy's overload.* statistics.
  std::vector<telemetry::Sample> Samples() const;

 private:
  double CpuPressure(uint64_t cycles);

  const policy::OverloadSettings settings_;
  const int workers_;
  const uint64_t memory_max_;
  shared::OverloadSlot* const slot_;
  Instant next_;
  std::vector<uint64_t> busy_before_;  // of each worker, at the last look
  std::optional<uint64_t> cycles_before_;
  policy::Pressures pressures_{};
  policy::OverloadActions actions_;
  uint64_t failed_updates_ = 0;  // of the heap: the only one that can fail
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_OVERLOAD_WATCH_H_
