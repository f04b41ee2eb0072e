// MemoryBudget: what all queues of one worker's connections may hold, and how it gives way.
//
//    0            1/2              3/4               limit
//    |-- kPlenty --|---- kTight ----|---- kScarce ----|---- kFull
//     windows grow   windows stay     windows shrink    out-of-order queues are dropped; a
//                                     towards the       connection keeps its least window and
//                                     least             no more
//
// Counted: bytes in send queues, and the buffers behind what was received and the owner has not
// used up yet, in order or not (many short segments hold more than they say). Never refused: what
// the owner sends, and text for a connection that holds no more than the least window; so the bound
// is the limit, plus the least window and a segment per connection. That is of bytes; who gives way
// when the packets behind them run short says room_budget.h. Pure. Owned by Tcp.
#ifndef MELTEMI_DATAPLANE_TCP_MEMORY_BUDGET_H_
#define MELTEMI_DATAPLANE_TCP_MEMORY_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::tcp {

class MemoryBudget {
 public:
  enum class Level : uint8_t { kPlenty, kTight, kScarce, kFull };

  explicit MemoryBudget(uint64_t limit)
      : tight_at_(limit / 2), scarce_at_(limit / 4 * 3), limit_(limit) {
    CHECK(limit > 0);
  }

  void Charge(uint64_t bytes) { held_ += bytes; }
  void Refund(uint64_t bytes) {
    CHECK(bytes <= held_);
    held_ -= bytes;
  }
  uint64_t held() const { return held_; }

  Level level() const {
    if (held_ < tight_at_) return Level::kPlenty;
    if (held_ < scarce_at_) return Level::kTight;
    return held_ < limit_ ? Level::kScarce : Level::kFull;
  }
  bool scarce() const { return held_ >= scarce_at_; }

  // The most that a connection's receive window is now, whatever it has grown to.
  uint32_t WindowMax() const {
    if (!scarce()) return limits::kTcpReceiveWindowBytesMax;
    if (held_ >= limit_) return limits::kTcpReceiveWindowBytesMin;
    constexpr uint64_t kSpan = limits::kTcpReceiveWindowBytes - limits::kTcpReceiveWindowBytesMin;
    const uint64_t left = limit_ - held_;
    return limits::kTcpReceiveWindowBytesMin +
           static_cast<uint32_t>(kSpan * left / (limit_ - scarce_at_));
  }

  // The most that a connection may have queued before its owner is told to stop: twice the
  // congestion window. What has arrived beyond a hole does not count: it would stop the owner for
  // the length of a recovery, the network would run empty, and the ACK of the last hole would let a
  // whole window out in one burst.
  uint32_t SendQueueMax(uint32_t cwnd, uint32_t set_aside) const {
    if (scarce()) return limits::kTcpSendQueueBytesMin;
    return static_cast<uint32_t>(std::clamp<uint64_t>(uint64_t{cwnd} * 2 + set_aside,
                                                      limits::kTcpSendQueueBytesMin,
                                                      limits::kTcpSendQueueBytesMax));
  }
  // Below it the owner may go on.
  uint32_t SendQueueLow(uint32_t cwnd, uint32_t set_aside) const {
    const uint32_t half = SendQueueMax(cwnd, 0) / 2;
    if (scarce()) return half;
    return static_cast<uint32_t>(
        std::min<uint64_t>(uint64_t{half} + set_aside, limits::kTcpSendQueueBytesMax / 4 * 3));
  }

 private:
  uint64_t held_ = 0;
  const uint64_t tight_at_, scarce_at_, limit_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_MEMORY_BUDGET_H_
