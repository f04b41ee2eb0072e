// RFC 9293 3.10.7.3 (SYN-SENT) and 3.10.7.4 (all other states), in their order.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// Of a segment that begins below rcv.nxt, the text and the FIN that have come before.
SeqRange OldPart(const Conn& c, const Segment& s) {
  return {s.seq + (s.has(kSyn) ? 1 : 0), SeqMin(s.end(), c.rcv_nxt)};
}

}  // namespace

void Tcp::Impl::Input(Conn& c, Segment& s, Instant now) {
  const Duration silence = now - c.last_heard_at;
  c.last_heard_at = now;
  c.keepalive_probes = 0;
  if (c.mtu_lowered) MaybeRaiseMtu(c, now);
  Verdict v = Verdict::kContinue;
  if (c.state == State::kSynSent) {
    v = InSynSent(c, s, now);
  } else {
    v = CheckTimestamp(c, s, silence, now);  // RFC 7323 5: before the first check
    if (v == Verdict::kContinue) v = CheckSequence(c, s, now);  // first
    if (v == Verdict::kContinue) v = CheckRst(c, s, now);       // second
    if (v == Verdict::kContinue) v = CheckSyn(c, s, now);  // fourth (third: security, obsolete)
    if (v == Verdict::kContinue) v = CheckAck(c, s, now);  // fifth
    // Sixth, the URG bit: the pointer is ignored, its data are ordinary data (RFC 6093).
    if (s.has(kUrg)) ++counters_.urgent_in;
    if (v == Verdict::kContinue) v = TakeText(c, s, now);  // seventh
    if (v == Verdict::kContinue) v = CheckFin(c, s, now);  // eighth
  }
  DropPacket(s);
  if (v == Verdict::kGone) return;
  MakeReady(c);
  Arm(c, now);
}

// 3.10.7.3
Verdict Tcp::Impl::InSynSent(Conn& c, Segment& s, Instant now) {
  const bool ack_ok = s.has(kAck) && SeqLess(c.iss, s.ack) && SeqLessEq(s.ack, c.snd_nxt);
  if (s.has(kAck) && !ack_ok) {
    ++counters_.drop_ack_unacceptable;
    RejectSegment(s);
    return Verdict::kDone;
  }
  if (s.has(kRst)) {
    if (!ack_ok) {
      ++counters_.drop_rst_sequence;
      return Verdict::kDone;
    }
    ++counters_.resets_in;
    DropPacket(s);
    Fail(c, TcpError::kRefused);
    return Verdict::kGone;
  }
  if (!s.has(kSyn)) {
    ++counters_.drop_syn_sent;
    return Verdict::kDone;
  }
  LearnSynOptions(c, s.options);
  NegotiateEcn(c, s);
  c.irs = s.seq;
  c.rcv_nxt = c.rcv_adv = s.seq + 1;
  c.last_ack_sent = c.rcv_nxt;
  if (!ack_ok) {  // simultaneous open
    c.state = State::kSynReceived;
    c.syn_now = true;
    return Verdict::kDone;
  }
  if (!c.syn_retransmitted) c.rto.Sample(now - c.rtt_sent_at);
  c.snd_una = s.ack;
  c.BeginWindow(s.window);  // of a SYN: not scaled
  c.ack_now = true;
  Established(c, now);
  ++counters_.connects;
  Emit(c, TcpEvent::Kind::kConnected);
  // What came with the SYN-ACK (fast open is not offered): text is taken as usual.
  ++s.seq;
  s.flags &= static_cast<uint8_t>(~kSyn);
  Verdict v = TakeText(c, s, now);
  if (v == Verdict::kContinue) v = CheckFin(c, s, now);
  return v;
}

// RFC 7323 5.3 R1: PAWS. `silence`: since the peer's segment before this one.
Verdict Tcp::Impl::CheckTimestamp(Conn& c, Segment& s, Duration silence, Instant now) {
  if (!c.timestamps || s.has(kRst)) return Verdict::kContinue;
  if (!s.options.timestamps) {
    if (s.has(kSyn)) return Verdict::kContinue;
    ++counters_.drop_no_timestamp;  // 3.2: a segment without it may be dropped silently
    return Verdict::kDone;
  }
  const uint32_t value = s.options.timestamps->value;
  if (!SeqLess(value, c.ts_recent)) return Verdict::kContinue;
  if (silence >= kTsRecentLife) {  // 5.5: the peer's clock may have gone half round
    ++counters_.paws_expired;
    c.ts_recent = value;
    return Verdict::kContinue;
  }
  ++counters_.drop_paws;
  // What was sent before a copy of it that has overtaken it: the peer learns of both.
  if (s.text_bytes > 0 && SeqLess(s.seq, c.rcv_nxt)) NoteDuplicate(c, OldPart(c, s));
  AnswerInvalid(c, now);
  return Verdict::kDone;
}

