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
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

// Part of the sanitizer's runtime, in none of its headers.
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// The library's definition of a member function, by its mangled name without the namespaces.
template <typename Function>
Function Next(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) abort();  // another version of Abseil: the names below are to be adapted
  return reinterpret_cast<Function>(found);
}

// Reads in the library are not looked at: a thread that unlocks evaluates the conditions of those
// who wait, on their stacks. The mutex orders that, but between the two words we say about it.
class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Function, typename... Args>
auto Call(Function next, Args&&... args) {
  const IgnoreReads ignore;
  return next(std::forward<Args>(args)...);
}

}  // namespace

// What these libraries do with memcpy and the like is not looked at: the sanitizer sees those calls
// but not the spin locks and atomics around them (the deadlock detector of absl::Mutex, gRPC's
// slices and timers). The others make the memory of gRPC's errors, counted by reference, which its
// threads hand on by such means. What counts is who makes the call or the memory: never our code.
// gRPC polls on whatever thread waits: a client's may make a server's call, which a server's thread
// then works on, handed over by a queue without locks: of gRPC's own code in headers, which stands
// at the top of the stack.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libabsl_graphcycles_internal.so\n"
         "called_from_lib:libabsl_synchronization.so\n"
         "called_from_lib:libgpr.so\n"
         "called_from_lib:libgrpc.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libprotobuf.so\n"
         "called_from_lib:libupb.so\n"
         "race:libabsl_status.so\n"
         "race:libabsl_cord.so\n"
         "race_top:grpc::\n"
         "race:grpc::internal::FillMetadataArray\n";
}

// The inline namespace of Debian's Abseil 20220623.
#define ABSL_MUTEX(method) "_ZN4absl7debian35Mutex" method
#define ABSL_CONDVAR(method) "_ZN4absl7debian37CondVar" method

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("4LockEv"));
  Call(next, this);
  __tsan_acquire(this);
}
void Mutex::Unlock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("6UnlockEv"));
  __tsan_release(this);
  Call(next, this);
}
bool Mutex::TryLock() {
  static const auto next = Next<bool (*)(Mutex*)>(ABSL_MUTEX("7TryLockEv"));
  const bool locked = Call(next, this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::ReaderLock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("10ReaderLockEv"));
  Call(next, this);
  __tsan_acquire(this);
}
void Mutex::ReaderUnlock() {
  static const auto next = Next<void (*)(Mutex*)>(ABSL_MUTEX("12ReaderUnlockEv"));
  __tsan_release(this);
  Call(next, this);
}
void Mutex::Await(const Condition& condition) {
  static const auto next =
      Next<void (*)(Mutex*, const Condition&)>(ABSL_MUTEX("5AwaitERKNS0_9ConditionE"));
  __tsan_release(this);
  Call(next, this, condition);
  __tsan_acquire(this);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Duration)>(
      ABSL_MUTEX("16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"));
  __tsan_release(this);
  const bool held = Call(next, this, condition, timeout);
  __tsan_acquire(this);
  return held;
}
void CondVar::Wait(Mutex* mutex) {
  static const auto next = Next<void (*)(CondVar*, Mutex*)>(ABSL_CONDVAR("4WaitEPNS0_5MutexE"));
  __tsan_release(mutex);
  Call(next, this, mutex);
  __tsan_acquire(mutex);
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      ABSL_CONDVAR("15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"));
  __tsan_release(mutex);
  const bool timed_out = Call(next, this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
