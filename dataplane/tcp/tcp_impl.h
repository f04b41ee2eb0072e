// Tcp::Impl: what the files of this folder share. One per worker.
//
//   accept.cc     a SYN, or the ACK of a SYN cookie, to an address we answer as
//   receive.cc    burst of packets -> connection, TIME-WAIT or unmatched
//   input.cc      RFC 9293 3.10.7.4, one function per step, in its order
//   ack.cc        the ACK step: send window, scoreboard, round trip, congestion window
//   recovery.cc   losses and what is done about them; spurious.cc: and taken back; ecn.cc: marks
//   output.cc     what goes out: SYN, new text, window probes, ACKs; retransmit.cc: what is lost
//   timers.cc     retransmission, persist, delayed ACK, lifetime, TIME-WAIT
//   lifecycle.cc  open, close, abort
//   path_mtu.cc   how large segments may be
//   memory.cc     received bytes: what they cost, and the receive window's growth
//   rooms.cc      who gives way when packets run short
#ifndef MELTEMI_DATAPLANE_TCP_TCP_IMPL_H_
#define MELTEMI_DATAPLANE_TCP_TCP_IMPL_H_

#include <algorithm>
#include <array>
#include <vector>

#include "dataplane/tcp/conn.h"
#include "dataplane/tcp/flow_table.h"
#include "dataplane/tcp/isn.h"
#include "dataplane/tcp/memory_budget.h"
#include "dataplane/tcp/object_pool.h"
#include "dataplane/tcp/path_mtu.h"
#include "dataplane/tcp/ready_queue.h"
#include "dataplane/tcp/room_budget.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/syn_cookie.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/wait_queue.h"
#include "l7/base/limits.h"
#include "l7/base/slot_map.h"