// RFC 7323 5.3 R3: only an acceptable segment that holds the left edge of what we acknowledged last
// sets TS.Recent; from any other a forger could push it ahead and shut out the peer.
void Tcp::Impl::NoteTimestamp(Conn& c, const Segment& s) {
  if (!c.timestamps || !s.options.timestamps || s.has(kRst) || s.has(kSyn)) return;
  if (SeqLessEq(s.seq, c.last_ack_sent)) c.ts_recent = s.options.timestamps->value;
}

// First: is any of it in the window? What lies outside is cut off.
Verdict Tcp::Impl::CheckSequence(Conn& c, Segment& s, Instant now) {
  if (c.state == State::kSynReceived && s.has(kSyn) && s.seq == c.irs) {
    if (!s.has(kAck)) {  // the peer repeats its SYN: our SYN-ACK was lost
      c.syn_now = true;
      return Verdict::kDone;
    }
    // Simultaneous open (3.5, figure 7): the SYN of its SYN-ACK is the one we know.
    s.flags &= static_cast<uint8_t>(~kSyn);
    ++s.seq;
  }
  const uint32_t window = c.rcv_wnd();
  const uint32_t length = s.length();
  bool acceptable = false;
  if (length == 0) {
    acceptable = window == 0 ? s.seq == c.rcv_nxt : s.seq - c.rcv_nxt < window;
    // A keepalive or window probe repeats the last byte: it wants an answer, below. An ACK from
    // just before the edge (rcv.nxt - 1 .. ) is otherwise old.
  } else if (window > 0) {
    acceptable = s.seq - c.rcv_nxt < window || s.end() - 1 - c.rcv_nxt < window ||
                 (SeqLessEq(s.seq, c.rcv_nxt) && SeqLess(c.rcv_nxt, s.end()));
  } else {
    acceptable = false;
  }
  if (acceptable) {
    NoteTimestamp(c, s);
    TrimToWindow(c, &s);
    return Verdict::kContinue;
  }
  if (s.has(kRst)) {
    // One sent before its FIN by a peer that has closed since: it counts (as in Linux).
    if (c.fin_received && s.seq == c.rcv_nxt - 1) return Verdict::kContinue;
    ++counters_.drop_rst_out_of_window;
    return Verdict::kDone;
  }
  // An old duplicate: nothing new in it, but its ACK may still count when the window is closed.
  if (length > 0 && SeqLessEq(s.end(), c.rcv_nxt)) {
    ++counters_.duplicate_segments_in;
    c.ack_now = true;  // the peer missed our ACK
    NoteDuplicate(c, OldPart(c, s));
    return Verdict::kDone;
  }
  ++counters_.drop_out_of_window;
  if (window == 0 && length > 0 && s.seq == c.rcv_nxt && s.has(kAck)) {
    c.ack_now = true;  // a window probe
    return CheckAck(c, s, now) == Verdict::kGone ? Verdict::kGone : Verdict::kDone;
  }
  if (s.has(kSyn)) {  // RFC 5961 4.2: wherever it lies
    Challenge(c, now);
  } else {
    AnswerInvalid(c, now);
  }
  return Verdict::kDone;
}

void Tcp::Impl::TrimToWindow(Conn& c, Segment* s) {
  if (SeqLess(s->seq, c.rcv_nxt)) {
    NoteDuplicate(c, OldPart(c, *s));
    uint32_t cut = c.rcv_nxt - s->seq;
    if (s->has(kSyn)) {
      s->flags &= static_cast<uint8_t>(~kSyn);
      --cut;
      ++s->seq;
    }
    cut = std::min(cut, s->text_bytes);
    s->text_offset += cut;
    s->text_bytes -= cut;
    s->seq += cut;
  }
  const uint32_t right = c.rcv_adv;
  if (SeqLess(right, s->seq + s->text_bytes)) {
    s->text_bytes = SeqLess(s->seq, right) ? right - s->seq : 0;
    s->flags &= static_cast<uint8_t>(~kFin);
  }
}

// Second. RFC 5961 3.2: only a RST exactly at rcv.nxt counts; one elsewhere in the window is
// challenged.
Verdict Tcp::Impl::CheckRst(Conn& c, Segment& s, Instant now) {
  if (!s.has(kRst)) return Verdict::kContinue;
  if (s.seq != c.rcv_nxt && !(c.fin_received && s.seq == c.rcv_nxt - 1)) {
    ++counters_.drop_rst_sequence;
    Challenge(c, now);
    return Verdict::kDone;
  }
  ++counters_.resets_in;
  DropPacket(s);
  Fail(c, c.state == State::kSynReceived ? TcpError::kRefused : TcpError::kReset);
  return Verdict::kGone;
}

