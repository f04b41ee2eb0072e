// LossState: what a sender knows of its flight: when each part was sent, what is missing, the
// recovery in progress, and how to take a recovery back. RFC 8985 (RACK-TLP), 6582 (NewReno without
// SACK), 6675 (pipe), 9937 (PRR), 3522 and 5682 (spurious timeouts), 9406 (HyStart++).
//
// Taken from a pool when text leaves, given back when all is acknowledged and nothing of it can
// still turn out to have been for nothing: an idle connection has none. Pure state: the steps are
// in recovery.cc. Bound: SendRanges.
#ifndef MELTEMI_DATAPLANE_TCP_LOSS_H_
#define MELTEMI_DATAPLANE_TCP_LOSS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dataplane/tcp/congestion.h"
#include "dataplane/tcp/hystart.h"
#include "dataplane/tcp/prr.h"
#include "dataplane/tcp/rack.h"
#include "dataplane/tcp/send_ranges.h"
#include "dataplane/tcp/seq.h"
#include "dataplane/tcp/short_time.h"

namespace meltemi::tcp {

// What one ACK brought. Scratch of one segment.
struct AckNews {
  Instant now;
  uint32_t acked = 0;      // bytes that snd.una moved by
  uint32_t delivered = 0;  // bytes newly acknowledged in any way
  bool duplicate = false;  // RFC 5681 2
  bool sacked = false;     // SACK blocks told something new
  bool original = false;   // something sent once, before `recover`, was delivered
  bool resent = false;     // something sent again was delivered
  bool lost = false;       // more turned out to be lost
  bool dsack = false;      // RFC 2883: `again` arrived twice
  SeqRange again;
  Instant first_sent = Instant::Never();  // the oldest transmission that this ACK times
  Instant last_sent = Instant::Never();   // the newest
};

// A window reduction that may turn out to have been for nothing.
struct Undo {
  bool possible = false;
  bool sent_again = false;
  bool eifel = false;  // the segment at snd.una was sent again by this recovery, for the first time
  bool ended = false;  // the recovery is over; D-SACKs may still come until `end` is acknowledged
  uint32_t begin = 0;  // snd.una when it happened
  uint32_t end = 0;
  uint32_t bytes = 0;      // sent again and not reported twice by the peer
  uint32_t timestamp = 0;  // RetransmitTS of RFC 3522: our clock when `eifel` became true
  alignas(8) Congestion before;

  // `resent`: what an earlier recovery sent again is still in flight and may be reported too.
  void Begin(uint32_t una, uint32_t resent, const Congestion& congestion) {
    possible = true;
    sent_again = resent > 0;
    eifel = ended = false;
    begin = una;
    bytes = resent;
    before = congestion;
  }
  // `first`: the first retransmission there is of the segment at snd.una.
  void OnResent(uint32_t size, bool first, uint32_t clock) {
    if (!possible || ended) return;
    if (!sent_again && first) {
      eifel = true;
      timestamp = clock;
    }
    sent_again = true;
    bytes += size;
  }
};

// Laid out by cache lines: a flight in which nothing is amiss touches the first, that of HyStart
// and RACK, and that of the first range, which lie together.
struct LossState {
  // kOpen: nothing decided, though ACKs may tell of disorder. kReduced: the window comes down for
  // ECN. kRecovery: something is lost. kTimeout: after an RTO. All but kOpen last until snd.una
  // reaches `recover`.
  enum class Mode : uint8_t { kOpen, kReduced, kRecovery, kTimeout };
  // What `aux_at` is for.
  enum class Aux : uint8_t { kNone, kProbe, kReordering, kForget };
  // F-RTO, RFC 5682 2.1: kAsked: the first segment was sent again. kNewText: its ACK let new text
  // out instead of more of the old; the next ACK decides.
  enum class Frto : uint8_t { kOff, kAsked, kNewText };

  Mode mode = Mode::kOpen;
  Aux aux = Aux::kNone;
  Frto frto = Frto::kOff;
  bool recover_valid = false;  // snd.una has not passed `recover` yet
  bool partial_ack = false;    // this recovery has had one
  bool tlp_due = false;        // a loss probe is to be sent
  bool tlp_open = false;       // one is out: TLP.end_seq is tlp_end
  bool tlp_resent = false;     // TLP.is_retrans
  uint8_t duplicate_acks = 0;  // in a row, without SACK
  uint32_t tlp_end = 0;
  uint32_t recover = 0;
  uint32_t reno_sacked = 0;  // without SACK: bytes that duplicate ACKs say have left the network
  uint32_t rtt_end = 0;      // the next sample of SRTT is taken when this is acknowledged
  Deadline retransmit_at;    // of the connection, while it has this: Conn::retransmit_at
  Instant aux_at = Instant::Never();
  Undo undo;
  Prr prr;
  alignas(64) HyStart hystart;
  Rack rack;
  SendRanges ranges;

  // Begins at `una` with nothing in flight.
  void Reset(uint32_t una) {
    mode = Mode::kOpen;
    aux = Aux::kNone;
    aux_at = Instant::Never();
    retransmit_at = {};
    frto = Frto::kOff;
    recover_valid = partial_ack = tlp_due = tlp_open = tlp_resent = false;
    duplicate_acks = 0;
    reno_sacked = 0;
    recover = rtt_end = una;
    ranges.Reset(una);
    rack.Reset(una);
    hystart.Reset(una);
    undo.possible = false;
  }

  // SetPipe() of RFC 6675 4: bytes thought to be in the network.
  uint32_t Pipe(uint32_t flight) const {
    const uint32_t out = ranges.sacked_bytes() + ranges.lost_bytes() + reno_sacked;
    return flight > out ? flight - out : 0;
  }

  // One range, sent once, and no episode is open: nothing can be learned of its ACK but a round
  // trip.
  bool simple() const {
    return ranges.count() == 1 && ranges[0].plain() && !ranges[0].coarse && mode == Mode::kOpen &&
           !tlp_open && !undo.possible && !recover_valid && reno_sacked == 0;
  }
  // PRR sets the window.
  bool reducing() const { return mode == Mode::kReduced || mode == Mode::kRecovery; }
  // Nothing is missing and nothing hints at it.
  bool calm() const {
    return mode == Mode::kOpen && ranges.sacked_bytes() == 0 && ranges.lost_bytes() == 0 &&
           reno_sacked == 0;
  }
  void SetAux(Aux what, Instant at) {
    aux = what;
    aux_at = at;
  }
  void ClearAux() { SetAux(Aux::kNone, Instant::Never()); }
};

static_assert(offsetof(LossState, undo) + offsetof(Undo, before) == 64);
static_assert(offsetof(LossState, hystart) == 2 * 64 && offsetof(LossState, ranges) == 3 * 64);

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_LOSS_H_
