// The fifth check of RFC 9293 3.10.7.4: acknowledgements. RFC 5681, 2018 and 2883 (SACK), 6298.
// What they say about losses is in recovery.cc.
#include <algorithm>
#include <utility>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

Verdict Tcp::Impl::CheckAck(Conn& c, Segment& s, Instant now) {
  if (!s.has(kAck)) {
    ++counters_.drop_no_ack;
    return Verdict::kDone;
  }
  if (c.state == State::kSynReceived) {
    const bool ack_ok = SeqLess(c.snd_una, s.ack) && SeqLessEq(s.ack, c.snd_nxt);
    if (!ack_ok && !TurnIntoCookie(c, s, now)) {
      ++counters_.drop_ack_unacceptable;
      RejectSegment(s);
      return Verdict::kDone;
    }
    if (!c.syn_retransmitted && !c.rtt_sent_at.never()) c.rto.Sample(now - c.rtt_sent_at);
    c.snd_una = s.ack;
    c.BeginWindow(uint32_t{s.window} << c.snd_wscale);
    NoteWl1(c, s);
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
  if (SeqLess(c.snd_nxt, s.ack) || SeqLess(s.ack, c.snd_una - c.snd_wnd_max())) {
    ++counters_.drop_ack_unacceptable;
    Challenge(c, now);
    return Verdict::kDone;
  }
  if (c.flight() == 0) c.retries = 0;  // an answer to a probe
  const uint32_t old_window = c.snd_wnd;
  UpdateWindow(c, s);
  if (c.flight() == 0 && c.snd_wnd > 0) c.backoff = 0;  // of the probes
  if (c.snd_wnd == 0) c.retries = 0;                    // RFC 9293 3.8.6.1: shut on us, but alive
  if (c.loss != nullptr) OnAck(c, s, c.snd_wnd != old_window, now);
  // What our FIN's acknowledgement changes.
  const bool fin_acked = c.fin_sent && c.snd_una == c.snd_nxt;
  if (!fin_acked) return Verdict::kContinue;
  if (c.state == State::kFinWait1) {
    c.state = State::kFinWait2;
    if (c.detached) SetLife(c, now + kFinWait2Max, now);
  } else if (c.state == State::kClosing) {
    EnterTimeWait(c, now);
    return Verdict::kGone;
  } else if (c.state == State::kLastAck) {
    Close(c, TcpError::kNone);
    return Verdict::kGone;
  }
  return Verdict::kContinue;
}

// RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep an old segment from shrinking the window. WL2 never
// does: it is at most snd.una, and an ACK before that has returned. Nor does WL1 up to rcv.nxt, as
// what lies before rcv.nxt has been cut off the segment: it is kept only while it is beyond.
void Tcp::Impl::UpdateWindow(Conn& c, const Segment& s) {
  if (SeqLess(s.ack, c.snd_una)) return;
  if (c.wl1_ahead && SeqLess(s.seq, c.snd_wl1)) return;
  c.snd_wnd = uint32_t{s.window} << c.snd_wscale;
  c.snd_field_max = std::max(c.snd_field_max, s.window);
  NoteWl1(c, s);
}

void Tcp::Impl::NoteWl1(Conn& c, const Segment& s) {
  c.wl1_ahead = SeqLess(c.rcv_nxt, s.seq);
  if (c.wl1_ahead) c.snd_wl1 = s.seq;
}

// What is acknowledged leaves the queue and the list of ranges; what that says about round trips,
// losses and the window follows.
void Tcp::Impl::OnAck(Conn& c, const Segment& s, bool window_changed, Instant now) {
  LossState& loss = *c.loss;
  if (s.ack == c.snd_nxt && loss.simple() && s.options.sack_count == 0 && !s.has(kEce)) {
    return OnWholeAck(c, now);
  }
  AckNews news{.now = now};
  news.acked = SeqLess(c.snd_una, s.ack) ? s.ack - c.snd_una : 0;
  news.duplicate = s.ack == c.snd_una && s.text_bytes == 0 && !s.has(kFin) && !window_changed;
  const uint32_t flight_before = c.flight();
  if (news.acked > 0) TakeCumulativeAck(c, s, &news);
  if (c.sack && s.options.sack_count > 0) TakeSacks(c, s, &news);
  SampleRtt(c, s, news);
  const bool grows = news.acked > 0 && !loss.reducing();
  Recover(c, s, flight_before, &news);
  if (grows) GrowWindow(c, news);
  if (c.flight() == 0) {
    c.SetRetransmitAt(Instant::Never());
    // A probe or a retransmission may still turn out to have been for nothing, and without SACK its
    // duplicate ACKs must be known for what they are.
    if (loss.tlp_open || loss.undo.possible || (!c.sack && loss.recover_valid)) {
      loss.SetAux(LossState::Aux::kForget, now + Timeout(c));
    } else {
      DropLoss(c);
    }
  } else if (news.acked > 0) {
    // RFC 6298 (5.3); but 6582 3.2 (3), Impatient: without SACK a recovery has one round trip for
    // each loss, and when those are many a timeout is the shorter way.
    const bool newreno = !c.sack && loss.mode == LossState::Mode::kRecovery;
    if (!newreno || !std::exchange(loss.partial_ack, true)) RestartRetransmit(c, now);
    ScheduleProbe(c, now);
  } else if (loss.aux == LossState::Aux::kProbe && !loss.calm()) {
    loss.ClearAux();
  }
  TellSendSpace(c, now);
}

// The short way for what is by far the most frequent: all of a flight that left in one turn is
// acknowledged, and nothing is or was amiss. The same as OnAck does.
void Tcp::Impl::OnWholeAck(Conn& c, Instant now) {
  const Duration rtt = now - c.loss->ranges[0].sent_at;
  const uint32_t us = Rto::Micros(rtt);
  c.NoteMinRtt(us, now);
  c.rto.SampleMicros(us);
  const uint32_t acked = c.flight();
  const uint32_t sent = c.sent();
  memory_.Refund(sent);
  if (sent > 0 && c.queue.unsent() == 0) rooms_.QueueEnds();
  c.queue.RemoveAllSent(sent, &c.split);
  c.snd_una = c.snd_nxt;
  c.retries = 0;
  c.backoff = 0;
  c.keepalive_probes = 0;
  if (c.cwnd_limited) {
    GrowWindow(c, {.now = now, .acked = acked, .last_sent = now - rtt});
  }
  c.SetRetransmitAt(Instant::Never());
  DropLoss(c);
  TellSendSpace(c, now);
}

void Tcp::Impl::TellSendSpace(Conn& c, Instant now) {
  if (!c.send_full) return;
  if (c.reset_last) {
    // By the timer: whoever called is not done with the connection.
    if (c.queued_bytes() == 0) SetLife(c, now, now);
    return;
  }
  uint32_t low = memory_.SendQueueLow(c.congestion.cwnd, c.set_aside());
  if (rooms_.pressed()) low = std::min(low, std::max(PressedSendQueueMax(c).bytes / 2, 1u));
  if (c.queued_bytes() >= low) return;
  c.send_full = false;
  if (!c.detached) Emit(c, TcpEvent::Kind::kSendSpace);
}

// One range was delivered: RFC 8985 6.2 steps 1 to 3, and what F-RTO and round trips need of it.
void Tcp::Impl::NoteDelivered(Conn& c, const Segment& s, const SentRange& range, SeqRange part,
                              AckNews* news) {
  LossState& loss = *c.loss;
  news->delivered += part.size();
  bool old_echo = false;
  if (range.resent) {
    news->resent = true;
    old_echo = c.timestamps && s.options.timestamps &&
               SeqLess(s.options.timestamps->echo, TimestampNow(c, range.sent_at));
  } else {
    if (SeqLessEq(part.end, loss.recover)) news->original = true;
    if (!range.coarse) {
      if (news->first_sent.never()) news->first_sent = range.sent_at;
      news->last_sent = range.sent_at;
    }
  }
  loss.rack.Delivered(range, part.end, news->now, c.rto.min_rtt(), old_echo);
  if (loss.rack.Overtaken(range, part.end) && !c.reordering && c.sack) {
    c.reordering = true;
    ++counters_.reordering_seen;
  }
}

void Tcp::Impl::TakeCumulativeAck(Conn& c, const Segment& s, AckNews* news) {
  LossState& loss = *c.loss;
  // The FIN is the last thing sent: all but it are bytes of the queue.
  const uint32_t sent = c.sent();
  const uint32_t bytes = std::min(news->acked, sent);
  c.queue.RemoveSent(bytes, sent, &c.split);
  memory_.Refund(bytes);
  c.snd_una = s.ack;
  if (bytes > 0 && c.queued_bytes() == 0) rooms_.QueueEnds();
  c.retries = 0;
  c.backoff = 0;
  c.keepalive_probes = 0;
  loss.ranges.Ack(c.snd_una, [&](const SentRange& range, SeqRange part) {
    NoteDelivered(c, s, range, part, news);
  });
  if (loss.reno_sacked > 0) {
    // Of these bytes, duplicate ACKs have told before (all but the segment that was missing).
    const uint32_t told = news->acked > c.smss() ? news->acked - c.smss() : 0;
    const uint32_t gone = std::min(loss.reno_sacked, told);
    loss.reno_sacked -= gone;
    news->delivered -= std::min(news->delivered, gone);
  }
}

void Tcp::Impl::TakeSacks(Conn& c, const Segment& s, AckNews* news) {
  const Options& o = s.options;
  const SeqRange& first = o.sack[0];
  // RFC 2883 4: the first block tells of text that came twice when it lies below the ACK, or within
  // the second block.
  if (SeqLess(first.begin, first.end) && SeqLessEq(first.end, c.snd_nxt) &&
      (SeqLess(first.begin, s.ack) ||
       (o.sack_count > 1 && SeqLessEq(o.sack[1].begin, first.begin) &&
        SeqLessEq(first.end, o.sack[1].end)))) {
    ++counters_.dsacks_in;
    news->dsack = true;
    news->again = first;
  }
  for (int i = 0; i < o.sack_count; ++i) {
    const SeqRange& block = o.sack[i];
    ++counters_.sack_blocks_in;
    if (SeqLessEq(block.end, c.snd_una)) continue;  // nothing new
    if (!SeqLess(block.begin, block.end) || SeqLess(c.snd_nxt, block.end) ||
        SeqLess(block.begin, c.snd_una)) {
      ++counters_.sack_blocks_invalid;
      continue;
    }
    c.loss->ranges.Sack(block, [&](const SentRange& range, SeqRange part) {
      news->sacked = true;
      NoteDelivered(c, s, range, part, news);
    });
  }
}

// Karn (RFC 6298 3): only a range never sent again gives a sample, one each round trip; timestamps
// lift that (RFC 7323 4).
void Tcp::Impl::SampleRtt(Conn& c, const Segment& s, const AckNews& news) {
  LossState& loss = *c.loss;
  if (!news.last_sent.never()) {
    c.NoteMinRtt(Rto::Micros(news.now - news.last_sent), news.now);
  }
  if (news.acked == 0 || SeqLess(c.snd_una, loss.rtt_end)) return;
  if (!news.first_sent.never()) {
    c.rto.Sample(news.now - news.first_sent);
    loss.rtt_end = c.snd_nxt;
    return;
  }
  if (!c.timestamps || !s.options.timestamps || s.options.timestamps->echo == 0) return;
  const uint32_t elapsed_ms = TimestampNow(c, news.now) - s.options.timestamps->echo;
  if (elapsed_ms >= 60'000) return;
  c.rto.Sample(Duration::Millis(std::max<uint32_t>(elapsed_ms, 1)));
  loss.rtt_end = c.snd_nxt;
}

// PRR rules recovery. After a timeout the window slow-starts over what is sent again, which is
// always more than it lets out; else it grows only while it is what holds us back (RFC 9293 3.8.2,
// 7661).
void Tcp::Impl::GrowWindow(Conn& c, const AckNews& news) {
  LossState& loss = *c.loss;
  if (loss.reducing()) return;
  if (loss.mode == LossState::Mode::kOpen && !c.cwnd_limited) return;
  // RFC 9406 4: in the first slow start.
  const bool first_slow_start = c.congestion.ssthresh == UINT32_MAX;
  c.congestion.OnAcked(news.acked, c.smss(), c.rto.srtt(), news.now,
                       first_slow_start ? loss.hystart.divisor() : 1);
  c.curve = c.congestion.cubic.on_curve();
  if (first_slow_start && !news.last_sent.never() &&
      loss.hystart.OnAck(c.snd_una, c.snd_nxt, news.now - news.last_sent)) {
    ++counters_.hystart_exits;
    c.congestion.ssthresh = c.congestion.cwnd;
  }
}

// Of the flight that begins at snd.nxt, or is under way. The pool has one for each connection.
LossState& Tcp::Impl::Loss(Conn& c) {
  if (c.loss == nullptr) {
    c.loss = losses_.Take();
    CHECK(c.loss != nullptr);
    c.loss->Reset(c.snd_una);
    if (c.retransmit_rare) c.loss->retransmit_at = c.rare_retransmit_at;
    c.retransmit_rare = false;
  }
  return *c.loss;
}

void Tcp::Impl::DropLoss(Conn& c) {
  if (c.loss == nullptr) return;
  const Deadline retransmit_at = c.loss->retransmit_at;
  losses_.Give(c.loss);
  c.loss = nullptr;
  c.SetRetransmitAt(retransmit_at);
}

}  // namespace meltemi::tcp
