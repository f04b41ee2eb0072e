#include "dataplane/wall_clock_watch.h"

namespace meltemi {

WallClock WallClockWatch::ClockOf(const ClockReading& reading) {
  const Duration half = (reading.after - reading.before) / 2;
  return {.offset_nanos = reading.unix_nanos - (reading.before + half).nanos()};
}

std::optional<WallClock> WallClockWatch::Look(const ClockReading& reading) {
  if (reading.after - reading.before > kBlurMax) return std::nullopt;
  const WallClock now = ClockOf(reading);
  const int64_t moved = now.offset_nanos - clock_.offset_nanos;
  if (moved > -kStepMin.nanos() && moved < kStepMin.nanos()) return std::nullopt;
  clock_ = now;
  ++steps_;
  return clock_;
}

}  // namespace meltemi
