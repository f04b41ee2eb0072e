// WaitQueue: connections that wait for something, first in, first out, and leave when they like:
// those whose ACK is delayed. An array beside the connections instead of a list through them:
// whoever joins or leaves touches no neighbour, and what it costs a connection is four bytes, its
// place.
//
//   head_ .. x  .  x  x  .  x .. tail_        x: a connection, .: one that has left
//
// Places count up modulo 2^32; the array holds as many as fit a power of two. When it is full, the
// gaps are closed, and it doubles if they were few: it holds at most four times as many as have
// waited at once, or 256 (4 KB). Single thread.
#ifndef MELTEMI_DATAPLANE_TCP_WAIT_QUEUE_H_
#define MELTEMI_DATAPLANE_TCP_WAIT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "dataplane/tcp/short_time.h"

namespace meltemi::tcp {

template <typename T, uint32_t T::*kPlace>
class WaitQueue {
 public:
  static constexpr uint32_t kPlacesMin = 256;

  WaitQueue() : mask_(kPlacesMin - 1), entries_(std::make_unique<Entry[]>(kPlacesMin)) {}

  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  size_t capacity() const { return size_t{mask_} + 1; }

  // `t` is not in the queue. `until` means what the caller likes.
  void Push(T* t, Deadline until = {}) {
    if (tail_ - head_ > mask_) MakeRoom();
    t->*kPlace = tail_;
    at(tail_++) = {t, until};
    ++count_;
  }
  void Remove(T* t) {
    const uint32_t place = t->*kPlace;
    at(place).value = nullptr;
    --count_;
    if (place == head_) SkipGaps();
  }
  // The one that has waited longest; null: there is none.
  T* front() { return count_ == 0 ? nullptr : at(head_).value; }
  // Of front(), which is not null.
  Deadline front_until() { return at(head_).until; }

 private:
  struct Entry {
    T* value = nullptr;
    Deadline until;
  };

  Entry& at(uint32_t place) { return entries_[place & mask_]; }
  // The head is no gap.
  void SkipGaps() {
    do ++head_;
    while (head_ != tail_ && at(head_).value == nullptr);
  }
  // All places are taken, by those who wait and by gaps.
  void MakeRoom() {
    uint32_t end = head_;
    for (uint32_t place = head_; place != tail_; ++place) {
      const Entry entry = std::exchange(at(place), {});
      if (entry.value == nullptr) continue;
      entry.value->*kPlace = end;
      at(end++) = entry;
    }
    tail_ = end;
    if (count_ <= capacity() / 2) return;
    const uint32_t mask = 2 * mask_ + 1;
    auto larger = std::make_unique<Entry[]>(size_t{mask} + 1);
    for (uint32_t place = head_; place != tail_; ++place) larger[place & mask] = at(place);
    entries_ = std::move(larger);
    mask_ = mask;
  }

  uint32_t mask_;  // a power of two less one
  uint32_t head_ = 0, tail_ = 0, count_ = 0;
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_WAIT_QUEUE_H_
