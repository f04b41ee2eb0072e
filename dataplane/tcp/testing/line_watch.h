// LineWatch: which cache lines of given objects a piece of code touches, exactly, on x86-64 Linux:
// their pages are closed, each access faults, is noted, and runs as a single step with the pages
// open. Whatever makes the access is seen: inlined code, memcpy, a timer wheel. Not seen: a
// prefetch, and of one instruction all but its first access (an access across two lines counts as
// its first one; members do not lie across lines).
//
// One at a time in a process, one thread: signal handlers have no other state than a static one.
#ifndef MELTEMI_DATAPLANE_TCP_TESTING_LINE_WATCH_H_
#define MELTEMI_DATAPLANE_TCP_TESTING_LINE_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace meltemi::tcp::testing {

class LineWatch {
 public:
  static constexpr size_t kLineBytes = 64;

  // Of each object the first `object_bytes`: at most 64 lines. Objects begin at a line.
  LineWatch(std::vector<const void*> objects, size_t object_bytes);
  ~LineWatch();
  LineWatch(const LineWatch&) = delete;
  LineWatch& operator=(const LineWatch&) = delete;

  void Start();
  void Stop();
  // Of the object at `index`, bit n: line n was touched between Start and Stop, since Forget.
  uint64_t lines(size_t index) const;
  void Forget();
};

}  // namespace meltemi::tcp::testing

#endif  // MELTEMI_DATAPLANE_TCP_TESTING_LINE_WATCH_H_