namespace meltemi::tcp {

inline constexpr uint8_t kRcvWscale = 7;  // 65535 << 7 covers kTcpReceiveWindowBytesMax
static_assert((65'535u << kRcvWscale) >= limits::kTcpReceiveWindowBytesMax);
inline constexpr uint16_t kCookieWindow = 65'535;  // of a SYN-ACK without a connection
static_assert(kCookieWindow <= limits::kTcpReceiveWindowBytes);
// A connection's unread text may cost so many times its window: 1-byte segments cost 2 KB each.
inline constexpr uint32_t kRoomsPerWindow = 4;
inline constexpr uint16_t kPeerMssDefault = 536;  // RFC 9293 3.7.1: when the option is absent
inline constexpr Duration kTsRecentLife = Duration::Seconds(24 * 86'400);  // RFC 7323 5.5
inline constexpr uint32_t kReusedIssGap = 65'536;   // above the old numbers of a tuple: RFC 6191
inline constexpr uint8_t kQuickAcks = 8;            // segments acknowledged at once at the start
inline constexpr uint8_t kKeepaliveProbesMax = 15;  // that Conn counts
static_assert(limits::kTcpKeepaliveCountMax <= UINT8_MAX);
// Tail loss probes, RFC 8985 7.2: before there is a round trip; when one segment is in flight, the
// longest that a peer's ACK may be delayed; else what two round trips may take longer.
inline constexpr Duration kProbeInitial = Duration::Seconds(1);
inline constexpr Duration kProbeAckDelay = Duration::Millis(200);
inline constexpr Duration kProbeMargin = Duration::Millis(2);
// No timer is armed for longer: it fires, finds nothing due and is armed again (short_time.h).
inline constexpr Duration kArmedMax = Duration::Seconds(8 * 3600);
inline constexpr Duration kCorkMax = Duration::Millis(200);  // as Linux's TCP_CORK
inline constexpr Duration kFinWait2Max = Duration::Seconds(60);
inline constexpr Duration kChallengeInterval =
    Duration::Millis(500);  // RFC 5961 10, per connection

// What a step of input processing decided about the segment.
enum class Verdict : uint8_t {
  kContinue,  // the next step looks at it
  kDone,      // used up; the connection lives
  kGone,      // used up; the connection is gone
};

struct Tcp::Impl {
  Impl(const TcpOptions& options, packet::PacketPool* pool, TimerWheel* timers, Prng* prng);
  ~Impl();

  // accept.cc
  void Accept(Segment& s, const Path& path, Instant now);
  void OpenHalf(const Segment& s, const Path& path, Instant now);
  void SendSynCookie(const Segment& s, const Path& path, Instant now);
  bool AcceptCookie(Segment& s, const Path& path, Instant now);
  bool TurnIntoCookie(Conn& c, const Segment& s, Instant now);
  // What a cookie remembers of the peer's SYN.
  struct CookieSyn {
    Options options;
    bool ecn = false;
  };
  std::optional<CookieSyn> ReadCookie(const Segment& s, uint32_t peer_isn, Instant now) const;
  void UseCookie(Conn& c, const CookieSyn& syn, uint32_t peer_isn, uint32_t isn);
  static bool BeganWithCookie(const Conn& c) { return c.passive && c.rtt_sent_at.never(); }
  TimeWait* GuardCookie(const Conn& c);

  // receive.cc
  // Scratch of one segment of a burst.
  struct Staged {
    Segment segment;
    uint32_t hash = 0;
    uint32_t index = 0;
  };
  void FetchAhead(std::span<const Staged> group);
  void Receive(std::span<const SegmentIn> in, Instant now, std::vector<SegmentIn>* unmatched);
  bool Parse(const SegmentIn& in, Segment* segment);
  void OnTimeWaitSegment(TimeWait* entry, const SegmentIn& in, Segment& s, Instant now,
                         std::vector<SegmentIn>* unmatched);
  void Reply(const FourTuple& tuple, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window,
             const Options& options);
  void RejectSegment(const Segment& s);

  // input.cc: each step may use up the packet.
  void Input(Conn& c, Segment& s, Instant now);
  Verdict InSynSent(Conn& c, Segment& s, Instant now);
  Verdict CheckTimestamp(Conn& c, Segment& s, Duration silence, Instant now);
  void NoteTimestamp(Conn& c, const Segment& s);
  Verdict CheckSequence(Conn& c, Segment& s, Instant now);
  Verdict CheckRst(Conn& c, Segment& s, Instant now);
  Verdict CheckSyn(Conn& c, Segment& s, Instant now);
  Verdict CheckAck(Conn& c, Segment& s, Instant now);
  Verdict TakeText(Conn& c, Segment& s, Instant now);
  Verdict CheckFin(Conn& c, Segment& s, Instant now);
  Verdict OnFinReceived(Conn& c, Instant now);
  enum class Follows : uint8_t { kUnknown, kMore };  // TcpEvent::more
  void DeliverText(Conn& c, Chain bytes, Follows follows);
  Reassembly* ReassemblyOf(Conn& c);
  void NoteDuplicate(Conn& c, SeqRange part);
  void TrimToWindow(Conn& c, Segment* s);
  bool AnswerInvalid(Conn& c, Instant now);
  void Challenge(Conn& c, Instant now);
  void ScheduleAck(Conn& c, const Segment& s, Instant now);
  void DropPacket(Segment& s);
  void LearnSynOptions(Conn& c, const Options& o);

  // ack.cc
  void UpdateWindow(Conn& c, const Segment& s);
  void NoteWl1(Conn& c, const Segment& s);
  void OnAck(Conn& c, const Segment& s, bool window_changed, Instant now);
  void OnWholeAck(Conn& c, Instant now);
  void TellSendSpace(Conn& c, Instant now);
  void TakeCumulativeAck(Conn& c, const Segment& s, AckNews* news);
  void TakeSacks(Conn& c, const Segment& s, AckNews* news);
  void NoteDelivered(Conn& c, const Segment& s, const SentRange& range, SeqRange part,
                     AckNews* news);
  void SampleRtt(Conn& c, const Segment& s, const AckNews& news);
  void GrowWindow(Conn& c, const AckNews& news);
  LossState& Loss(Conn& c);
  void DropLoss(Conn& c);

  // recovery.cc; `flight_before`: FlightSize before the ACK
  void Recover(Conn& c, const Segment& s, uint32_t flight_before, AckNews* news);
  void EnterRecovery(Conn& c, uint32_t flight_before, const AckNews& news);
  void LeaveRecovery(Conn& c);
  void UsePrr(Conn& c, const AckNews& news);
  Duration ReorderingWindow(const Conn& c) const;
  void DetectBySack(Conn& c, uint32_t flight_before, AckNews* news);
  void DetectByDuplicates(Conn& c, uint32_t flight_before, AckNews* news);
  void OnDsack(Conn& c, const AckNews& news);
  bool CheckProbe(Conn& c, const Segment& s, uint32_t flight_before, const AckNews& news);
  void ScheduleProbe(Conn& c, Instant now);
  void OnAuxTimer(Conn& c, Instant now);
  void OnReorderingTimer(Conn& c, Instant now);
  void LoseFlight(Conn& c);
  void SendAllAgain(Conn& c);

  // spurious.cc
  void CheckUndo(Conn& c, const Segment& s, const AckNews& news);
  void TakeBack(Conn& c);
  void DecideFrto(Conn& c, const AckNews& news);

  // ecn.cc
  void NegotiateEcn(Conn& c, const Segment& s);
  bool AcceptsEcn(const Segment& syn) const;
  bool AsksForEcn(const Conn& c) const;
  void NoteEcn(Conn& c, const Segment& s);
  void OnEce(Conn& c, uint32_t flight_before);

  // tcp.cc
  bool Queue(Conn& c, Chain&& bytes);  // as Tcp::Send

  // output.cc
  void Output(Conn& c, Instant now, int* room);
  bool SendSyn(Conn& c, Instant now);
  bool SendNew(Conn& c, Instant now, int* room);
  uint32_t NewBytesAllowed(Conn& c) const;
  bool BeginFlight(Conn& c, Instant now);
  bool SendNewText(Conn& c, uint32_t bytes, Instant now);
  bool SendText(Conn& c, uint32_t seq, SendPlace from, uint32_t bytes, uint8_t flags, uint8_t ecn,
                Instant now);
  bool SendBare(Conn& c, uint32_t seq, uint8_t flags, Instant now);
  // What is unsent waits for what follows.
  static bool HeldByCork(const Conn& c) { return c.corked && c.queue.unsent() < c.smss(); }
  packet::Packet* StartPacket(Conn& c, uint32_t seq, uint8_t flags, uint32_t text_bytes,
                              Instant now);
  bool FinishPacket(Conn& c, packet::Packet* p, uint8_t ecn = 0);
  void AddSackBlocks(Conn& c, uint32_t text_bytes, Options* o);
  uint16_t WindowField(Conn& c);
  void MaybeUpdateWindow(Conn& c, Instant now);
  void MakeReady(Conn& c) {
    if (c.ready) return;
    c.ready = true;
    ready_.Push(IdOf(c));
  }

  // retransmit.cc
  bool SendLost(Conn& c, Instant now, int* room);
  bool SendProbe(Conn& c, Instant now, int* room);
  bool SendAgain(Conn& c, SeqRange part, Instant now);

  // timers.cc
  void OnTimer(Timer& timer, Instant now);
  void Arm(Conn& c, Instant now);
  void ArmAll(Conn& c, Instant now);
  void DelayAck(Conn& c, Instant now);
  void UndelayAck(Conn& c) {
    if (!c.ack_delayed) return;
    c.ack_delayed = false;
    delayed_acks_.Remove(&c);
  }
  void OnDelayedAckTimer(Instant now);
  void Cork(Conn& c, Instant now);
  void Uncork(Conn& c) {
    if (!c.corked) return;
    c.corked = false;
    corks_.Remove(&c);
  }
  void OnCorkTimer(Instant now);
  void OnTimeWaitTimer(Instant now);
  void SetLife(Conn& c, Instant at, Instant now);
  // After so much of it the peer's silence is looked at: for keepalive, and for PAWS. Keepalive
  // that begins later than 24 days begins then.
  Duration SilenceChecked(const Conn& c) const {
    const Duration idle = keepalives_[c.keepalive].idle;
    return idle.zero() ? kTsRecentLife : std::min(idle, kTsRecentLife);
  }
  Duration Timeout(const Conn& c) const;
  void RestartRetransmit(Conn& c, Instant now);
  bool OnLifeTimer(Conn& c, Instant now);          // false: the connection is gone
  bool OnRetransmitTimeout(Conn& c, Instant now);  // false: the connection is gone
  bool OnPersist(Conn& c, Instant now);            // false: the connection is gone
  bool GiveUpOrphan(Conn& c);                      // true: the connection is gone
  uint32_t TimestampNow(const Conn& c, Instant now) const;
  static uint32_t TimestampClock(Instant now) {
    return static_cast<uint32_t>(now.nanos() / 1'000'000);
  }

  // path_mtu.cc
  void SetPath(Conn& c, const Path& path, Instant now);
  void UseKnownMtu(Conn& c, Instant now);
  void UpdateMss(Conn& c);
  static uint32_t MtuRaiseTime(Instant now);
  void LowerMtu(Conn& c, uint32_t mtu, Instant now);
  void OnTooBig(Conn& c, uint32_t mtu, Instant now);
  void SuspectBlackHole(Conn& c, Instant now);
  void MaybeRaiseMtu(Conn& c, Instant now);

  // memory.cc
  void CountDelivery(Conn& c, uint32_t consumed, Instant now) {
    uint32_t& used_up = conns_.NoteOf(c.slot);
    used_up += consumed;
    if (used_up > RcvLimit(c) / 2) EndRound(c, now);
  }
  // What may wait for the owner: grows.
  uint32_t RcvLimit(const Conn& c) const { return rcv_limits_[c.rcv_doublings]; }
  void EndRound(Conn& c, Instant now);
  void StartRound(Conn& c, Instant now);
  void ChargeUnread(Conn& c, const Chain& bytes);
  void RefundUnread(Conn& c, uint32_t bytes);
  // Bytes that we would take beyond rcv.nxt: the limit less what waits to be used.
  uint32_t WindowWanted(const Conn& c) const {
    if (c.holes || memory_.scarce() || rooms_.pressed()) return WindowWantedSlow(c);
    const uint32_t held = std::max<uint32_t>(c.rcv_unread, c.unread_rooms / kRoomsPerWindow);
    const uint32_t limit = RcvLimit(c);
    return limit > held ? limit - held : 0;
  }
  uint32_t WindowWantedSlow(const Conn& c) const;
  bool RefuseText(Conn& c);
  bool RefuseOutOfOrder(Conn& c);
  void ShutWindow(Conn& c);
  void DropReassembly(Conn& c);

  // rooms.cc
  enum class Intake : uint8_t { kTake, kCopy, kJoin, kRefuse };
  void UpdateRooms(Instant now);
  int LimitTransmit(int room);
  uint32_t PressedWindow(const Conn& c) const;
  Intake LimitText(Conn& c, Segment& s);
  void CopyToSmallRooms(Chain* text);
  TcpEvent* RoomBehind(const Conn& c, uint32_t bytes);
  void JoinText(Conn& c, Segment& s);
  struct QueueMax {
    uint32_t bytes = 0, rooms = 0;
  };
  QueueMax PressedSendQueueMax(const Conn& c) const;
  bool PressedQueueFull(Conn& c);
  void Compact(Conn& c);
  void Shed(Instant now);

  // lifecycle.cc
  Conn* NewConn(const FourTuple& tuple, const Path& path, Instant now);
  FlowTable::Entry Lookup(const FourTuple& tuple, uint32_t hash) const;
  Conn* Find(const FourTuple& tuple, uint32_t hash);
  TcpId IdOf(const Conn& c) { return conns_.HandleOf(c.slot); }
  void Destroy(Conn& c);
  void Free(Conn& c);
  // Tells the owner (unless detached) and frees the connection.
  void Close(Conn& c, TcpError error);
  void Fail(Conn& c, TcpError error);  // open in progress or established, as fits
  void EnterTimeWait(Conn& c, Instant now);
  TimeWait* AddTimeWait(const Conn& c, Instant until);
  void ListTimeWait(TimeWait* entry);
  void Emit(Conn& c, TcpEvent::Kind kind, TcpError error = TcpError::kNone);
  void LeaveHalfOpen(Conn& c);
  void SendRst(Conn& c);
  void Established(Conn& c, Instant now);
  void CheckInvariants();

  const TcpOptions options_;
  // That connections have, never more than were configured in this process's life, and bounded;
  // the first is the options'.
  std::vector<Keepalive> keepalives_;
  std::array<uint32_t, 16> rcv_limits_;  // by how often it has doubled
  packet::PacketPool* const pool_;
  TimerWheel* const timers_;
  Prng* const prng_;
  TcpCounters counters_;
  FlowTable flows_;
  SipHash24 secrets_;
  SlotMap<Conn, TcpId> conns_;
  ObjectPool<AddressPair> address_pairs_;
  ObjectPool<LossState> losses_;
  ObjectPool<Reassembly> reassemblies_;
  SynCookies cookies_;
  Instant cookies_until_;  // no cookie of ours is out after this
  PathMtuCache path_mtus_;
  MemoryBudget memory_;
  RoomBudget rooms_;
  std::optional<Instant> shed_at_;  // while the reserve is all there is
  bool text_held_ = false;          // of the Transmit under way: ACKs only
  Instant challenge_second_ends_at_;
  uint32_t challenges_left_ = 0;
  // Tuples whose TIME-WAIT has ended in this burst, and what their next numbers must not be below.
  struct Reused {
    FourTuple tuple;
    uint32_t iss_min = 0;
  };
  std::vector<Reused> reused_;
  TimeWaitTable time_wait_;
  Timer time_wait_timer_;

  ReadyQueue<Conn, TcpId> ready_{&conns_};  // with something to send
  // With an ACK that is delayed: all as long, so that the first comes due first. One timer for all.
  WaitQueue<Conn, &Conn::ack_place> delayed_acks_;
  Timer delayed_ack_timer_;
  // That are corked, as long as delayed ACKs are one list: all for the same time at most.
  WaitQueue<Conn, &Conn::cork_place> corks_;
  Timer cork_timer_;
  // Half-open passive connections, oldest first.
  Conn* half_open_head_ = nullptr;
  Conn* half_open_tail_ = nullptr;
  uint32_t half_open_count_ = 0;

  std::vector<TcpEvent>* events_ = nullptr;  // of the call under way
  std::vector<SegmentOut> replies_;          // packets without a connection, or of one that is gone
  std::vector<SegmentOut>* out_ = nullptr;   // of the Transmit under way

  std::vector<Staged> staged_;  // of the burst under way
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_TCP_IMPL_H_
