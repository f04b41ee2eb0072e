// LockedStack<T>: what several workers share behind their own caches: free packets. One lock per
// batch of 64, never per packet; the lock is held for a copy of a few pointers.
#ifndef MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_
#define MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_

#include <mutex>
#include <vector>

namespace meltemi::shared {

template <typename T>
class LockedStack {
 public:
  void PushAll(const T* values, int count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.insert(values_.end(), values, values + count);
  }
  int PopUpTo(T* values, int count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int taken = 0;
    for (; taken < count && !values_.empty(); ++taken) {
      values[taken] = values_.back();
      values_.pop_back();
    }
    return taken;
  }

 private:
  std::mutex mutex_;
  std::vector<T> values_;
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_LOCKED_STACK_H_
