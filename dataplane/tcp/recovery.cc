// Losses: how they are noticed (RFC 8985; 6582 without SACK), and what the window does about them
// (RFC 9937).
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

// What an ACK means for the recovery under way, and whether one begins.
void Tcp::Impl::Recover(Conn& c, const Segment& s, uint32_t flight_before, AckNews* news) {
  LossState& loss = *c.loss;
  bool ece = c.ecn && s.has(kEce);
  const bool hint =
      c.sack ? loss.ranges.disturbed() || news->dsack : news->duplicate || loss.recover_valid;
  if (loss.calm() && !hint && !ece && !loss.tlp_open && !loss.undo.possible) {
    loss.duplicate_acks = 0;
    return;
  }
  // An echo of what was sent before the window was reduced tells nothing new (RFC 3168 6.1.2).
  if (ece && loss.mode != LossState::Mode::kOpen) ece = SeqLess(loss.recover, c.snd_una);
  const bool probe_reported = CheckProbe(c, s, flight_before, *news);
  if (news->dsack && !probe_reported) OnDsack(c, *news);
  if (loss.undo.possible) CheckUndo(c, s, *news);
  if (loss.mode == LossState::Mode::kTimeout) DecideFrto(c, *news);
  if (loss.mode != LossState::Mode::kOpen && !SeqLess(c.snd_una, loss.recover)) {
    LeaveRecovery(c);
    // What was lost of the text sent since it began, whether sent again yet or not, is of another
    // round trip: losses in two successive windows lower it twice (RFC 5681 4.3).
    news->lost = loss.ranges.lost_bytes() > 0;
    const bool again = c.sack && loss.ranges.ResentBytes() > 0;
    if (news->lost || again) EnterRecovery(c, flight_before, *news);
  }
  if (ece) OnEce(c, flight_before);
  if (c.sack) {
    DetectBySack(c, flight_before, news);
  } else {
    DetectByDuplicates(c, flight_before, news);
  }
  if (loss.reducing() && news->delivered > 0) UsePrr(c, *news);
}

void Tcp::Impl::UsePrr(Conn& c, const AckNews& news) {
  LossState& loss = *c.loss;
  const bool safe = news.acked > 0 && !news.lost;
  c.congestion.cwnd =
      loss.prr.OnAck(news.delivered, safe, c.pipe(), c.congestion.ssthresh, c.smss());
}

// Losses were found. RFC 9438 4.6 or 5681 3.2 for ssthresh; the window follows by PRR.
void Tcp::Impl::EnterRecovery(Conn& c, uint32_t flight_before, const AckNews& news) {
  LossState& loss = *c.loss;
  if (loss.mode == LossState::Mode::kRecovery || loss.mode == LossState::Mode::kTimeout) return;
  ++counters_.fast_recoveries;
  if (loss.mode == LossState::Mode::kOpen) {  // else it comes down already
    loss.undo.Begin(c.snd_una, loss.ranges.ResentBytes(), c.congestion);
    c.congestion.OnLoss(flight_before, c.smss());
    loss.prr.Start(c.flight() - loss.ranges.sacked_bytes() + news.delivered);
  }
  loss.mode = LossState::Mode::kRecovery;
  loss.recover = c.snd_nxt;
  loss.recover_valid = true;
  loss.partial_ack = false;
  loss.tlp_open = loss.tlp_due = false;
}

// All that was in flight when it began is acknowledged. RFC 9937 6.2: cwnd = ssthresh, but (RFC
// 6582 3.2 (3), option 1) not in one burst when the peer's window has let the network run empty:
// from what is in flight it is a slow start.
void Tcp::Impl::LeaveRecovery(Conn& c) {
  LossState& loss = *c.loss;
  if (loss.reducing()) {
    const uint32_t burst = c.pipe() + Congestion::kBurstSegments * c.smss();
    c.congestion.cwnd = std::max(std::min(c.congestion.ssthresh, burst), c.smss());
  }
  if (loss.mode != LossState::Mode::kReduced) c.rack_window.OnRecoveryEnd();
  loss.mode = LossState::Mode::kOpen;
  loss.frto = LossState::Frto::kOff;
  loss.duplicate_acks = 0;
  loss.reno_sacked = 0;
  Undo& undo = loss.undo;
  undo.possible = undo.possible && c.sack && undo.sent_again && undo.bytes > 0;
  undo.ended = true;
  undo.end = c.snd_nxt;
}

