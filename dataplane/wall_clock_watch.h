// Notices that the time of day was set (by hand, by NTP's step, after a suspended machine woke up):
// workers know the time of day as an offset to the steady clock, and certificates are good or not
// by it. What both clocks said is a parameter. Thread: the control thread.
#ifndef MELTEMI_DATAPLANE_WALL_CLOCK_WATCH_H_
#define MELTEMI_DATAPLANE_WALL_CLOCK_WATCH_H_

#include <cstdint>
#include <optional>

#include "l7/base/time.h"

namespace meltemi {

// One look at the time of day, between two at the steady clock.
struct ClockReading {
  Instant before;
  int64_t unix_nanos = 0;
  Instant after;
};

class WallClockWatch {
 public:
  // Less is not told apart from the time that reading takes; nothing that uses it is as exact.
  static constexpr Duration kStepMin = Duration::Millis(5);
  static constexpr Duration kBlurMax = Duration::Millis(1);

  explicit WallClockWatch(const ClockReading& first) : clock_(ClockOf(first)) {}

  WallClock clock() const { return clock_; }
  uint64_t steps() const { return steps_; }  // how often it was set since the start

  // The clock to go by from now on, when it was set by kStepMin or more since the last look.
  // Readings that took longer than kBlurMax say nothing: the next one will.
  std::optional<WallClock> Look(const ClockReading& reading);

 private:
  static WallClock ClockOf(const ClockReading& reading);

  WallClock clock_;
  uint64_t steps_ = 0;
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_WALL_CLOCK_WATCH_H_
