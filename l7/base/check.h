// CHECK: a condition whose failure is our own bug. It prints the place and stops the process; it is
// never used for a peer's bytes or a user's configuration (those get a verdict or a Status).
#ifndef MELTEMI_L7_BASE_CHECK_H_
#define MELTEMI_L7_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace meltemi {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace meltemi

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::meltemi::CheckFailed(#condition, __FILE__, __LINE__))

#endif  // MELTEMI_L7_BASE_CHECK_H_
