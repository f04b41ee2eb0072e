// What a connection gives way to when the worker's packets run short: room_budget.h. Nothing here
// runs while there are enough.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// So much has to be used up, or acknowledged, before a reader counts as one: more than the kernel
// of a reader that does not read takes for it (net.core.rmem_max, 212,992 bytes, doubled).
constexpr uint32_t kProofBytes = 512 * 1024;
// What may wait in a send queue whose peer takes it at once: two segments for its delayed ACK, and
// two that follow.
constexpr uint32_t kOpenQueueRooms = 4;
// Text that a small room takes when nothing has to stand before it.
constexpr uint32_t kCopyBytes = packet::kSmallRoom - packet::kHeadroom;
// Packets made in a turn out of the reserve.
constexpr uint32_t kReserveBurst = 32;
// Events of a burst that are looked through for text of the same connection.
constexpr size_t kJoinEventsMax = 64;
// How long the reserve has to be all there is before connections are ended; so many at a time, and
// the time between. Nobody is whose timer has yet to grow to kShedStalledMin.
constexpr Duration kShedPatience = Duration::Seconds(1);
constexpr size_t kShedMax = 16;
constexpr Duration kShedInterval = Duration::Millis(100);
constexpr Duration kShedStalledMin = Duration::Seconds(10);

using Standing = RoomBudget::Standing;

Standing ReceiverStanding(const Conn& c) {
  const uint32_t used_up = c.rcv_nxt - c.irs - c.rcv_unread;
  return used_up >= kProofBytes ? Standing::kProven : Standing::kNew;
}

// The peer takes nothing: its window is shut, or what was sent gets no answer.
bool Stalled(const Conn& c) {
  const uint32_t least = std::min(c.smss(), c.snd_wnd_max() / 2);
  return c.snd_wnd < std::max(least, 1u) || c.backoff > 0;
}

struct Cost {
  uint32_t rooms = 0;       // bytes of the rooms that the text stands in
  uint32_t first_text = 0;  // text in the first of them
  bool large = false;
};

Cost CostOf(const Segment& s) {
  Cost cost;
  uint32_t offset = s.text_offset;
  uint32_t left = s.text_bytes;
  for (packet::Packet* p = s.packet; p != nullptr && left > 0; p = p->next) {
    const uint32_t skip = std::min<uint32_t>(offset, p->data_len);
    const uint32_t part = std::min<uint32_t>(left, p->data_len - skip);
    offset -= skip;
    if (part == 0) continue;
    left -= part;
    if (cost.rooms == 0) cost.first_text = part;
    const bool large = packet::Meta(p).size_class == packet::kLarge;
    if (large && cost.rooms == 0) cost.first_text = 0;  // no floor of these
    cost.large |= large;
    cost.rooms += packet::Meta(p).buffer.capacity;
  }
  return cost;
}

}  // namespace

void Tcp::Impl::UpdateRooms(Instant now) {
  rooms_.Update(pool_->free_count(packet::kSmall), pool_->free_count(packet::kLarge));
  if (!rooms_.exhausted()) {
    shed_at_.reset();
  } else if (!shed_at_.has_value()) {
    shed_at_ = now + kShedPatience;
  } else if (now >= *shed_at_) {
    shed_at_ = now + kShedInterval;
    Shed(now);
  }
}

// Packets wait for their ports in rooms as well. Below the reserve a few leave in each turn, since
// what leaves makes room; in its lower half only ACKs, which are what makes peers stop and go on.
int Tcp::Impl::LimitTransmit(int room) {
  const uint32_t free = pool_->free_count(packet::kSmall);
  text_held_ = free <= rooms_.control_reserve();
  const uint32_t spare = free > rooms_.reserve() ? free - rooms_.reserve() : 0;
  return std::min(room, static_cast<int>(std::clamp(spare, kReserveBurst, uint32_t{INT32_MAX})));
}

