// How a process of ours is told to end.
#ifndef MELTEMI_CONTROL_COMMON_SIGNALS_H_
#define MELTEMI_CONTROL_COMMON_SIGNALS_H_

#include <signal.h>

#include <initializer_list>

namespace meltemi::control::common {

// The set, blocked in this thread: call it before any other starts, so that all inherit it and only
// the one in sigwait(3) gets them, those that came before it too. SIGPIPE is ignored: a write to
// who is gone fails instead.
sigset_t BlockSignals(std::initializer_list<int> numbers);

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_SIGNALS_H_
