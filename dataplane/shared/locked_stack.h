// LockedStack<T>: what several workers share behind their own caches: free packets. One lock per
// batch of 64, never per packet; the lock is held for a copy of a few pointers.
#ifndef MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_
#define MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_

#include <atomic>
#include <mutex>
#include <vector>

namespace meltemi::shared {

template <typename T>
class LockedStack {
 public:
  void PushAll(const T* values, int count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.insert(values_.end(), values, values + count);
    size_.store(values_.size(), std::memory_order_relaxed);
  }
  int PopUpTo(T* values, int count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int taken = 0;
    for (; taken < count && !values_.empty(); ++taken) {
      values[taken] = values_.back();
      values_.pop_back();
    }
    size_.store(values_.size(), std::memory_order_relaxed);
    return taken;
  }
  // What another thread does meanwhile may or may not be in it.
  size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::vector<T> values_;
  std::atomic<size_t> size_{0};
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_
