// The fifth check of RFC 9293 3.10.7.4: acknowledgements. RFC 5681, 6582 (NewReno), 6675 (SACK),
// 6298.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

Verdict Tcp::Impl::CheckAck(Conn& c, Segment& s, Instant now) {
  if (!s.has(kAck)) {
    ++counters_.drop_no_ack;
    return Verdict::kDone;
  }
  if (c.state == State::kSynReceived) {
    if (!SeqLess(c.snd_una, s.ack) || !SeqLessEq(s.ack, c.snd_nxt)) {
      ++counters_.drop_ack_unacceptable;
      RejectSegment(s);
      return Verdict::kDone;
    }
    if (!c.syn_retransmitted && !c.rtt_sent_at.never()) c.rto.Sample(now - c.rtt_sent_at);
    c.snd_una = s.ack;
    c.snd_wnd = c.snd_wnd_max = uint32_t{s.window} << c.snd_wscale;
    c.snd_wl1 = s.seq;
    c.snd_wl2 = s.ack;
    Established(c, now);
    if (c.passive) {
      LeaveHalfOpen(c);
      ++counters_.accepts;
      Emit(c, TcpEvent::Kind::kAccepted);
    } else {
      ++counters_.connects;
      Emit(c, TcpEvent::Kind::kConnected);
    }
    return Verdict::kContinue;
  }
  // RFC 5961 5.2: acceptable are snd.una - max.snd.wnd <= ack <= snd.nxt.
  if (SeqLess(c.snd_nxt, s.ack) || SeqLess(s.ack, c.snd_una - c.snd_wnd_max)) {
    ++counters_.drop_ack_unacceptable;
    Challenge(c, now);
    return Verdict::kDone;
  }
  if (c.flight() == 0) c.retries = 0;  // an answer to a probe
  const uint32_t old_window = c.snd_wnd;
  const bool advances = SeqLess(c.snd_una, s.ack);
  UpdateWindow(c, s);
  if (c.flight() == 0 && c.snd_wnd > 0) c.backoff = 0;  // of the probes
  if (c.snd_wnd == 0) c.retries = 0;                    // RFC 9293 3.8.6.1: shut on us, but alive
  if (c.sack) TakeSacks(c, s);
  if (advances) {
    OnNewAck(c, s, now);
  } else if (s.ack == c.snd_una) {
    OnSameAck(c, s, c.snd_wnd != old_window, now);
  }
  // What our FIN's acknowledgement changes.
  const bool fin_acked = c.fin_sent && c.snd_una == c.snd_nxt;
  if (!fin_acked) return Verdict::kContinue;
  if (c.state == State::kFinWait1) {
    c.state = State::kFinWait2;
    if (c.detached) c.life_at = now + kFinWait2Max;
  } else if (c.state == State::kClosing) {
    EnterTimeWait(c, now);
    return Verdict::kGone;
  } else if (c.state == State::kLastAck) {
    Close(c, TcpError::kNone);
    return Verdict::kGone;
  }
  return Verdict::kContinue;
}

// RFC 9293 3.10.7.4: snd.wl1 and snd.wl2 keep an old segment from shrinking the window.
void Tcp::Impl::UpdateWindow(Conn& c, const Segment& s) {
  if (SeqLess(s.ack, c.snd_una)) return;
  if (!SeqLess(c.snd_wl1, s.seq) && !(c.snd_wl1 == s.seq && SeqLessEq(c.snd_wl2, s.ack))) return;
  c.snd_wnd = uint32_t{s.window} << c.snd_wscale;
  c.snd_wnd_max = std::max(c.snd_wnd_max, c.snd_wnd);
  c.snd_wl1 = s.seq;
  c.snd_wl2 = s.ack;
}

void Tcp::Impl::OnNewAck(Conn& c, const Segment& s, Instant now) {
  const uint32_t acked = s.ack - c.snd_una;
  SampleRtt(c, s, now);
  // The FIN is the last thing sent: all but it are bytes of `sent`.
  const uint32_t bytes = std::min<uint32_t>(acked, static_cast<uint32_t>(c.sent.size()));
  c.sent.RemovePrefix(bytes);
  memory_.Refund(bytes);
  c.snd_una = s.ack;
  c.retries = 0;
  c.backoff = 0;
  c.keepalive_probes = 0;
  if (c.loss != nullptr) {
    AdvanceRecovery(c, acked);
  }
  // Fast recovery holds cwnd; after a timeout it slow-starts over what is sent again, which is
  // always more than it lets out. Else it grows only while it is what holds us back (RFC
  // 9293 3.8.2, 7661).
  const bool recovering = c.loss != nullptr && c.loss->recovering();
  const bool slow_start_again = recovering && c.loss->mode == LossState::Mode::kTimeout;
  if (slow_start_again || (!recovering && c.cwnd_limited)) {
    c.congestion.OnAcked(acked, c.smss(), c.rto.srtt, now);
  }
  if (c.flight() == 0) {
    c.retransmit_at = Instant::Never();
  } else {
    RestartRetransmit(c, now);
  }
  if (c.send_full && c.queued_bytes() < memory_.SendQueueMax(c.congestion.cwnd) / 2) {
    c.send_full = false;
    if (!c.detached) Emit(c, TcpEvent::Kind::kSendSpace);
  }
}

