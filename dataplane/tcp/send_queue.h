// SendQueue: the text of a connection from snd.una on, one list of slices with a split point:
//
//      snd.una            snd.nxt
//         |------ sent -------|------- unsent -------|
//
// Ten bytes, so that it fits the lines of a connection that every packet touches: the list is a
// ring, last_->next being its first node; how much is sent follows from the sequence numbers, and
// is given with every question; the split point lies elsewhere in the connection (SendSplit), where
// it is kept only while it is far from the front. Nodes and slices go back to their pool. Single
// thread. Bound: the owner's (Tcp::Send says when to stop).
#ifndef MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_
#define MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "dataplane/tcp/short_pointer.h"
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

  uint32_t unsent() const { return unsent_; }  // bytes
  // For a prefetch: the only node of a short queue.
  const ChainNode* last() const { return last_; }

  // Here and below `sent`: bytes of it that are sent, before the call.
  void Append(Chain text, uint32_t sent, SendSplit* split) {
    CHECK(text.size() <= UINT32_MAX - size_t{sent} - unsent_);
    if (text.empty()) return;
    const bool splits = sent > kNearBytes && unsent_ == 0;
    unsent_ += static_cast<uint32_t>(text.size());
    const auto [first, last] = text.TakeNodes();
    if (splits) *split = {first, 0};
    ChainNode* const before = last_;
    last->next = before == nullptr ? first : std::exchange(before->next, first);
    last_ = last;
  }

  // The byte at snd.una + `offset` of what is sent.
  SendPlace At(uint32_t offset) const {
    const ChainNode* const last = last_;
    return {last == nullptr ? nullptr : last->next, offset};
  }
  SendPlace Unsent(uint32_t sent, const SendSplit& split) const {
    return Far(sent) ? split : At(sent);
  }

  // The first `n` unsent bytes are sent.
  void MarkSent(uint32_t n, uint32_t sent, SendSplit* split) {
    CHECK(n <= unsent_);
    if (n < unsent_ && sent + n > kNearBytes) {
      const SendPlace begin = Unsent(sent, *split);
      *split = Reached({begin.node, begin.offset + n});
    }
    unsent_ -= n;
  }

  // The first `n` sent bytes are acknowledged.
  void RemoveSent(uint32_t n, uint32_t sent, SendSplit* split) {
    CHECK(n <= sent);
    const bool far = Far(sent - n);
    while (n > 0) {
      ChainNode* first = last_->next;
      if (first->slice.size() > n) {
        first->slice.RemovePrefix(n);
        if (far && split->node == first) split->offset -= n;
        return;
      }
      n -= first->slice.size();
      PopFront();
    }
  }
  // All that was sent is acknowledged.
  void RemoveAllSent(uint32_t sent, SendSplit* split) {
    ChainNode* const last = last_;
    if (unsent_ > 0 || last == nullptr) return RemoveSent(sent, sent, split);
    ChainNode* node = std::exchange(last->next, nullptr);
    last_ = nullptr;
    while (node != nullptr) {
      TakeSlice(std::exchange(node, node->next));
    }
  }

  // Of more than `n` slices.
  bool LongerThan(uint32_t n) const {
    const ChainNode* const last = last_;
    if (last == nullptr) return false;
    for (const ChainNode* node = last->next; node != last; node = node->next) {
      if (n-- == 0) return true;
    }
    return n == 0;
  }
  // Unsent text is of more than one slice.
  bool UnsentInPieces(uint32_t sent, const SendSplit& split) const {
    return unsent_ > 0 && Reached(Unsent(sent, split)).node != last_;
  }
  // Bytes in the list: what is sent and what is not. For tests and CheckInvariants: it walks.
  size_t CountBytes() const {
    size_t bytes = 0;
    const ChainNode* node = last_;
    while (node != nullptr) {
      node = node->next;
      bytes += node->slice.size();
      if (node == last_) break;
    }
    return bytes;
  }
  // What is unsent leaves the queue. Rare: it may walk over what is sent.
  Chain TakeUnsent(uint32_t sent, const SendSplit& split) {
    Chain text;
    if (unsent_ == 0) return text;
    const SendPlace place = Reached(Unsent(sent, split));
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
  bool Far(uint32_t sent) const { return sent > kNearBytes && unsent_ > 0; }
  void PopFront() {
    ChainNode* const last = last_;
    ChainNode* const first = last->next;
    if (first == last) {
      last_ = nullptr;
    } else {
      last->next = first->next;
    }
    TakeSlice(first);
  }

  uint32_t unsent_ = 0;
  ShortPointer<ChainNode> last_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SEND_QUEUE_H_
