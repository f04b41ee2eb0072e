// Timers: one wheel entry per connection, armed for the earliest of its deadlines; one for all
// delayed ACKs, one for all corks, one for TIME-WAIT.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

uint32_t Tcp::Impl::TimestampNow(const Conn& c, Instant now) const {
  return TimestampClock(now) + c.timestamp_offset;
}

// Lazy: a timer is touched only when a deadline comes before the one that it is armed for. One that
// has moved back is found not due when the timer fires, which is armed again. life_at is looked at
// by SetLife, and here by the timer.
void Tcp::Impl::Arm(Conn& c, Instant now) {
  Deadline earliest = c.retransmit_at();
  if (c.loss != nullptr) {
    const Deadline aux_at = c.loss->aux_at;
    if (aux_at.before(earliest)) earliest = aux_at;
  }
  if (!earliest.before(c.armed_at)) return;
  c.armed_at = earliest;
  timers_->Schedule(&c.timer, earliest.At(now));
}

// After the timer has fired. The life of a connection mostly ends last: it is asked last.
void Tcp::Impl::ArmAll(Conn& c, Instant now) {
  Arm(c, now);
  SetLife(c, c.life_at, now);
}

void Tcp::Impl::SetLife(Conn& c, Instant at, Instant now) {
  c.life_at = at;
  if (at.never()) return;
  const Deadline deadline = std::min(at, now + kArmedMax);
  if (!deadline.before(c.armed_at)) return;
  c.armed_at = deadline;
  timers_->Schedule(&c.timer, deadline.At(now));
}

Duration Tcp::Impl::Timeout(const Conn& c) const {
  // RFC 6298 (5.7): the first one was too short for the SYN.
  const bool syn_was_lost = c.syn_retransmitted && !c.syn_in_flight();
  const Duration initial =
      syn_was_lost ? std::max(options_.rto_initial, kRtoAfterSynLoss) : options_.rto_initial;
  return c.rto.Timeout(initial, options_.rto_min, c.backoff);
}

void Tcp::Impl::RestartRetransmit(Conn& c, Instant now) { c.SetRetransmitAt(now + Timeout(c)); }

void Tcp::Impl::OnTimer(Timer& timer, Instant now) {
  if (&timer == &time_wait_timer_) return OnTimeWaitTimer(now);
  if (&timer == &delayed_ack_timer_) return OnDelayedAckTimer(now);
  if (&timer == &cork_timer_) return OnCorkTimer(now);
  Conn* c = conns_.Find(TcpId::FromBits(timer.subject));
  CHECK(c != nullptr);
  c->armed_at = Instant::Never();
  if (c->life_at <= now && !OnLifeTimer(*c, now)) return;
  // First: a probe takes the place of a timeout that is due with it (RFC 8985 7.3).
  if (c->loss != nullptr && c->loss->aux_at <= now) OnAuxTimer(*c, now);
  if (c->retransmit_at().due(now) && !OnRetransmitTimeout(*c, now)) return;
  ArmAll(*c, now);
}

void Tcp::Impl::OnTimeWaitTimer(Instant now) {
  while (TimeWait* entry = time_wait_.oldest()) {
    if (entry->deadline > now) {
      timers_->Schedule(&time_wait_timer_, entry->deadline);
      return;
    }
    flows_.Erase(entry->hash, entry);
    time_wait_.Remove(entry);
  }
}

// RFC 1122 4.2.3.2. Most delayed ACKs go out with text before they are due: that takes a connection
// from the queue, and leaves the timer alone, which finds out when it fires.
void Tcp::Impl::DelayAck(Conn& c, Instant now) {
  const Instant until = now + options_.delayed_ack;
  c.ack_delayed = true;
  delayed_acks_.Push(&c, until);
  if (!delayed_ack_timer_.pending()) timers_->Schedule(&delayed_ack_timer_, until);
}

void Tcp::Impl::OnDelayedAckTimer(Instant now) {
  while (Conn* c = delayed_acks_.front()) {
    const Deadline until = delayed_acks_.front_until();
    if (!until.due(now)) {
      timers_->Schedule(&delayed_ack_timer_, until.At(now));
      return;
    }
    UndelayAck(*c);
    c->interactive = false;
    c->ack_now = true;
    ++counters_.delayed_acks;
    MakeReady(*c);
  }
}

void Tcp::Impl::Cork(Conn& c, Instant now) {
  const Instant until = now + kCorkMax;
  c.corked = true;
  corks_.Push(&c, until);
  if (!cork_timer_.pending()) timers_->Schedule(&cork_timer_, until);
}

// What was to follow at once has not come.
void Tcp::Impl::OnCorkTimer(Instant now) {
  while (Conn* c = corks_.front()) {
    const Deadline until = corks_.front_until();
    if (!until.due(now)) {
      timers_->Schedule(&cork_timer_, until.At(now));
      return;
    }
    Uncork(*c);
    if (c->queue.unsent() == 0) continue;
    ++counters_.corks_timed_out;
    MakeReady(*c);
  }
}

