// Received bytes on their way to the owner: what is charged, how the window grows by what is
// delivered, and what gives way when the worker's memory is used up (memory_budget.h).
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// Timestamps are of a millisecond: after two of them an unanswered one means something.
constexpr uint32_t kStampsTellUs = 2000;

uint32_t Micros(Instant now) { return static_cast<uint32_t>(now.nanos() / 1000); }

}  // namespace

// Dynamic right-sizing, by rounds of half a window: when the owner has used one up before a round
// trip was over, the window may be what holds the peer back, and doubles; so it stays at about
// twice what is delivered in a round trip. Over means: longer than the smoothed round trip, unless
// (it may have been measured long ago, at a handshake) timestamps, where their milliseconds can
// tell, say that nothing which left after the round's beginning has been answered.
void Tcp::Impl::EndRound(Conn& c, Instant now) {
  const uint32_t elapsed = Micros(now) - c.round_started_us;
  const bool quick = elapsed <= static_cast<uint64_t>(c.rto.srtt().micros());
  const bool unanswered = c.timestamps && !c.round_answered && elapsed >= kStampsTellUs;
  if ((quick || unanswered) && c.rcv_wscale > 0 &&
      RcvLimit(c) < limits::kTcpReceiveWindowBytesMax &&
      c.rcv_doublings + 1u < rcv_limits_.size()) {
    if (memory_.level() == MemoryBudget::Level::kPlenty) {
      ++counters_.windows_grown;
      ++c.rcv_doublings;
    } else {
      ++counters_.windows_not_grown;
    }
  }
  StartRound(c, now);
}

void Tcp::Impl::StartRound(Conn& c, Instant now) {
  conns_.NoteOf(c.slot) = 0;
  c.round_answered = false;
  c.round_started_us = Micros(now);
  c.round_stamp = TimestampNow(c, now);
}

void Tcp::Impl::ChargeUnread(Conn& c, const Chain& bytes) {
  const uint32_t rooms = RoomBytes(bytes);
  if (c.unread_rooms == 0 && rooms > 0) rooms_.QueueBegins();
  c.rcv_unread += static_cast<uint32_t>(bytes.size());
  c.unread_rooms += rooms;
  memory_.Charge(rooms);
}

// Which rooms the owner has done with nobody says: those of its share of the bytes.
void Tcp::Impl::RefundUnread(Conn& c, uint32_t bytes) {
  uint32_t rooms = c.unread_rooms;
  if (rooms == 0) return;
  if (bytes < c.rcv_unread) rooms = static_cast<uint32_t>(uint64_t{rooms} * bytes / c.rcv_unread);
  c.rcv_unread -= bytes;
  c.unread_rooms -= rooms;
  memory_.Refund(rooms);
  if (c.unread_rooms == 0) rooms_.QueueEnds();
}

// WindowWanted when something is unusual: a hole, little memory, few packets. What waits costs its
// rooms when memory is used up.
uint32_t Tcp::Impl::WindowWantedSlow(const Conn& c) const {
  const bool full = memory_.level() == MemoryBudget::Level::kFull;
  const uint32_t least = full ? c.unread_rooms : c.unread_rooms / kRoomsPerWindow;
  uint32_t held = std::max<uint32_t>(c.rcv_unread, least);
  // Text beyond a hole lies inside the window, which has counted it when it was offered.
  if (full && c.reassembly != nullptr) held += c.reassembly->bytes();
  const uint32_t limit = std::min(RcvLimit(c), memory_.WindowMax());
  const uint32_t window = limit > held ? limit - held : 0;
  return rooms_.pressed() ? std::min(window, PressedWindow(c)) : window;
}

// True: the memory is used up, or this connection's part of it, and it holds more than the least
// share. The text is not taken, and the window is shut until the owner reads, though RFC 9293 3.8.6
// would rather have it stay: the peer probes an honest zero for ever, but gives up a window that
// takes nothing.
bool Tcp::Impl::RefuseText(Conn& c) {
  if (c.unread_rooms <= limits::kTcpReceiveWindowBytesMin) return false;
  const bool full = memory_.level() == MemoryBudget::Level::kFull;
  if (!full && c.unread_rooms <= uint64_t{kRoomsPerWindow} * RcvLimit(c)) return false;
  ++counters_.drop_memory_full;
  ShutWindow(c);
  return true;
}

void Tcp::Impl::ShutWindow(Conn& c) {
  DropReassembly(c);
  c.rcv_adv = c.rcv_nxt;
  c.ack_now = true;
}

// Out of order, not even its first bytes can be delivered: the first to go.
bool Tcp::Impl::RefuseOutOfOrder(Conn& c) {
  if (memory_.level() != MemoryBudget::Level::kFull) return false;
  ++counters_.drop_out_of_order_memory;
  DropReassembly(c);  // RFC 2018 8: what was reported may be taken back
  return true;
}

void Tcp::Impl::DropReassembly(Conn& c) {
  if (!c.holes) return;
  memory_.Refund(c.reassembly->room_bytes());
  c.reassembly->Clear();
  reassemblies_.Give(c.reassembly);
  c.reassembly = nullptr;
  c.holes = false;
}

}  // namespace meltemi::tcp