// RCV.WND when rooms are short.
uint32_t Tcp::Impl::PressedWindow(const Conn& c) const {
  if (rooms_.exhausted()) return 0;
  const RoomBudget::Share share = rooms_.ShareOf(ReceiverStanding(c));
  if (share.small <= 1) return c.unread_rooms > 0 ? 0 : kRoomTextBytes;
  const uint32_t rooms = c.unread_rooms / packet::kSmallRoom;
  const uint32_t held = std::max<uint32_t>(c.rcv_unread, rooms * kRoomWindowBytes);
  const uint32_t limit = std::min(RcvLimit(c), share.window_bytes());
  return limit > held ? limit - held : 0;
}

// What of the segment may be kept. kTake: all of it, or what s was cut to. kCopy: all of it, in
// small rooms. kJoin: it goes into the room of the text before it.
Tcp::Impl::Intake Tcp::Impl::LimitText(Conn& c, Segment& s) {
  if (rooms_.exhausted()) return Intake::kRefuse;
  const RoomBudget::Share share = rooms_.ShareOf(ReceiverStanding(c));
  const Cost cost = CostOf(s);
  const uint64_t copies = (s.text_bytes + kCopyBytes - 1) / kCopyBytes;
  const auto kept = [&]() -> std::optional<Intake> {
    const uint64_t held =
        uint64_t{c.unread_rooms} + (c.reassembly != nullptr ? c.reassembly->room_bytes() : 0);
    const bool takes_large = cost.large && share.large > 0;
    if (takes_large && held + cost.rooms <= share.bytes()) return Intake::kTake;
    if (!cost.large && held + cost.rooms <= share.small_bytes()) return Intake::kTake;
    if (cost.large && held + copies * packet::kSmallRoom <= share.small_bytes()) {
      return Intake::kCopy;
    }
    return std::nullopt;
  };
  if (const auto intake = kept()) return *intake;
  if (s.seq != c.rcv_nxt) return Intake::kRefuse;
  DropReassembly(c);
  if (const auto intake = kept()) return *intake;
  // Below its floor: what stands in one small room.
  if (c.unread_rooms == 0 && cost.first_text > 0) {
    if (cost.first_text < s.text_bytes) {
      s.text_bytes = cost.first_text;
      s.flags &= static_cast<uint8_t>(~kFin);
      s.cut = true;
      ++counters_.cut_rooms_short;
    }
    return Intake::kTake;
  }
  return c.unread_rooms > 0 && RoomBehind(c, s.text_bytes) != nullptr ? Intake::kJoin
                                                                      : Intake::kRefuse;
}

// Text of large rooms, in small ones; as it was when there are none.
void Tcp::Impl::CopyToSmallRooms(Chain* text) {
  Chain copy;
  while (copy.size() < text->size()) {
    const size_t n = std::min<size_t>(text->size() - copy.size(), kCopyBytes);
    Slice room = pool_->Allocate(static_cast<uint32_t>(n));
    if (room.empty()) return;
    text->CopyTo(copy.size(), n, room.mutable_data());
    copy.Append(std::move(room));
  }
  *text = std::move(copy);
  ++counters_.copied_rooms_short;
}

// The event with the connection's last text, when its owner has not seen it yet and the text has
// `bytes` of room behind it that are nobody's.
TcpEvent* Tcp::Impl::RoomBehind(const Conn& c, uint32_t bytes) {
  const TcpId id = IdOf(c);
  const size_t n = std::min(events_->size(), kJoinEventsMax);
  for (size_t i = 0; i < n; ++i) {
    TcpEvent& event = (*events_)[events_->size() - 1 - i];
    if (event.id != id) continue;
    if (event.kind != TcpEvent::Kind::kData || event.bytes.head()->next != nullptr) return nullptr;
    const Slice& last = event.bytes.front();
    const Buffer& room = *last.buffer();
    const auto used = static_cast<uint32_t>(last.data() + last.size() - room.memory);
    return room.refs == 1 && room.capacity - used >= bytes ? &event : nullptr;
  }
  return nullptr;
}

