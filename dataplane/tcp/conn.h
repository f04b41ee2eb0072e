// Conn: one connection's state, by the names of RFC 9293 3.3.1. Only what outlives a segment; what
// a segment needs is in Segment (segment.h). Owned by Tcp. Laid out by cache lines: an established
// connection whose text comes in order and is acknowledged touches the first two, in both
// directions; the others are rare.
//
// Send sequence space, and where its bytes are:
//
//      snd.una            snd.nxt                          una + wnd
//         |------ sent -------|------- unsent ------- . . . .|
//   snd.nxt - snd.una == sent() + SYN in flight + FIN in flight
//
// snd.nxt never goes back: what is sent again is told by LossState, which exists while something is
// in flight.
//
// Receive:   rcv.nxt            rcv_adv (right edge ever promised; RCV.WND = rcv_adv - rcv.nxt)
//               |--- window -------|
#ifndef MELTEMI_DATAPLANE_TCP_CONN_H_
#define MELTEMI_DATAPLANE_TCP_CONN_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/tcp/congestion.h"
#include "dataplane/tcp/loss.h"
#include "dataplane/tcp/packed_tuple.h"
#include "dataplane/tcp/reassembly.h"
#include "dataplane/tcp/rto.h"
#include "dataplane/tcp/send_queue.h"
#include "dataplane/tcp/short_pointer.h"
#include "dataplane/tcp/short_time.h"
#include "dataplane/tcp/tcp.h"
#include "l7/base/ip_addr.h"
#include "l7/base/limits.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::tcp {

// RFC 9293 3.3.2, without CLOSED and LISTEN (no Conn exists) and TIME-WAIT (time_wait.h).
enum class State : uint8_t {
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
};

struct Conn {
  Conn() : timer(TimerOwner::kTcp, 0) {}

  // Line 0: whose it is, the send window, the receive window.
  alignas(64) [[no_unique_address]] PackedTuple name;

  bool apart : 1 = false;  // `name` has its addresses elsewhere: they are not IPv4's
  bool passive : 1 = false;
  bool detached : 1 = false;      // Release was called: no events
  bool timestamps : 1 = false;    // negotiated, RFC 7323
  bool sack : 1 = false;          // negotiated, RFC 2018
  bool ack_now : 1 = false;       // an ACK is due with the next Transmit
  bool syn_now : 1 = false;       // the SYN or SYN-ACK is due
  bool probe_now : 1 = false;     // a window or keepalive probe is due
  bool push_window : 1 = false;   // silly-window override: send what fits (RFC 9293 3.8.6.2.1)
  bool fin_queued : 1 = false;    // Finish or Release was called
  bool fin_sent : 1 = false;      // the FIN occupies snd.nxt - 1
  bool fin_received : 1 = false;  // rcv.nxt is past the peer's FIN
  bool fin_waiting : 1 = false;   // the peer's FIN is at fin_seq, beyond a hole
  bool send_full : 1 = false;     // Send said full: kSendSpace is due
  bool cwnd_limited : 1 = false;  // the last Output stopped for cwnd
  bool ack_delayed : 1 = false;   // an ACK is due when the delay has passed
  bool ready : 1 = false;         // something may be sent: in the queue of those
  bool soft_error : 1 = false;    // an ICMP soft error came (RFC 5461)
  bool syn_retransmitted : 1 = false;
  bool mtu_lowered : 1 = false;     // path_mtu < link_mtu, until mtu_raise_at
  bool round_answered : 1 = false;  // the peer has answered what left after round_started_us
  bool ecn : 1 = false;             // negotiated, RFC 3168; until then: the peer's SYN asked for it
  bool ecn_echo : 1 = false;        // a CE mark came: ECE on all ACKs until the peer's CWR
  bool ecn_cwr : 1 = false;     // the window was reduced for ECE: CWR goes with the next new text
  bool reordering : 1 = false;  // RACK.reordering_seen
  bool interactive : 1 = true;  // our text follows the peer's at once: it takes the ACK along
  bool holes : 1 = false;       // `reassembly` is there: a hole, or a duplicate to tell of
  bool wl1_ahead : 1 = false;   // SND.WL1 is snd_wl1, beyond rcv.nxt: UpdateWindow
  bool curve : 1 = false;       // congestion.cubic may be on its curve, which idle time moves
  bool retransmit_rare : 1 = false;  // rare_retransmit_at is set
  bool reset_last : 1 = false;       // Reset was called: RST when nothing is queued any more
  bool corked : 1 = false;           // more text follows at once: whole segments only, till then

