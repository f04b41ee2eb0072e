// Latest<T>: a value that a control thread replaces now and then, and workers copy when it has
// changed. For a worker nothing but one load as long as it has not.
//
// Any control thread writes (Set). Workers read version() once a turn and Get() after a change; the
// lock is held for the copy, so T is small to copy (a reference count). What was Set before a
// snapshot was published is seen by whoever has that snapshot.
#ifndef MELTEMI_DATAPLANE_SHARED_LATEST_H_
#define MELTEMI_DATAPLANE_SHARED_LATEST_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace meltemi::shared {

template <typename T>
class Latest {
 public:
  void Set(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(value_, value);  // the old one is freed after the lock
    version_.fetch_add(1, std::memory_order_release);
  }
  // 0 before the first Set.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  T Get() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::atomic<uint64_t> version_{0};
  T value_{};
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_LATEST_H_
