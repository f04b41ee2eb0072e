// TimerWheel: the one source of deadlines of a worker, shared by TCP, IP and L7. A hierarchical
// timing wheel (Varghese and Lauck 1987): 4 levels of 256 slots, tick 2^16 ns (65.5 us), horizon 78
// h (later deadlines wait in the last slot and are put back when it comes round).
//
// Owns nothing: a Timer is a member of its owner's struct and must be cancelled before it dies
// (~Timer checks). A timer fires at most one tick late and never early. Schedule and Cancel are
// O(1). Thread: its worker's. Firing calls nobody back: the caller's function gets the timer's
// owner, kind and subject and decides.
#ifndef MELTEMI_L7_BASE_TIMER_WHEEL_H_
#define MELTEMI_L7_BASE_TIMER_WHEEL_H_

#include <array>
#include <cstdint>

#include "l7/base/check.h"
#include "l7/base/time.h"

namespace meltemi {

enum class TimerOwner : uint8_t { kIp, kTcp, kUdp, kTls, kL7, kWorker };

struct TimerLink {
  TimerLink* prev = nullptr;
  TimerLink* next = nullptr;
};

struct Timer : TimerLink {
  Timer(TimerOwner owner_in, uint8_t kind_in, uint64_t subject_in = 0)
      : owner(owner_in), kind(kind_in), subject(subject_in) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { CHECK(!pending()); }

  bool pending() const { return prev != nullptr; }

  TimerOwner owner;
  uint8_t kind;  // meaning private to the owner
  uint16_t slot = 0;
  uint64_t subject;  // a handle's bits
  Instant deadline = Instant::Never();
};

class TimerWheel {
 public:
  explicit TimerWheel(Instant now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // (Re)arms: a pending timer moves. Never() cancels.
  void Schedule(Timer* timer, Instant deadline);
  void Cancel(Timer* timer);

  // Fires all timers with deadline <= now, in order of tick, then of arming: f(Timer&). The timer
  // is no longer pending when f sees it; f may schedule and cancel any timer.
  template <typename F>
  void Advance(Instant now, F&& f) {
    while (Timer* timer = PopExpired(now)) f(*timer);
  }

  // No timer fires before this; exact to one tick. Never() when nothing is armed.
  Instant NextDeadline() const;
  uint32_t size() const { return size_; }

 private:
  static constexpr int kTickShift = 16;
  static constexpr int kLevels = 4;
  static constexpr int kSlots = 256;

  Timer* PopExpired(Instant now);
  void Link(Timer* timer, int64_t tick);
  void Cascade(int level);
  void Unlink(Timer* timer);
  int64_t NextTick() const;  // of the next armed slot of any level; INT64_MAX when none
  bool AnyArmed(int level, int slot) const { return armed_[level][slot >> 6] >> (slot & 63) & 1; }
  int NextArmed(int level, int from) const;  // circular distance 0..255 or -1

  int64_t tick_;  // every timer of an earlier tick has fired
  uint32_t size_ = 0;
  std::array<std::array<TimerLink, kSlots>, kLevels> heads_;
  std::array<std::array<uint64_t, kSlots / 64>, kLevels> armed_{};
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_TIMER_WHEEL_H_