  State state : 4 = State::kSynSent;
  uint8_t rcv_doublings : 4 = 0;     // of what may wait for the owner: Impl::RcvLimit
  uint8_t snd_wscale : 4 = 0;        // the peer's: its window field is shifted left by this
  uint8_t rcv_wscale : 4 = 0;        // ours
  uint8_t quick_acks : 4 = 0;        // segments still to be acknowledged at once
  uint8_t keepalive_probes : 4 = 0;  // without an answer
  uint8_t retries : 4 = 0;           // timeouts in a row without an answer
  uint8_t backoff : 4 = 0;           // RFC 6298 (5.5)

  uint16_t mss = 536;  // payload of a full segment without options in it: bound by peer and path
  uint16_t rcv_mss = 536;  // the largest segment the peer has sent, for ACK every second one
  uint32_t snd_una = 0;
  uint32_t snd_nxt = 0;
  uint32_t snd_wnd = 0;
  [[no_unique_address]] SendQueue queue;
  uint16_t snd_field_max = 0;  // the largest window field that the peer sent
  uint32_t rcv_nxt = 0;
  uint32_t rcv_adv = 0;
  uint32_t rcv_unread : 24 = 0;           // bytes in kData events not yet Consumed
  uint32_t super_frame_segments : 8 = 0;  // that one packet takes; 0: one
  uint32_t unread_rooms = 0;              // behind rcv_unread: what it costs

  // Line 1: what is due, the owner's names, what is in flight, round trips, the congestion window.
  Deadline armed_at;  // what `timer` is armed for
  PastInstant last_heard_at;
  uint32_t timestamp_offset = 0;
  uint32_t ack_place = 0;  // among those whose ACK is delayed, while ack_delayed
  uint64_t cookie = 0;
  // While something is in flight, and a little longer. The rest: when rto.min_us was measured.
  PointerAndRest<LossState> loss;
  uint32_t slot = 0;           // in the table of connections: Impl::IdOf
  uint32_t ts_recent = 0;      // TS.Recent
  uint32_t last_ack_sent = 0;  // Last.ACK.sent
  Rto rto;
  Congestion congestion;  // last_sent_at and cwnd; the rest in line 2

  // From here on rare: loss, holes, a window that is used up, a timer that fires or comes before
  // the one that is armed, the beginning and the end.
  Timer timer;      // the one entry of the wheel
  SendSplit split;  // of `queue`
  RackWindow rack_window;
  uint16_t link_mtu = 0;
  uint16_t path_mtu = 0;
  uint16_t peer_mss = 536;             // RFC 9293 3.7.1: when the option is absent
  uint16_t super_frame_bytes_max = 0;  // 0: none
  uint8_t keepalive = 0;               // which of Impl::keepalives_
  Deadline rare_retransmit_at;         // SYN, persist: retransmit_at while there is no `loss`
  Instant life_at = Instant::Never();  // connect deadline, FIN-WAIT-2, keepalive
  Reassembly* reassembly = nullptr;
  uint32_t snd_wl1 = 0;
  uint32_t fin_seq = 0;
  uint32_t round_stamp = 0;       // our timestamp when the round began: memory.cc
  uint32_t round_started_us = 0;  // low bits of the clock
  uint32_t mtu_raise_at = 0;      // seconds of the clock
  uint32_t hash = 0;              // of the tuple, for the flow table
  uint32_t iss = 0;
  uint32_t irs = 0;
  uint32_t cork_place = 0;         // among those that are corked, while `corked`
  PastInstant challenged_at;       // the last answer to an invalid segment
  Instant rtt_sent_at;             // the SYN
  Conn* half_open_prev = nullptr;  // the SYN queue, oldest first
  Conn* half_open_next = nullptr;

