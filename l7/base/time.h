// Instant and Duration: the only types of time. Nothing in l7/ or dataplane/ reads a clock: `now`
// is a parameter, given by the worker's loop in production and by the virtual clock in simulations.
//
// An Instant counts nanoseconds since an origin that the process chooses (CLOCK_MONOTONIC's in
// production, 0 in simulations). Range: 292 years.
#ifndef MELTEMI_L7_BASE_TIME_H_
#define MELTEMI_L7_BASE_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>

namespace meltemi {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration Nanos(int64_t n) { return Duration(n); }
  static constexpr Duration Micros(int64_t n) { return Duration(n * 1000); }
  static constexpr Duration Millis(int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration Seconds(int64_t n) { return Duration(n * 1'000'000'000); }
  static constexpr Duration Max() { return Duration(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr int64_t micros() const { return nanos_ / 1000; }
  constexpr int64_t millis() const { return nanos_ / 1'000'000; }
  constexpr double seconds() const { return static_cast<double>(nanos_) * 1e-9; }
  constexpr bool zero() const { return nanos_ == 0; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return Duration(nanos_ + other.nanos_); }
  constexpr Duration operator-(Duration other) const { return Duration(nanos_ - other.nanos_); }
  constexpr Duration operator*(int64_t factor) const { return Duration(nanos_ * factor); }
  constexpr Duration operator/(int64_t divisor) const { return Duration(nanos_ / divisor); }

 private:
  explicit constexpr Duration(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t nanos) { return Instant(nanos); }
  // Later than every deadline: "no timer".
  static constexpr Instant Never() { return Instant(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr bool never() const { return nanos_ == std::numeric_limits<int64_t>::max(); }

  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Duration operator-(Instant other) const {
    return Duration::Nanos(nanos_ - other.nanos_);
  }
  // Saturates at Never(), so that "now + unlimited" is no deadline at all.
  constexpr Instant operator+(Duration d) const {
    int64_t sum = 0;
    return __builtin_add_overflow(nanos_, d.nanos(), &sum) ? Never() : Instant(sum);
  }
  constexpr Instant operator-(Duration d) const { return Instant(nanos_ - d.nanos()); }

 private:
  explicit constexpr Instant(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

// Wall time in seconds since 1970, for what is valid until a date. It may jump; an Instant does
// not.
struct UnixTime {
  int64_t seconds = 0;
  constexpr auto operator<=>(const UnixTime&) const = default;
};

// What turns an Instant into a date: wall time in nanoseconds since 1970 = instant + offset.
// Another one comes when the time of day was set.
struct WallClock {
  int64_t offset_nanos = 0;
  constexpr int64_t UnixNanos(Instant t) const { return t.nanos() + offset_nanos; }
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_TIME_H_