// A duplicate ACK: RFC 5681 2. With SACK the blocks decide, without it the count of duplicates.
void Tcp::Impl::OnSameAck(Conn& c, const Segment& s, bool window_changed, Instant now) {
  (void)now;
  if (c.flight() == 0) return;
  const bool duplicate = s.text_bytes == 0 && !s.has(kFin) && !window_changed;
  if (c.sack) {
    if (c.loss != nullptr && c.loss->mode == LossState::Mode::kDisorder &&
        SeqLess(c.snd_una, c.loss->lost_edge)) {
      EnterRecovery(c);
    }
    return;
  }
  if (!duplicate) return;
  LossState* loss = Loss(c);
  if (loss == nullptr) return;
  loss->reno_sacked = std::min(loss->reno_sacked + c.smss(), c.flight() - 1);
  if (loss->mode == LossState::Mode::kDisorder && loss->reno_sacked >= kDupThresh * c.smss()) {
    loss->lost_edge = SeqMin(c.snd_una + c.smss(), c.snd_nxt);
    EnterRecovery(c);
  }
}

void Tcp::Impl::TakeSacks(Conn& c, const Segment& s) {
  for (int i = 0; i < s.options.sack_count; ++i) {
    const SeqRange& block = s.options.sack[i];
    ++counters_.sack_blocks_in;
    const uint32_t una = SeqMax(c.snd_una, s.ack);
    if (SeqLessEq(block.end, una)) continue;  // D-SACK (RFC 2883): nothing new
    if (!SeqLess(block.begin, block.end) || SeqLess(c.snd_nxt, block.end) ||
        SeqLess(block.begin, una)) {
      ++counters_.sack_blocks_invalid;
      continue;
    }
    LossState* loss = Loss(c);
    if (loss == nullptr) return;
    loss->AddSack(block);
  }
  if (c.loss != nullptr) c.loss->UpdateLostEdge(c.smss());
}

void Tcp::Impl::EnterRecovery(Conn& c) {
  ++counters_.fast_recoveries;
  LossState& loss = *c.loss;
  loss.mode = LossState::Mode::kRecovery;
  loss.recover = c.snd_nxt;
  loss.rtx_nxt = c.snd_una;
  loss.send_one_now = true;
  c.congestion.OnLoss(c.flight(), c.smss());
}

// Cumulative ACK while something was missing. RFC 6582 3.2 (partial ACKs), 6675 5.
void Tcp::Impl::AdvanceRecovery(Conn& c, uint32_t acked) {
  LossState& loss = *c.loss;
  loss.Advance(c.snd_una);
  loss.reno_sacked -= std::min(loss.reno_sacked, acked > c.smss() ? acked - c.smss() : 0);
  if (loss.recovering() && !SeqLess(c.snd_una, loss.recover)) {
    if (loss.mode == LossState::Mode::kRecovery) {
      // RFC 6582 3.2 (3) option 1: no burst at the end of recovery.
      c.congestion.cwnd =
          std::min(c.congestion.ssthresh, std::max(c.flight(), c.smss()) + c.smss());
    }
    loss.mode = LossState::Mode::kDisorder;
    loss.reno_sacked = 0;
    loss.lost_edge = c.snd_una;
  }
  if (loss.mode == LossState::Mode::kRecovery) {
    if (!c.sack) {  // the next hole begins here
      loss.rtx_nxt = c.snd_una;
      loss.lost_edge = SeqMin(c.snd_una + c.smss(), c.snd_nxt);
      loss.send_one_now = true;
    } else if (SeqLessEq(loss.lost_edge, c.snd_una) && loss.sacked_count > 0) {
      // Blocks remain above an ACK that stopped at a hole: the hole is lost.
      loss.lost_edge = loss.sacked[0].begin;
    }
  } else if (loss.mode == LossState::Mode::kDisorder) {
    if (SeqLess(c.snd_una, loss.lost_edge)) {
      EnterRecovery(c);
    } else if (loss.sacked_count == 0 && loss.reno_sacked == 0) {
      DropLoss(c);
    }
  }
}

// Karn (RFC 6298 3): only a range never sent again gives a sample; timestamps lift that (RFC 7323
// 4).
void Tcp::Impl::SampleRtt(Conn& c, const Segment& s, Instant now) {
  if (c.rtt_timing && SeqLessEq(c.rtt_seq, s.ack)) {
    c.rtt_timing = false;
    c.rto.Sample(now - c.rtt_sent_at);
    return;
  }
  if (c.loss == nullptr || !c.timestamps || !s.options.timestamps) return;
  if (s.options.timestamps->echo == 0) return;
  const uint32_t elapsed_ms = TimestampNow(c, now) - s.options.timestamps->echo;
  if (elapsed_ms < 60'000) c.rto.Sample(Duration::Millis(std::max<uint32_t>(elapsed_ms, 1)));
}

LossState* Tcp::Impl::Loss(Conn& c) {
  if (c.loss == nullptr) {
    c.loss = losses_.Take();
    if (c.loss != nullptr) c.loss->Reset(c.snd_una);
  }
  return c.loss;
}

void Tcp::Impl::DropLoss(Conn& c) {
  if (c.loss == nullptr) return;
  losses_.Give(c.loss);
  c.loss = nullptr;
}

}  // namespace meltemi::tcp