  FourTuple tuple() const { return name.Get(apart); }
  IpAddr remote_ip() const { return name.remote(apart); }
  uint32_t flight() const { return snd_nxt - snd_una; }
  uint32_t rcv_wnd() const { return rcv_adv - rcv_nxt; }
  bool syn_in_flight() const { return state == State::kSynSent || state == State::kSynReceived; }
  // Text of the queue that is in flight.
  uint32_t sent() const {
    const uint32_t all = flight();
    if (all == 0) return 0;
    return all - (fin_sent || syn_in_flight() ? 1 : 0);
  }
  uint32_t pipe() const { return loss == nullptr ? flight() : loss->Pipe(flight()); }
  // What the peer's window still takes beyond snd.nxt.
  uint32_t usable_window() const {
    const uint32_t used = flight();
    return snd_wnd > used ? snd_wnd - used : 0;
  }
  // Of what is sent, what has arrived beyond a hole, by SACK: kept until the hole is filled, though
  // the network is done with it.
  uint32_t set_aside() const { return loss == nullptr ? 0 : loss->ranges.sacked_bytes(); }
  size_t queued_bytes() const { return size_t{sent()} + queue.unsent(); }
  // The largest window that the peer offered: RFC 5961 5, SWS. A SYN's, which is not scaled,
  // rounded up.
  uint32_t snd_wnd_max() const { return uint32_t{snd_field_max} << snd_wscale; }
  // The handshake's first window.
  void BeginWindow(uint32_t bytes) {
    snd_wnd = bytes;
    snd_field_max = static_cast<uint16_t>((bytes + (1u << snd_wscale) - 1) >> snd_wscale);
  }
  // Also SYN, persist. With what is in flight, in `loss`, while there is one.
  Deadline retransmit_at() const {
    if (loss != nullptr) return loss->retransmit_at;
    return retransmit_rare ? rare_retransmit_at : Deadline();
  }
  void SetRetransmitAt(Deadline at) {
    if (loss != nullptr) {
      loss->retransmit_at = at;
    } else if (retransmit_rare || !at.never()) {
      retransmit_rare = !at.never();
      rare_retransmit_at = at;
    }
  }
  void NoteMinRtt(uint32_t us, Instant now) {
    uint16_t at = loss.rest();
    rto.NoteMin(us, now, &at);
    loss.SetRest(at);
  }
  uint32_t rcv_unacked() const { return rcv_nxt - last_ack_sent; }  // taken in since the last ACK
  bool fin_unsent() const { return fin_queued && !fin_sent; }
  // The peer may still send: text and FIN are taken.
  bool receiving() const {
    return state == State::kEstablished || state == State::kFinWait1 || state == State::kFinWait2;
  }
  // SMSS of RFC 5681: payload of a full segment as it goes out.
  uint32_t smss() const { return timestamps ? mss - kTimestampBytes : mss; }
  static constexpr uint32_t kTimestampBytes = 12;
};

// Of 64 bytes: what a request, its reply and their ACKs touch. Held by hot_lines_test.cc, fetched
// ahead for a burst (receive.cc). Beside them, what other connections' share: the bucket of the
// flow table, the connection's handle in its table (eight of them a line), where NoteOf has the
// bytes that the owner has used up in this round (memory.cc); and of IPv6, its addresses.
inline constexpr int kConnLines = 2;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // of a struct with a constructor: known
static_assert(offsetof(Conn, name) == 0 && offsetof(Conn, armed_at) == 64);
static_assert(offsetof(Conn, congestion) + offsetof(Congestion, ssthresh) == kConnLines * 64);
static_assert(sizeof(Conn) == 5 * 64, "an idle connection pays for each of its lines");
static_assert(limits::kTcpRetries < 16 && limits::kTcpReceiveWindowBytesMax < (1 << 24));
#pragma GCC diagnostic pop

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_CONN_H_