// RFC 8985 6.2 step 4.
Duration Tcp::Impl::ReorderingWindow(const Conn& c) const {
  const LossState& loss = *c.loss;
  if (!c.reordering) {
    const bool recovering =
        loss.mode == LossState::Mode::kRecovery || loss.mode == LossState::Mode::kTimeout;
    if (recovering || loss.ranges.SackedSegments(c.smss()) >= kDupThresh) return Duration();
  }
  return std::min(c.rto.min_rtt() * c.rack_window.mult / 4, c.rto.srtt());
}

// RFC 8985 6.2 step 5.
void Tcp::Impl::DetectBySack(Conn& c, uint32_t flight_before, AckNews* news) {
  LossState& loss = *c.loss;
  if (!loss.ranges.disturbed()) return;
  if (loss.ranges.head_sacked()) {
    // An ACK that stops before what was SACKed: it is gone (RFC 2018 8).
    ++counters_.sack_reneging;
    loss.ranges.ForgetSacks();
    loss.ranges.MarkAllLost();
    news->lost = true;
    return EnterRecovery(c, flight_before, *news);
  }
  const Rack::Found found = loss.rack.DetectLoss(&loss.ranges, ReorderingWindow(c), news->now);
  if (found.ranges_lost > 0) {
    counters_.rack_losses += found.ranges_lost;
    news->lost = true;
    EnterRecovery(c, flight_before, *news);
  }
  if (!found.wait.zero()) {
    loss.SetAux(LossState::Aux::kReordering, news->now + found.wait);
  } else if (loss.aux == LossState::Aux::kReordering) {
    loss.ClearAux();
  }
  if (loss.calm() && found.wait.zero()) loss.ranges.Settle();
}

// The reordering timer: what was only late has had its time.
void Tcp::Impl::OnReorderingTimer(Conn& c, Instant now) {
  ++counters_.reordering_timeouts;
  AckNews news{.now = now};
  const LossState::Mode before = c.loss->mode;
  DetectBySack(c, c.flight(), &news);
  if (c.loss->reducing() && c.loss->mode != before) UsePrr(c, news);
  MakeReady(c);
}

// Without SACK: RFC 5681 3.2, 3042 (each duplicate lets one new segment out: pipe() counts them),
// 6582 3.2.
void Tcp::Impl::DetectByDuplicates(Conn& c, uint32_t flight_before, AckNews* news) {
  LossState& loss = *c.loss;
  const uint32_t smss = c.smss();
  if (news->acked > 0) {
    loss.duplicate_acks = 0;
    if (loss.mode == LossState::Mode::kOpen) {
      loss.reno_sacked = 0;  // it was disorder only
      if (SeqLess(loss.recover, c.snd_una)) loss.recover_valid = false;
    }
    // A partial ACK: what it stops at is lost too.
    if (loss.mode == LossState::Mode::kRecovery) news->lost = loss.ranges.MarkHeadLost(smss);
    return;
  }
  if (!news->duplicate || c.flight() == 0) return;
  loss.reno_sacked = std::min(loss.reno_sacked + smss, c.flight() - 1);
  news->delivered = smss;
  if (loss.mode == LossState::Mode::kRecovery || loss.mode == LossState::Mode::kTimeout) return;
  // RFC 6582 3.2 (1): duplicates of what a recovery has sent again begin no other.
  const bool after_recovery = loss.recover_valid && !SeqLess(loss.recover, c.snd_una);
  if (++loss.duplicate_acks < kDupThresh || after_recovery) return;
  loss.ranges.MarkHeadLost(smss);
  news->lost = true;
  EnterRecovery(c, flight_before, *news);
}

// RFC 8985 6.2 step 4: spurious retransmissions widen the reordering window, once each round trip.
void Tcp::Impl::OnDsack(Conn& c, const AckNews& news) {
  LossState& loss = *c.loss;
  Rack& rack = loss.rack;
  if (rack.dsack_round_open && !SeqLess(c.snd_una, rack.dsack_round)) rack.dsack_round_open = false;
  if (!rack.dsack_round_open) {
    rack.dsack_round_open = true;
    rack.dsack_round = c.snd_nxt;
    c.rack_window.OnSpuriousRound();
  }
  Undo& undo = loss.undo;
  // As in Linux, only of what had been acknowledged before: above that a duplicate may be of any
  // transmission, and would take back what a true loss has cost.
  const uint32_t una_before = c.snd_una - news.acked;
  if (undo.possible && SeqLessEq(undo.begin, news.again.begin) &&
      SeqLessEq(news.again.end, una_before)) {
    undo.bytes -= std::min(undo.bytes, news.again.size());
  }
}

