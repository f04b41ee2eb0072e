// SendQueue: the text of a connection from snd.una on, one list of slices with a split point:
//
//      snd.una            snd.nxt
//         |------ sent -------|------- unsent -------|
//
// Sixteen bytes, so that it fits the lines of a connection that every packet touches: the list is a
// ring, last_->next being its first node, and the split point lies elsewhere in the connection
// (SendSplit), where it is kept only while it is far from the front. Nodes and slices go back
// to their pool. Single thread. Bound: the owner's (Tcp::Send says when to stop).
#ifndef MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_
#define MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "l7/base/check.h"
#include "l7/base/slice.h"

namespace meltemi::tcp {

// A place in a queue: `offset` bytes into the node's slice, or into what follows it.
struct SendPlace {
  ChainNode* node = nullptr;
  uint32_t offset = 0;
};
// Where unsent text begins, inside the node; means nothing unless that is far from the front.
using SendSplit = SendPlace;

class SendQueue {
 public:
  // So much sent text is walked over to find what follows it: an initial window.
  static constexpr uint32_t kNearBytes = 16 * 1024;

  SendQueue() = default;
  ~SendQueue() {
    while (last_ != nullptr) PopFront();
  }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  uint32_t sent() const { return sent_; }      // bytes
  uint32_t unsent() const { return unsent_; }  // bytes
  size_t size() const { return size_t{sent_} + unsent_; }
  // For a prefetch: the only node of a short queue.
  const ChainNode* last() const { return last_; }

  void Append(Chain text, SendSplit* split) {
    CHECK(text.size() <= UINT32_MAX - size());
    if (text.empty()) return;
    const bool splits = sent_ > kNearBytes && unsent_ == 0;
    unsent_ += static_cast<uint32_t>(text.size());
    const auto [first, last] = text.TakeNodes();
    if (splits) *split = {first, 0};
    last->next = last_ == nullptr ? first : std::exchange(last_->next, first);
    last_ = last;
  }

  // The byte at snd.una + `offset` of what is sent.
  SendPlace At(uint32_t offset) const { return {last_ == nullptr ? nullptr : last_->next, offset}; }
  SendPlace Unsent(const SendSplit& split) const { return far() ? split : At(sent_); }

  // The first `n` unsent bytes are sent.
  void MarkSent(uint32_t n, SendSplit* split) {
    CHECK(n <= unsent_);
    if (n < unsent_ && sent_ + n > kNearBytes) {
      const SendPlace begin = Unsent(*split);
      *split = Reached({begin.node, begin.offset + n});
    }
    sent_ += n;
    unsent_ -= n;
  }

  // The first `n` sent bytes are acknowledged.
  void RemoveSent(uint32_t n, SendSplit* split) {
    CHECK(n <= sent_);
    sent_ -= n;
    while (n > 0) {
      ChainNode* first = last_->next;
      if (first->slice.size() > n) {
        first->slice.RemovePrefix(n);
        if (far() && split->node == first) split->offset -= n;
        return;
      }
      n -= first->slice.size();
      PopFront();
    }
  }
  // All that was sent is acknowledged.
  void RemoveAllSent(SendSplit* split) {
    if (unsent_ > 0 || last_ == nullptr) return RemoveSent(sent_, split);
    ChainNode* node = std::exchange(last_->next, nullptr);
    last_ = nullptr;
    sent_ = 0;
    while (node != nullptr) {
      TakeSlice(std::exchange(node, node->next));
    }
  }

  // Of more than `n` slices.
  bool LongerThan(uint32_t n) const {
    if (last_ == nullptr) return false;
    for (const ChainNode* node = last_->next; node != last_; node = node->next) {
      if (n-- == 0) return true;
    }
    return n == 0;
  }
  // Unsent text is of more than one slice.
  bool UnsentInPieces(const SendSplit& split) const {
    return unsent_ > 0 && Reached(Unsent(split)).node != last_;
  }
  // What is unsent leaves the queue. Rare: it may walk over what is sent.
  Chain TakeUnsent(const SendSplit& split) {
    Chain text;
    if (unsent_ == 0) return text;
    const SendPlace place = Reached(Unsent(split));
    unsent_ = 0;
    ChainNode* const first = last_->next;
    // The nodes in a line; those from `place` on go, but for the sent part of its own.
    last_->next = nullptr;
    ChainNode* next = place.node;
    if (place.offset > 0) {
      Slice& shared = place.node->slice;
      text.Append(shared.Sub(place.offset, shared.size() - place.offset));
      shared.RemoveSuffix(shared.size() - place.offset);
      next = place.node->next;
      last_ = place.node;
    } else if (place.node == first) {
      last_ = nullptr;
    } else {
      last_ = first;
      while (last_->next != place.node) last_ = last_->next;
    }
    if (last_ != nullptr) last_->next = first;
    while (next != nullptr) text.Append(TakeSlice(std::exchange(next, next->next)));
    return text;
  }

 private:
  // The same place, its offset inside the node.
  static SendPlace Reached(SendPlace place) {
    for (; place.offset >= place.node->slice.size(); place.node = place.node->next) {
      place.offset -= place.node->slice.size();
    }
    return place;
  }
  bool far() const { return sent_ > kNearBytes && unsent_ > 0; }
  void PopFront() {
    ChainNode* first = last_->next;
    if (first == last_) {
      last_ = nullptr;
    } else {
      last_->next = first->next;
    }
    TakeSlice(first);
  }

  ChainNode* last_ = nullptr;
  uint32_t sent_ = 0;
  uint32_t unsent_ = 0;
};
static_assert(sizeof(SendQueue) == 16);

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_
