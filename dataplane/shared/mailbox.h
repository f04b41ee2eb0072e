// Mailbox<T>: a bounded queue from exactly one thread to exactly one other (SPSC ring, Lamport
// 1983, with each side's index cached by the other). Push on the sender's thread, Pop on the
// receiver's. Full: Push returns false and leaves the value where it was; the sender counts it.
#ifndef MELTEMI_DATAPLANE_SHARED_MAILBOX_H_
#define MELTEMI_DATAPLANE_SHARED_MAILBOX_H_

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "l7/base/check.h"

namespace meltemi::shared {

template <typename T>
class Mailbox {
 public:
  explicit Mailbox(size_t capacity) : slots_(capacity) {
    CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Sender.
  bool Push(T&& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ == slots_.size()) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ == slots_.size()) return false;
    }
    slots_[tail & (slots_.size() - 1)] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Receiver. False when empty.
  bool Pop(T* value) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return false;
    }
    *value = std::move(slots_[head & (slots_.size() - 1)]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  // Receiver: exact for it, a hint for others.
  bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
  std::vector<T> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  size_t tail_seen_ = 0;  // receiver's copy
  alignas(64) std::atomic<size_t> tail_{0};
  size_t head_seen_ = 0;  // sender's copy
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_MAILBOX_H_
