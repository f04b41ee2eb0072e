#include "l7/base/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace meltemi {
namespace {

// Level l covers 256^(l+1) ticks; a slot of it 256^l.
constexpr int LevelShift(int level) { return 8 * level; }
constexpr int64_t kHorizonTicks = int64_t{1} << 32;

}  // namespace

TimerWheel::TimerWheel(Instant now) : tick_(now.nanos() >> kTickShift) {
  for (auto& level : heads_) {
    for (TimerLink& head : level) head.prev = head.next = &head;
  }
}

void TimerWheel::Schedule(Timer* timer, Instant deadline) {
  if (timer->pending()) {
    Unlink(timer);
    --size_;
  }
  timer->deadline = deadline;
  if (deadline.never()) return;
  // Round up: never early.
  const int64_t nanos = std::max<int64_t>(deadline.nanos(), 0);
  const int64_t tick = (nanos >> kTickShift) + ((nanos & ((1 << kTickShift) - 1)) != 0);
  Link(timer, tick);
  ++size_;
}

void TimerWheel::Cancel(Timer* timer) {
  if (!timer->pending()) return;
  Unlink(timer);
  --size_;
  timer->deadline = Instant::Never();
}

// Level 0 holds ticks that share all but the low 8 bits with tick_, level 1 all but the low 16 ...:
// so that a slot's index never wraps past the current position.
void TimerWheel::Link(Timer* timer, int64_t tick) {
  tick = std::clamp(tick, tick_, tick_ + kHorizonTicks - (int64_t{1} << LevelShift(3)));
  int level = 0;
  while (level < kLevels - 1 &&
         (tick >> LevelShift(level + 1)) != (tick_ >> LevelShift(level + 1))) {
    ++level;
  }
  const int slot = static_cast<int>(tick >> LevelShift(level)) & (kSlots - 1);
  timer->slot = static_cast<uint16_t>(level << 8 | slot);
  TimerLink& head = heads_[level][slot];
  timer->prev = head.prev;
  timer->next = &head;
  head.prev->next = timer;
  head.prev = timer;
  armed_[level][slot >> 6] |= uint64_t{1} << (slot & 63);
}

void TimerWheel::Unlink(Timer* timer) {
  timer->prev->next = timer->next;
  timer->next->prev = timer->prev;
  const int level = timer->slot >> 8;
  const int slot = timer->slot & (kSlots - 1);
  const TimerLink& head = heads_[level][slot];
  if (head.next == &head) armed_[level][slot >> 6] &= ~(uint64_t{1} << (slot & 63));
  timer->prev = timer->next = nullptr;
}

int TimerWheel::NextArmed(int level, int from) const {
  for (int distance = 0; distance < kSlots;) {
    const int slot = (from + distance) & (kSlots - 1);
    const uint64_t word = armed_[level][slot >> 6] >> (slot & 63);
    if (word != 0) {
      const int found = distance + std::countr_zero(word);
      return found < kSlots ? found : -1;
    }
    distance += 64 - (slot & 63);
  }
  return -1;
}

int64_t TimerWheel::NextTick() const {
  int64_t best = INT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    const int64_t position = tick_ >> LevelShift(level);
    const int distance = NextArmed(level, static_cast<int>(position) & (kSlots - 1));
    if (distance < 0) continue;
    // Slots of a higher level begin with tick: its first tick, at which it is cascaded.
    best = std::min(best, std::max(tick_, (position + distance) << LevelShift(level)));
  }
  return best;
}

Instant TimerWheel::NextDeadline() const {
  const int64_t tick = NextTick();
  if (tick == INT64_MAX) return Instant::Never();
  return Instant::FromNanos(tick << kTickShift);
}

// Moves the timers of the current slot of `level` to lower levels.
void TimerWheel::Cascade(int level) {
  const int slot = static_cast<int>(tick_ >> LevelShift(level)) & (kSlots - 1);
  if (!AnyArmed(level, slot)) return;
  TimerLink& head = heads_[level][slot];
  TimerLink* link = head.next;
  head.prev->next = nullptr;  // the detached list ends in null
  head.prev = head.next = &head;
  armed_[level][slot >> 6] &= ~(uint64_t{1} << (slot & 63));
  while (link != nullptr) {
    auto* timer = static_cast<Timer*>(link);
    link = link->next;
    const int64_t nanos = timer->deadline.nanos();
    Link(timer, (nanos >> kTickShift) + ((nanos & ((1 << kTickShift) - 1)) != 0));
  }
}

Timer* TimerWheel::PopExpired(Instant now) {
  const int64_t now_tick = now.nanos() >> kTickShift;
  while (true) {
    const int64_t next = NextTick();
    if (next > now_tick) {  // every armed slot begins later: moving on enters none of them
      tick_ = std::max(tick_, now_tick);
      return nullptr;
    }
    tick_ = next;
    for (int level = kLevels - 1; level > 0; --level) Cascade(level);
    TimerLink& head = heads_[0][tick_ & (kSlots - 1)];
    if (head.next == &head) continue;
    auto* timer = static_cast<Timer*>(head.next);
    Unlink(timer);
    --size_;
    return timer;
  }
}

}  // namespace meltemi
