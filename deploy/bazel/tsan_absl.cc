// What ThreadSanitizer must be told about the libraries that Debian ships without its
// instrumentation. Linked into every test of `--config=tsan`, and into nothing else.
//
// absl::Mutex lives in such a library: its waiting and waking is done with atomics that the
// sanitizer does not see, so everything it guards would be reported. These definitions stand before
// the library's (the executable's symbols win), also for gRPC, whose threads hand over their work
// under the same mutexes. Each calls the library's and says what has been ordered by it.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

// The library's definition of a member function, by its mangled name without the namespaces.
template <typename Function>
Function Next(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) abort();  // another version of Abseil: the names below are to be adapted
  return reinterpret_cast<Function>(found);
}

}  // namespace

// The inline namespace of Debian's Abseil 20220623.
#define ABSL_MUTEX(method) "_ZN4absl7debian35Mutex" method
#define ABSL_CONDVAR(method) "_ZN4absl7debian37CondVar" method

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("4LockEv"));
  next(this);
  __tsan_acquire(this);
}
void Mutex::Unlock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("6UnlockEv"));
  __tsan_release(this);
  next(this);
}
bool Mutex::TryLock() {
  static const auto next = Next<bool (*)(Mutex*)>(ABSL_MUTEX("7TryLockEv"));
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::ReaderLock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("10ReaderLockEv"));
  next(this);
  __tsan_acquire(this);
}
void Mutex::ReaderUnlock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("12ReaderUnlockEv"));
  __tsan_release(this);
  next(this);
}
void Mutex::Await(const Condition& condition) {
  static const auto next =
      Next<void (*)(Mutex*, const Condition&)>(ABSL_MUTEX("5AwaitERKNS0_9ConditionE"));
  __tsan_release(this);
  next(this, condition);
  __tsan_acquire(this);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Duration)>(
      ABSL_MUTEX("16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"));
  __tsan_release(this);
  const bool held = next(this, condition, timeout);
  __tsan_acquire(this);
  return held;
}
void CondVar::Wait(Mutex* mutex) {
  static const auto next = Next<void (*)(CondVar*, Mutex*)>(ABSL_CONDVAR("4WaitEPNS0_5MutexE"));
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      ABSL_CONDVAR("15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"));
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