// Fourth. RFC 5961 4.2: a SYN on a synchronized connection is challenged, never obeyed.
Verdict Tcp::Impl::CheckSyn(Conn& c, Segment& s, Instant now) {
  if (!s.has(kSyn)) return Verdict::kContinue;
  ++counters_.drop_syn_in_window;
  Challenge(c, now);
  return Verdict::kDone;
}

// Seventh.
Verdict Tcp::Impl::TakeText(Conn& c, Segment& s, Instant now) {
  if (s.text_bytes == 0) return Verdict::kContinue;
  if (!c.receiving()) {
    ++counters_.drop_text_after_fin;
    c.ack_now = true;
    return Verdict::kContinue;
  }
  if (c.ecn) NoteEcn(c, s);
  if (RefuseText(c)) return Verdict::kDone;
  const Intake intake = rooms_.pressed() ? LimitText(c, s) : Intake::kTake;
  if (intake == Intake::kJoin) {
    JoinText(c, s);
    ScheduleAck(c, s, now);
    return Verdict::kContinue;
  }
  if (intake == Intake::kRefuse) {
    ++counters_.drop_rooms_short;
    c.ack_now = true;
    if (s.seq == c.rcv_nxt) ShutWindow(c);
    return Verdict::kDone;
  }
  const uint32_t full = s.part_bytes != 0 ? s.part_bytes : s.text_bytes;
  c.rcv_mss = std::max<uint16_t>(c.rcv_mss, static_cast<uint16_t>(std::min<uint32_t>(full, c.mss)));
  // RFC 9293 3.9.1 (MUST-61): the last segment of what is queued is pushed.
  Follows follows = full >= c.rcv_mss && !s.has(kPsh) ? Follows::kMore : Follows::kUnknown;
  Chain bytes;
  pool_->TakePayload(s.packet, s.text_offset, s.text_bytes, &bytes);
  s.packet = nullptr;
  if (intake == Intake::kCopy) CopyToSmallRooms(&bytes);
  const SeqRange part{s.seq, s.seq + s.text_bytes};
  const bool beyond_hole = c.holes && !c.reassembly->empty();
  if (beyond_hole) {
    NoteDuplicate(c, c.reassembly->FirstHeld(part));
    follows = Follows::kUnknown;  // it may be followed by what was pushed
  }
  if (s.seq == c.rcv_nxt) {
    if (beyond_hole) {
      Chain joined;
      const uint32_t rooms = c.reassembly->room_bytes();
      c.reassembly->Join(&c.rcv_nxt, std::move(bytes), &joined);
      bytes = std::move(joined);
      memory_.Refund(rooms - c.reassembly->room_bytes());
      if (c.reassembly->needless()) DropReassembly(c);
    } else {
      c.rcv_nxt += s.text_bytes;
    }
    // The peer has seen what left since this round began: memory.cc.
    if (!c.round_answered && s.options.timestamps &&
        SeqLess(c.round_stamp, s.options.timestamps->echo)) {
      c.round_answered = true;
    }
    DeliverText(c, std::move(bytes), follows);
    if (beyond_hole) c.ack_now = true;  // RFC 5681 4.2: at once when a hole is filled
    ScheduleAck(c, s, now);
    if (s.cut) ShutWindow(c);
    return Verdict::kContinue;
  }
  ++counters_.out_of_order_in;
  c.ack_now = true;  // RFC 5681 4.2: at once when out of order
  if (RefuseOutOfOrder(c)) return Verdict::kContinue;
  Reassembly::Result result = Reassembly::Result::kFull;
  if (ReassemblyOf(c) != nullptr) {
    const uint32_t rooms = c.reassembly->room_bytes();
    result = c.reassembly->Add(s.seq, std::move(bytes));
    memory_.Charge(c.reassembly->room_bytes() - rooms);
  }
  if (result == Reassembly::Result::kFull) ++counters_.drop_out_of_order_full;
  if (result == Reassembly::Result::kDuplicate) ++counters_.duplicate_segments_in;
  return Verdict::kContinue;
}

// Null: there are none left.
Reassembly* Tcp::Impl::ReassemblyOf(Conn& c) {
  if (c.reassembly == nullptr) {
    c.reassembly = reassemblies_.Take();
    c.holes = c.reassembly != nullptr;
    if (c.holes) c.reassembly->Clear();
  }
  return c.reassembly;
}

// RFC 2883 4: the next ACK tells of it, and leaves at once.
void Tcp::Impl::NoteDuplicate(Conn& c, SeqRange part) {
  if (!c.sack || part.size() == 0 || ReassemblyOf(c) == nullptr) return;
  c.reassembly->NoteDuplicate(part);
  c.ack_now = true;
}

