// RoomBudget: what one queue of one connection may hold of the worker's packets, so that they last
// for all. The cost is the room (a packet's buffer), not the byte in it.
//
// The small rooms of a pool of S, and what each part is for:
//
//      |--- reserve S/16 ---|---------- floors 3/4 S ----------|--- elastic 3/16 S ---|
//       receive bursts,       one room for each queue: a         shared by those that
//       ACKs, headers         connection without it stands still  hold more than that
//       (512 at least, S/8 at most)
//
// In the lower half of the reserve no text is sent either, only ACKs.
//
//   elastic_left = free - reserve - (floors - queues that hold something), 0 at least
//   share        = elastic_left / 16 for a queue whose reader has yet to show that it reads,
//                  elastic_left / 2  for one whose has; nobody less than its floor
//
// So a share falls as others hold more, without anybody being told to give back what it has; queues
// that hold all they may, one after the other, leave 15/16 of what there was each time, and stop
// when a sixteenth is less than a room: then 16 rooms are left, and 8 of them for the next
// connection that reads. What they never get at is the reserve and the floors of others.
//
// The arithmetic of 10,000 pairs (one that sends, one that does not read) with 128 MB of packet
// memory on one worker: S = 27,594; a stopped pair holds a room that has come and cannot go on, and
// one in the send queue before it: 20,000 queues; floors = 20,694. Beyond, the oldest who do not
// read are ended (Tcp::Impl::Shed). room_budget_test asserts these numbers.
//
// Of large rooms (super-frames) a quarter is kept for bursts: a busy port has up to 64
// of them in hand, an idle one 4. There are no floors: who may not have one has its text copied
// into small rooms, as far as its share of those goes, and gets what stands in the small room
// before it at the least. Pure. Owned by Tcp, told of the pool once a burst.
#ifndef MELTEMI_DATAPLANE_TCP_ROOM_BUDGET_H_
#define MELTEMI_DATAPLANE_TCP_ROOM_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "dataplane/packet/packet_pool.h"
#include "l7/base/limits.h"

namespace meltemi::tcp {

// Text that a small room takes for certain, whatever headers came with it (packet.h: kHeadroom
// stands before the longest of them, and is as long as they are, rounded up).
inline constexpr uint32_t kRoomTextBytes = packet::kSmallRoom - 2 * packet::kHeadroom;
// Of windows that are more than one room: segments that fill half of their rooms keep within them.
inline constexpr uint32_t kRoomWindowBytes = kRoomTextBytes / 2;
static_assert(kRoomTextBytes >= 1460, "a full Ethernet segment fits one room");

class RoomBudget {
 public:
  static constexpr uint32_t kReserveMin = 16 * limits::kRxBurst;  // bursts of eight ports, twice
  // Of a reader: has yet to show that it reads; has shown it.
  enum class Standing : uint8_t { kNew, kProven };
  struct Share {
    uint32_t small = 0;  // rooms of each class
    uint32_t large = 0;
    uint32_t window_bytes() const {
      const uint64_t bytes = uint64_t{small} * kRoomWindowBytes;
      return static_cast<uint32_t>(std::clamp<uint64_t>(bytes, kRoomTextBytes, UINT32_MAX));
    }
    uint64_t small_bytes() const { return uint64_t{small} * packet::kSmallRoom; }
    uint64_t bytes() const { return small_bytes() + uint64_t{large} * packet::kLargeRoom; }
  };

  RoomBudget(uint32_t small_count, uint32_t large_count)
      : bounded_(small_count != UINT32_MAX),
        floors_(small_count / 4 * 3),
        reserve_(std::max(small_count / 16, std::min(small_count / 8, kReserveMin))),
        large_reserve_(large_count / 4) {
    Update(small_count, large_count);
  }

  // Once a burst, which then counts as taken.
  void Update(uint32_t small_free, uint32_t large_free) {
    if (!bounded_) return;  // UINT32_MAX is no number of rooms
    small_free_ = small_free;
    const uint32_t owed = floors_ - std::min(floors_, queues_);
    elastic_left_ = Less(Less(small_free, reserve_), owed);
    large_left_ = Less(large_free, large_reserve_);
    const Share share = ShareOf(Standing::kNew);
    pressed_ = share.window_bytes() < limits::kTcpReceiveWindowBytes ||
               uint64_t{share.large} * packet::kLargeRoom < limits::kTcpReceiveWindowBytes;
  }
  // A queue that was empty holds something; is empty again.
  void QueueBegins() { ++queues_; }
  void QueueEnds() { --queues_; }

  bool bounded() const { return bounded_; }
  // False: nothing of this budget holds anybody back.
  bool pressed() const { return pressed_; }
  // Not even floors can be given: the reserve is all there is.
  bool exhausted() const { return pressed_ && small_free_ <= reserve_; }
  Share ShareOf(Standing standing) const {
    if (!bounded_) return {.small = UINT32_MAX, .large = UINT32_MAX};
    const uint32_t parts = standing == Standing::kProven ? 2 : 16;
    return {.small = std::max(elastic_left_ / parts, 1u), .large = large_left_ / parts};
  }

  uint32_t queues() const { return queues_; }
  uint32_t floors() const { return floors_; }
  uint32_t reserve() const { return reserve_; }
  uint32_t control_reserve() const { return reserve_ / 2; }  // ACKs only
  uint32_t large_reserve() const { return large_reserve_; }

 private:
  static uint32_t Less(uint32_t from, uint32_t what) { return from > what ? from - what : 0; }

  const bool bounded_;  // tests have pools without end
  const uint32_t floors_, reserve_, large_reserve_;
  uint32_t queues_ = 0;
  uint32_t small_free_ = UINT32_MAX;
  uint32_t elastic_left_ = 0, large_left_ = 0;
  bool pressed_ = false;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_ROOM_BUDGET_H_
