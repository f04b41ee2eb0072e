// Meter: what the code under measurement asks of the machine: heap calls, heap bytes, bytes copied.
//
// meter.cc replaces malloc, memcpy and their kin for the whole program it is linked into, and
// counts while the meter runs. That cannot be handed down as a parameter: the one meter is a
// global, and this the only place that has one. Single thread. Copies of a fixed small size become
// instructions and are not seen; what a budget is about, bytes of messages, is never of a fixed
// size.
#ifndef MELTEMI_BENCH_BUDGET_METER_H_
#define MELTEMI_BENCH_BUDGET_METER_H_

#include <cstdint>

namespace meltemi::budget {

struct Meter {
  bool running = false;
  uint64_t allocations = 0;
  // Of blocks taken while running and not given back since, as glibc's malloc rounds them.
  int64_t live_bytes = 0;
  uint64_t copied_bytes = 0;
};

Meter& TheMeter();
// Stopped, all zero; what was taken before counts no more, also when it is given back.
void ResetMeter();

// False under a sanitizer, which has replaced malloc itself: nothing is counted then.
bool MeterWorks();

}  // namespace meltemi::budget

#endif  // MELTEMI_BENCH_BUDGET_METER_H_