void Tcp::Impl::DeliverText(Conn& c, Chain bytes, Follows follows) {
  counters_.bytes_in += bytes.size();
  if (c.detached) {
    counters_.drop_detached_bytes += bytes.size();
    return;
  }
  ChargeUnread(c, bytes);
  TcpEvent event{.kind = TcpEvent::Kind::kData, .id = IdOf(c), .cookie = c.cookie};
  event.bytes = std::move(bytes);
  event.more = follows == Follows::kMore;
  events_->push_back(std::move(event));
}

// RFC 1122 4.2.3.2, RFC 5681 4.2: at least every second full segment, and within delayed_ack. At
// once when the peer has pushed and no text of ours is to be expected: it may have no window left
// to send a second segment, and would wait for the timer (Linux since 6.7 does the same).
void Tcp::Impl::ScheduleAck(Conn& c, const Segment& s, Instant now) {
  const bool pushed = s.has(kPsh) && !c.interactive;
  if (c.quick_acks > 0 || pushed || c.rcv_unacked() >= 2u * c.rcv_mss) {
    if (c.quick_acks > 0) --c.quick_acks;
    c.ack_now = true;
  } else if (!c.ack_delayed) {
    DelayAck(c, now);
  }
}

// Eighth.
Verdict Tcp::Impl::CheckFin(Conn& c, Segment& s, Instant now) {
  if (s.has(kFin) && !c.fin_received) {
    c.fin_waiting = true;
    c.fin_seq = s.seq + s.text_bytes;
    c.ack_now = true;  // also when it waits behind a hole
  }
  if (!c.fin_waiting || c.fin_seq != c.rcv_nxt) return Verdict::kContinue;
  c.fin_waiting = false;
  return OnFinReceived(c, now);
}

Verdict Tcp::Impl::OnFinReceived(Conn& c, Instant now) {
  c.fin_received = true;
  ++c.rcv_nxt;
  if (SeqLess(c.rcv_adv, c.rcv_nxt)) c.rcv_adv = c.rcv_nxt;
  c.ack_now = true;
  if (!c.detached) Emit(c, TcpEvent::Kind::kEof);
  switch (c.state) {
    case State::kSynReceived:
    case State::kEstablished:
      c.state = State::kCloseWait;
      break;
    case State::kFinWait1:  // our FIN is not acknowledged yet, else we were in FIN-WAIT-2
      c.state = State::kClosing;
      break;
    case State::kFinWait2:
      EnterTimeWait(c, now);
      return Verdict::kGone;
    case State::kSynSent:
    case State::kCloseWait:
    case State::kClosing:
    case State::kLastAck:
      break;
  }
  return Verdict::kContinue;
}

// An ACK that lets an honest peer correct itself, limited per connection, so that two ends that
// disagree do not talk for ever (RFC 9293 3.10.7.4, 7323 5.3).
bool Tcp::Impl::AnswerInvalid(Conn& c, Instant now) {
  if (!c.challenged_at.never() && now - c.challenged_at < kChallengeInterval) {
    ++counters_.challenge_acks_limited;
    return false;
  }
  c.challenged_at = now;
  ++counters_.challenge_acks;
  c.ack_now = true;
  return true;
}

// RFC 5961 7: a challenge ACK, limited per worker as well. The worker's limit is drawn anew every
// second: a fixed one tells who counts the rest how many went to others (CVE-2016-5696).
void Tcp::Impl::Challenge(Conn& c, Instant now) {
  if (now >= challenge_second_ends_at_) {
    challenge_second_ends_at_ = now + Duration::Seconds(1);
    constexpr uint32_t kLimit = limits::kTcpChallengeAcksPerSecond;
    challenges_left_ = kLimit / 2 + static_cast<uint32_t>(prng_->Below(kLimit));
  }
  if (challenges_left_ == 0) {
    ++counters_.challenge_acks_limited_worker;
    return;
  }
  if (AnswerInvalid(c, now)) --challenges_left_;
}

void Tcp::Impl::LearnSynOptions(Conn& c, const Options& o) {
  // A peer that asks for tiny segments makes us pay a packet for each: there is a least size.
  c.peer_mss = std::max<uint16_t>(o.mss.value_or(kPeerMssDefault), limits::kTcpSendMssMin);
  c.sack = o.sack_permitted;
  c.timestamps = o.timestamps.has_value();
  if (c.timestamps) c.ts_recent = o.timestamps->value;
  c.snd_wscale = o.window_scale.value_or(0);
  c.rcv_wscale = o.window_scale ? kRcvWscale : 0;
  UpdateMss(c);
}

}  // namespace meltemi::tcp