// The segment's text joins the one before it in its room.
void Tcp::Impl::JoinText(Conn& c, Segment& s) {
  TcpEvent* event = RoomBehind(c, s.text_bytes);
  CHECK(event != nullptr && s.seq == c.rcv_nxt);
  Chain bytes;
  pool_->TakePayload(s.packet, s.text_offset, s.text_bytes, &bytes);
  s.packet = nullptr;
  Slice last = event->bytes.PopFront();
  bytes.CopyTo(0, s.text_bytes, last.mutable_data() + last.size());
  event->bytes.Append(Slice(last.buffer(), last.mutable_data(), last.size() + s.text_bytes));
  event->more = false;
  c.rcv_unread += s.text_bytes;
  c.rcv_nxt += s.text_bytes;
  counters_.bytes_in += s.text_bytes;
  ++counters_.joined_rooms_short;
}

// The most that may wait to be sent before the owner is told to stop. A peer that reads has it
// acknowledged in a round trip; before a shut window waits what the share allows, or the one thing
// that was given when nothing waited.
Tcp::Impl::QueueMax Tcp::Impl::PressedSendQueueMax(const Conn& c) const {
  const bool proven = c.snd_una - c.iss >= kProofBytes;
  const RoomBudget::Share share = rooms_.ShareOf(proven ? Standing::kProven : Standing::kNew);
  QueueMax most;
  if (share.small > 1) most = {.bytes = share.window_bytes(), .rooms = share.small};
  if (Stalled(c)) return most;
  return {.bytes = std::min(c.snd_wnd, std::max(most.bytes, kOpenQueueRooms * kRoomTextBytes)),
          .rooms = std::max(most.rooms, kOpenQueueRooms)};
}

// After something has joined the send queue: it stands in as few rooms as it can, and the owner is
// to stop when it is more than may wait.
bool Tcp::Impl::PressedQueueFull(Conn& c) {
  Compact(c);
  const QueueMax most = PressedSendQueueMax(c);
  if (c.queued_bytes() > most.bytes) return true;
  return c.queue.LongerThan(most.rooms);
}

// What is unsent, of many small pieces, in one room.
void Tcp::Impl::Compact(Conn& c) {
  const uint32_t size = c.queue.unsent();
  if (size > kRoomTextBytes || !c.queue.UnsentInPieces(c.sent(), c.split)) return;
  Slice one = pool_->Allocate(size);
  if (one.empty()) return;
  const Chain pieces = c.queue.TakeUnsent(c.sent(), c.split);
  pieces.CopyTo(0, size, one.mutable_data());
  c.queue.Append(Chain(std::move(one)), c.sent(), &c.split);
  ++counters_.compacted_rooms_short;
}

// The last resort: those whose peers have read nothing for the longest make room.
void Tcp::Impl::Shed(Instant now) {
  struct Victim {
    Instant since;
    Conn* conn;
    bool operator<(const Victim& other) const { return since < other.since; }
  };
  std::array<Victim, kShedMax> victims;  // a heap, the last to have stalled on top
  size_t count = 0;
  conns_.ForEach([&](TcpId, Conn& c) {
    if (c.syn_in_flight() || c.queued_bytes() == 0 || c.backoff == 0) return;
    // The timer has doubled since the peer took something last: it took nothing for as long as it
    // waits now, less the first wait. Before that the connection may just have had nothing to send.
    const Duration wait = Timeout(c);
    if (wait < kShedStalledMin) return;
    const Victim victim{now - std::min(now - c.congestion.last_sent_at, wait + wait), &c};
    if (count == kShedMax) {
      if (!(victim < victims[0])) return;
      std::pop_heap(victims.begin(), victims.begin() + count--);
    }
    victims[count++] = victim;
    std::push_heap(victims.begin(), victims.begin() + count);
  });
  std::sort_heap(victims.begin(), victims.begin() + count);
  for (size_t i = 0; i < count; ++i) {
    ++counters_.shed_slow_readers;
    SendRst(*victims[i].conn);
    Close(*victims[i].conn, TcpError::kOverload);
  }
}

}  // namespace meltemi::tcp