// The deadline of an open, the end of a released FIN-WAIT-2, of what is to be reset, or keepalive.
// False: the connection is gone.
bool Tcp::Impl::OnLifeTimer(Conn& c, Instant now) {
  c.life_at = Instant::Never();
  if (c.syn_in_flight()) {
    Fail(c, TcpError::kTimeout);
    return false;
  }
  if (c.reset_last && c.queued_bytes() == 0) {
    SendRst(c);
    Destroy(c);
    return false;
  }
  if (c.state == State::kFinWait2 && c.detached) {
    ++counters_.fin_wait_2_timeouts;
    Close(c, TcpError::kNone);
    return false;
  }
  Duration silence = now - c.last_heard_at;
  if (silence > kTsRecentLife) {  // as old as makes a difference: last_heard_at must not go round
    silence = kTsRecentLife + Duration::Seconds(1);
    c.last_heard_at = now - silence;
  }
  const Keepalive& keepalive = keepalives_[c.keepalive];
  if (keepalive.idle.zero()) {
    c.life_at = now + SilenceChecked(c);
    return true;
  }
  // RFC 9293 3.8.4: only when nothing is in flight, else retransmission does the asking. All times
  // are from when the peer was heard last: an answer to a probe begins a new idle time, which may
  // be shorter than the interval between probes without one.
  const Instant due = now + (SilenceChecked(c) + keepalive.interval * c.keepalive_probes - silence);
  if (due > now) {
    c.life_at = due;
    return true;
  }
  if (c.flight() == 0) {
    if (c.keepalive_probes >= keepalive.probes) {
      ++counters_.timeouts;
      Fail(c, TcpError::kTimeout);
      return false;
    }
    ++c.keepalive_probes;
    ++counters_.keepalive_probes;
    c.probe_now = true;
    MakeReady(c);
  }
  c.life_at = now + std::min(keepalive.idle, keepalive.interval);
  return true;
}

// RFC 6298 5.4-5.7; RFC 9293 3.8.3 for giving up.
bool Tcp::Impl::OnRetransmitTimeout(Conn& c, Instant now) {
  c.SetRetransmitAt(Instant::Never());
  if (c.syn_in_flight()) {
    if (++c.retries > limits::kTcpSynRetries) {
      Fail(c, c.soft_error ? TcpError::kUnreachable : TcpError::kTimeout);  // RFC 5461 4.1
      return false;
    }
    ++counters_.syn_retransmits;
    if (c.state == State::kSynSent && AsksForEcn(c)) ++counters_.ecn_fallbacks;
    ++c.backoff;
    c.syn_retransmitted = true;
    c.syn_now = true;
    RestartRetransmit(c, now);
    MakeReady(c);
    return true;
  }
  // Of a shut window's probes too: an answer, even one that keeps it shut, sets the count back.
  if (c.retries == limits::kTcpRetries) {
    ++counters_.timeouts;
    Fail(c, c.soft_error ? TcpError::kUnreachable : TcpError::kTimeout);  // RFC 5461 4
    return false;
  }
  ++c.retries;
  if (c.flight() == 0) return OnPersist(c, now);
  if (c.retries >= limits::kTcpBlackHoleRetries) SuspectBlackHole(c, now);
  if (c.snd_wnd == 0 && GiveUpOrphan(c)) return false;
  ++counters_.rto_expirations;
  if (c.backoff < kRtoBackoffMax) ++c.backoff;  // a shut window may keep it here for ever
  LoseFlight(c);
  RestartRetransmit(c, now);
  MakeReady(c);
  return true;
}

// The window is shut: probe it, without limit as long as the peer answers (RFC 9293 3.8.6.1).
bool Tcp::Impl::OnPersist(Conn& c, Instant now) {
  if (c.queue.unsent() == 0) {
    c.retries = 0;
    return true;
  }
  if (GiveUpOrphan(c)) return false;
  if (c.usable_window() > 0) {
    c.push_window = true;  // a window smaller than a segment: send what fits
  } else {
    ++counters_.window_probes;
    c.probe_now = true;
    if (c.backoff < kRtoBackoffMax) ++c.backoff;
  }
  RestartRetransmit(c, now);
  MakeReady(c);
  return true;
}

// A peer may keep an owner waiting at a shut window as long as the owner likes. When the owner has
// left, what is still queued does not wait for ever (Linux: tcp_orphan_retries).
bool Tcp::Impl::GiveUpOrphan(Conn& c) {
  if (!c.detached || c.backoff < limits::kTcpOrphanProbesMax || c.usable_window() > 0) return false;
  ++counters_.orphans_given_up;
  SendRst(c);
  Destroy(c);
  return true;
}

}  // namespace meltemi::tcp
