// Instants in four bytes, for the lines of a connection that every packet touches (conn.h). Both
// are of the past or future of a `now` that is given with every question; what they cannot tell
// apart is said at each. Pure.
#ifndef MELTEMI_DATAPLANE_TCP_SHORT_TIME_H_
#define MELTEMI_DATAPLANE_TCP_SHORT_TIME_H_

#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::tcp {

// A deadline, in ticks of 2^16 ns, the timer wheel's, rounded up as the wheel rounds them: it is
// due when a timer armed for it fires. Right as long as it lies within 39 hours of now, on either
// side: RTOs end at a minute, and Tcp arms no timer for later than a few hours.
class Deadline {
 public:
  constexpr Deadline() = default;  // never
  // Implicit: what assigns one has an Instant.
  constexpr Deadline(Instant at) : ticks_(at.never() ? kNever : Round(at)) {}

  constexpr bool never() const { return ticks_ == kNever; }
  constexpr bool due(Instant now) const {
    return !never() && static_cast<int32_t>(Floor(now) - ticks_) >= 0;
  }
  constexpr bool before(Deadline other) const {
    if (never() || other.never()) return !never();
    return static_cast<int32_t>(ticks_ - other.ticks_) < 0;
  }
  // The instant at which it is due.
  constexpr Instant At(Instant now) const {
    if (never()) return Instant::Never();
    const auto ahead = static_cast<int32_t>(ticks_ - Floor(now));
    return Instant::FromNanos(((now.nanos() >> kShift) + ahead) << kShift);
  }

 private:
  static constexpr int kShift = 16;
  static constexpr uint32_t kNever = 0;  // a deadline that would be 0 is 1

  static constexpr uint32_t Floor(Instant t) { return static_cast<uint32_t>(t.nanos() >> kShift); }
  static constexpr uint32_t Round(Instant t) {
    const auto ticks = static_cast<uint32_t>((t.nanos() + ((1 << kShift) - 1)) >> kShift);
    return ticks != kNever ? ticks : 1;
  }

  uint32_t ticks_ = kNever;
};

// Something that has happened, in units of 2^20 ns (1.05 ms), and how long ago: to a unit, and
// right for 52 days.
class PastInstant {
 public:
  constexpr PastInstant() = default;  // it has not happened
  constexpr PastInstant(Instant at) : units_(Units(at)) {}

  constexpr bool never() const { return units_ == kNever; }
  friend constexpr Duration operator-(Instant now, PastInstant past) {
    return Duration::Nanos(int64_t{Units(now) - past.units_} << kShift);
  }
  // It was before `at`, or in the same unit; right when they lie within 26 days.
  constexpr bool Before(Instant at) const { return static_cast<int32_t>(Units(at) - units_) >= 0; }

 private:
  static constexpr int kShift = 20;
  static constexpr uint32_t kNever = 0;

  static constexpr uint32_t Units(Instant t) {
    const auto units = static_cast<uint32_t>(t.nanos() >> kShift);
    return units != kNever ? units : 1;
  }

  uint32_t units_ = kNever;
};

// A point of a curve over time, past or to come, in units of 2^20 ns: right to a unit, while it
// lies within 26 days of now.
class CurvePoint {
 public:
  constexpr CurvePoint() = default;  // there is no curve
  constexpr CurvePoint(Instant at) : units_(static_cast<uint32_t>(at.nanos() >> kShift)) {
    if (units_ == kNever) units_ = 1;
  }

  constexpr bool never() const { return units_ == kNever; }
  // Negative: it is to come.
  friend constexpr Duration operator-(Instant now, CurvePoint at) {
    const auto since = static_cast<uint32_t>(now.nanos() >> kShift) - at.units_;
    return Duration::Nanos(int64_t{static_cast<int32_t>(since)} << kShift);
  }
  constexpr void Shift(Duration by) {
    units_ += static_cast<uint32_t>(by.nanos() >> kShift);
    if (units_ == kNever) units_ = 1;
  }

 private:
  static constexpr int kShift = 20;
  static constexpr uint32_t kNever = 0;
  uint32_t units_ = kNever;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SHORT_TIME_H_
