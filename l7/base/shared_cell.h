// SharedNumber, SharedCell: a number that all workers of a node read and write: a verdict about a
// host, a count that has a limit for the whole node. What is done with it stands in
// l7/cluster/board.h. Any thread. Nothing else is ordered by it: no worker reads another's memory
// because of what a cell said.
#ifndef MELTEMI_L7_BASE_SHARED_CELL_H_
#define MELTEMI_L7_BASE_SHARED_CELL_H_

#include <atomic>
#include <cstdint>

namespace meltemi {

template <typename T>
class SharedNumber {
 public:
  explicit SharedNumber(T value = 0) : value_(value) {}
  SharedNumber(const SharedNumber&) = delete;
  SharedNumber& operator=(const SharedNumber&) = delete;

  T Load() const { return value_.load(std::memory_order_acquire); }
  void Store(T value) { value_.store(value, std::memory_order_release); }
  // What it was.
  T Exchange(T value) { return value_.exchange(value, std::memory_order_acq_rel); }
  // What it is afterwards.
  T Add(T n) { return value_.fetch_add(n, std::memory_order_acq_rel) + n; }
  T Subtract(T n) { return value_.fetch_sub(n, std::memory_order_acq_rel) - n; }
  // One more, unless there are `limit` already. False: there are.
  bool AddBelow(T limit) {
    T seen = value_.load(std::memory_order_relaxed);
    do {
      if (seen >= limit) return false;
    } while (!value_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
    return true;
  }
  // One more; the one that makes `limit` is told (true), and it begins anew at 0.
  bool CountTo(T limit) {
    T seen = value_.load(std::memory_order_relaxed);
    T next = 0;
    do {
      next = seen + 1 >= limit ? 0 : seen + 1;
    } while (!value_.compare_exchange_weak(seen, next, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
    return next == 0;
  }
  // Of bits. True: this call has changed something.
  bool Set(T bits) { return (value_.fetch_or(bits, std::memory_order_acq_rel) & bits) != bits; }
  bool Clear(T bits) { return (value_.fetch_and(~bits, std::memory_order_acq_rel) & bits) != 0; }

 private:
  std::atomic<T> value_;
};

using SharedCell = SharedNumber<uint32_t>;

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_SHARED_CELL_H_
