// Quota: so many of something that several workers take from. One atomic, touched once per thing
// made: packets are made once and kept. Any thread.
#ifndef MELTEMI_DATAPLANE_SHARED_QUOTA_H_
#define MELTEMI_DATAPLANE_SHARED_QUOTA_H_

#include <atomic>
#include <cstdint>

namespace meltemi::shared {

class Quota {
 public:
  void Set(uint32_t count) { left_.store(count, std::memory_order_relaxed); }
  // False: none is left.
  bool Take() {
    uint32_t left = left_.load(std::memory_order_relaxed);
    while (left > 0) {
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  uint32_t left() const { return left_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> left_{0};
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_QUOTA_H_
