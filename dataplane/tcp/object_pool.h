// ObjectPool<T>: objects that a connection needs only now and then (loss state, reassembly queue).
// Grows by blocks and keeps them: after warm-up no heap. Single thread. Bound: `capacity`.
#ifndef MELTEMI_DATAPLANE_TCP_OBJECT_POOL_H_
#define MELTEMI_DATAPLANE_TCP_OBJECT_POOL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "l7/base/check.h"

namespace meltemi::tcp {

template <typename T>
class ObjectPool {
 public:
  explicit ObjectPool(uint32_t capacity) : capacity_(capacity) {}
  ~ObjectPool() { CHECK(free_.size() == made_); }
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;

  // Null when all are out. The object is as its last user left it: reset it.
  T* Take() {
    if (free_.empty() && !Grow()) return nullptr;
    T* object = free_.back();
    free_.pop_back();
    return object;
  }
  void Give(T* object) { free_.push_back(object); }

 private:
  static constexpr uint32_t kBlock = 16;

  bool Grow() {
    if (made_ >= capacity_) return false;
    blocks_.push_back(std::make_unique<T[]>(kBlock));
    made_ += kBlock;
    free_.reserve(made_);
    for (uint32_t i = kBlock; i-- > 0;) free_.push_back(&blocks_.back()[i]);
    return true;
  }

  const uint32_t capacity_;
  uint32_t made_ = 0;
  std::vector<T*> free_;
  std::vector<std::unique_ptr<T[]>> blocks_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_OBJECT_POOL_H_
