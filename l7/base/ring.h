// Ring<T>: a bounded FIFO of one thread, its capacity a power of two given at construction.
#ifndef MELTEMI_L7_BASE_RING_H_
#define MELTEMI_L7_BASE_RING_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "l7/base/check.h"

namespace meltemi {

template <typename T>
class Ring {
 public:
  explicit Ring(size_t capacity) : slots_(capacity) {
    CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
  }
  // False when full: the caller counts it.
  bool Push(T value) {
    if (full()) return false;
    slots_[(head_ + size_++) & (slots_.size() - 1)] = std::move(value);
    return true;
  }
  T Pop() {
    CHECK(size_ > 0);
    T value = std::move(slots_[head_]);
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }
  T& Front() {
    CHECK(size_ > 0);
    return slots_[head_];
  }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == slots_.size(); }
  size_t size() const { return size_; }
  size_t capacity() const { return slots_.size(); }

 private:
  std::vector<T> slots_;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_RING_H_
