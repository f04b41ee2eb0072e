// SharedCell: a number that all workers of a node read and write: a verdict about a host, a count
// that has a limit for the whole node. What is done with it stands in
// l7/cluster/board.h. Any thread. Nothing else is ordered by it: no worker reads another's memory
// because of what a cell said.
#ifndef MELTEMI_L7_BASE_SHARED_CELL_H_
#define MELTEMI_L7_BASE_SHARED_CELL_H_

#include <atomic>
#include <cstdint>

namespace meltemi {

class SharedCell {
 public:
  explicit SharedCell(uint32_t value = 0) : value_(value) {}
  SharedCell(const SharedCell&) = delete;
  SharedCell& operator=(const SharedCell&) = delete;

  uint32_t Load() const { return value_.load(std::memory_order_acquire); }
  void Store(uint32_t value) { value_.store(value, std::memory_order_release); }
  // What it is afterwards.
  uint32_t Add(uint32_t n) { return value_.fetch_add(n, std::memory_order_acq_rel) + n; }
  uint32_t Subtract(uint32_t n) { return value_.fetch_sub(n, std::memory_order_acq_rel) - n; }
  // One more, unless there are `limit` already. False: there are.
  bool AddBelow(uint32_t limit) {
    uint32_t seen = value_.load(std::memory_order_relaxed);
    do {
      if (seen >= limit) return false;
    } while (!value_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
    return true;
  }
  // Of bits. True: this call has changed something.
  bool Set(uint32_t bits) {
    return (value_.fetch_or(bits, std::memory_order_acq_rel) & bits) != bits;
  }
  bool Clear(uint32_t bits) {
    return (value_.fetch_and(~bits, std::memory_order_acq_rel) & bits) != 0;
  }

 private:
  std::atomic<uint32_t> value_;
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_SHARED_CELL_H_
