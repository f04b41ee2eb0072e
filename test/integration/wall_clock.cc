// A wall clock that a test can move: preloaded into processes (LD_PRELOAD), it adds a number of
// seconds to what they read as the time of day. The number is in a file that all of them map, so
// that a whole mesh jumps at one moment, as machines do that were suspended or set by hand.
//
//   MELTEMI_WALL_CLOCK=FILE    eight bytes: seconds to add, a signed number as the machine has them
//
// What is moved: clock_gettime(CLOCK_REALTIME), gettimeofday and time, which OpenSSL, gRPC and
// Abseil read; and back again where such a time is given to the kernel as the end of a wait
// (Abseil's futex). A wait that is under way at the jump lasts as long as before. The steady clock
// stays as it is: that one never jumps.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>

namespace {

using Seconds = std::atomic<int64_t>;
static_assert(Seconds::is_always_lock_free);

// The mapped number; a zero of our own without a file. Global because the C library's functions
// have no other place for it: set once, before main, never changed.
const Seconds* MapNumber() {
  static const Seconds zero{0};
  const char* path = std::getenv("MELTEMI_WALL_CLOCK");
  if (path == nullptr) return &zero;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  void* at = mmap(nullptr, sizeof(Seconds), PROT_READ, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) abort();  // a test that believes in a jump would test nothing
  close(file);
  return static_cast<const Seconds*>(at);
}

int64_t Added() {
  static const Seconds* const number = MapNumber();
  return number->load(std::memory_order_relaxed);
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// A futex whose wait ends at a time of day.
bool WaitsByWallClock(long number, long operation) {
  return number == SYS_futex && (operation & FUTEX_CLOCK_REALTIME) != 0;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  static auto* const real = Real<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, out);
  if (result == 0 && clock == CLOCK_REALTIME) out->tv_sec += Added();
  return result;
}

int gettimeofday(timeval* out, void* zone) noexcept {
  static auto* const real = Real<int(timeval*, void*)>("gettimeofday");
  const int result = real(out, zone);
  if (result == 0) out->tv_sec += Added();
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

long syscall(long number, ...) noexcept {
  static auto* const real = Real<long(long, ...)>("syscall");
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  timespec until{};
  const auto* given = reinterpret_cast<const timespec*>(a[3]);
  if (WaitsByWallClock(number, a[1]) && given != nullptr) {
    until = *given;
    until.tv_sec -= Added();
    a[3] = reinterpret_cast<long>(&until);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"
