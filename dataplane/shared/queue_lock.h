// QueueLock: several workers that send into one queue of a driver that knows no threads. Held for
// one burst; a device with a queue for every worker needs none.
#ifndef MELTEMI_DATAPLANE_SHARED_QUEUE_LOCK_H_
#define MELTEMI_DATAPLANE_SHARED_QUEUE_LOCK_H_

#include <mutex>

namespace meltemi::shared {

class QueueLock {
 public:
  // Runs `burst` while no other worker is in here.
  template <typename Burst>
  auto Run(Burst burst) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return burst();
  }

 private:
  std::mutex mutex_;
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_QUEUE_LOCK_H_