// RFC 8985 7.4.2. True: the ACK's D-SACK is of the probe.
bool Tcp::Impl::CheckProbe(Conn& c, const Segment& s, uint32_t flight_before, const AckNews& news) {
  LossState& loss = *c.loss;
  if (!loss.tlp_open) return false;
  // Beyond a hole too: it is of no other retransmission.
  if (loss.tlp_resent && news.dsack && news.again.end == loss.tlp_end) {
    loss.tlp_open = false;
    return true;
  }
  if (SeqLess(s.ack, loss.tlp_end)) return false;
  if (!loss.tlp_resent) {
    loss.tlp_open = false;  // it was new text: all arrived
    return false;
  }
  if (SeqLess(loss.tlp_end, s.ack)) {
    loss.tlp_open = false;
    ++counters_.tlp_recoveries;  // the probe repaired a loss
    if (loss.mode == LossState::Mode::kOpen) c.congestion.OnLoss(flight_before, c.smss());
  } else if (news.duplicate && s.options.sack_count == 0) {
    loss.tlp_open = false;
  }
  return false;
}

// RFC 8985 7.2: when to ask the peer what it has, if it falls silent.
void Tcp::Impl::ScheduleProbe(Conn& c, Instant now) {
  LossState& loss = *c.loss;
  if (loss.aux == LossState::Aux::kReordering) return;
  if (!c.sack || loss.tlp_open || !loss.calm()) return loss.ClearAux();
  Duration wait = c.rto.measured() ? c.rto.srtt() * 2 : kProbeInitial;
  // Less than two segments may wait for a delayed ACK (RFC 5681 4.2).
  wait = wait + (c.flight() < 2 * c.smss() ? kProbeAckDelay : kProbeMargin);
  loss.SetAux(LossState::Aux::kProbe, std::min(now + wait, c.retransmit_at().At(now)));
}

// The probe, reordering or forgetting is due.
void Tcp::Impl::OnAuxTimer(Conn& c, Instant now) {
  LossState& loss = *c.loss;
  const LossState::Aux what = loss.aux;
  loss.ClearAux();
  switch (what) {
    case LossState::Aux::kNone:
      break;
    case LossState::Aux::kProbe:
      if (c.flight() == 0 || !loss.calm()) break;
      loss.tlp_due = true;
      RestartRetransmit(c, now);  // 7.3: also when the probe cannot be sent
      MakeReady(c);
      break;
    case LossState::Aux::kReordering:
      OnReorderingTimer(c, now);
      break;
    case LossState::Aux::kForget:
      if (c.flight() == 0) DropLoss(c);
      break;
  }
}

// After a timeout nothing is known to be in the network. RFC 5681 3.1, 5682 2.1 (1), 8985 6.3.
void Tcp::Impl::LoseFlight(Conn& c) {
  LossState& loss = *c.loss;
  const bool first = loss.mode == LossState::Mode::kOpen;
  if (first) loss.undo.Begin(c.snd_una, loss.ranges.ResentBytes(), c.congestion);
  const bool ask = loss.mode != LossState::Mode::kRecovery && loss.undo.possible;
  loss.frto = ask ? LossState::Frto::kAsked : LossState::Frto::kOff;
  c.congestion.OnTimeout(c.flight(), c.smss(), first);
  loss.mode = LossState::Mode::kTimeout;
  loss.recover = c.snd_nxt;
  loss.recover_valid = true;
  SendAllAgain(c);
}

// Everything in flight but what is SACKed.
void Tcp::Impl::SendAllAgain(Conn& c) {
  LossState& loss = *c.loss;
  if (loss.ranges.head_sacked()) {
    ++counters_.sack_reneging;
    loss.ranges.ForgetSacks();
  }
  loss.ranges.MarkAllLost();
  loss.reno_sacked = 0;
  loss.duplicate_acks = 0;
  loss.tlp_open = loss.tlp_due = false;
  loss.ClearAux();
}

}  // namespace meltemi::tcp
