// ReadyQueue: the connections that have something to send, first in, first out, each once. A ring
// of their names: whoever joins touches no neighbour, and to be in it costs a connection nothing.
// One leaves when it comes first. One that ends before stays as a name that means nothing any more,
// and is passed over. Single thread. Bound: when all places are taken, such names go, and the ring
// doubles if they were few: it holds at most four times as many as have waited at once, or 256.
#ifndef MELTEMI_DATAPLANE_TCP_READY_QUEUE_H_
#define MELTEMI_DATAPLANE_TCP_READY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "l7/base/check.h"
#include "l7/base/slot_map.h"

namespace meltemi::tcp {

template <typename T, typename H>
class ReadyQueue {
 public:
  static constexpr uint32_t kPlacesMin = 256;

  // Of values of `all`.
  explicit ReadyQueue(SlotMap<T, H>* all)
      : all_(all), mask_(kPlacesMin - 1), names_(std::make_unique<H[]>(kPlacesMin)) {}

  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  size_t capacity() const { return size_t{mask_} + 1; }

  // It is not in the queue.
  void Push(H name) {
    if (tail_ - head_ > mask_) MakeRoom();
    names_[tail_++ & mask_] = name;
    ++count_;
  }
  // The one that has waited longest; not when empty.
  T* Pop() {
    CHECK(count_ > 0);
    --count_;
    for (;;) {
      T* value = all_->Find(names_[head_++ & mask_]);
      if (value != nullptr) return value;
    }
  }
  // One of those in it ends.
  void Leave() {
    if (--count_ == 0) head_ = tail_;
  }

 private:
  [[gnu::noinline]] void MakeRoom() {
    uint32_t end = head_;
    for (uint32_t place = head_; place != tail_; ++place) {
      const H name = names_[place & mask_];
      if (all_->Find(name) != nullptr) names_[end++ & mask_] = name;
    }
    tail_ = end;
    if (count_ <= capacity() / 2) return;
    const uint32_t mask = 2 * mask_ + 1;
    auto larger = std::make_unique<H[]>(size_t{mask} + 1);
    for (uint32_t place = head_; place != tail_; ++place) {
      larger[place & mask] = names_[place & mask_];
    }
    names_ = std::move(larger);
    mask_ = mask;
  }

  SlotMap<T, H>* const all_;
  uint32_t mask_;  // a power of two less one
  uint32_t head_ = 0, tail_ = 0;
  uint32_t count_ = 0;  // names that mean something
  std::unique_ptr<H[]> names_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_READY_QUEUE_H_
