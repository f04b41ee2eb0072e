// Doorbell: wakes one sleeping thread. Its owner arms it before it sleeps in epoll on fd(), looks
// at its queues once more, and disarms it after. Anyone rings after putting something into a queue:
// the system call is made only when the owner sleeps (Dekker: the flag is stored and the queues are
// read in one total order on both sides).
#ifndef MELTEMI_DATAPLANE_SHARED_DOORBELL_H_
#define MELTEMI_DATAPLANE_SHARED_DOORBELL_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "l7/base/check.h"

namespace meltemi::shared {

class Doorbell {
 public:
  Doorbell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CHECK(fd_ >= 0); }
  ~Doorbell() { close(fd_); }
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  int fd() const { return fd_; }

  // Owner.
  void Arm() {
    sleeping_.store(true, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void Disarm() {
    sleeping_.store(false, std::memory_order_relaxed);
    uint64_t count = 0;
    // EAGAIN: nobody rang.
    [[maybe_unused]] const ssize_t n = read(fd_, &count, sizeof(count));
  }

  // Anyone else, after the queue was written.
  void Ring() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!sleeping_.load(std::memory_order_seq_cst)) return;
    const uint64_t one = 1;
    // A full counter means that it has been rung already.
    [[maybe_unused]] const ssize_t n = write(fd_, &one, sizeof(one));
  }

 private:
  const int fd_;
  alignas(64) std::atomic<bool> sleeping_{false};
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_DOORBELL_H_
