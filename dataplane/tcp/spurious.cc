// Recoveries that were for nothing are taken back: Eifel (RFC 3522, 4015), F-RTO (RFC 5682), D-SACK
// (RFC 2883).
#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

// Was the window reduced for nothing? All that was sent again arrived twice (RFC 2883, 3708), or
// (Eifel, RFC 3522 3.2) the first ACK after the retransmission of the segment at snd.una answers
// its first transmission. Only that one: a later ACK may answer what another recovery sent again.
void Tcp::Impl::CheckUndo(Conn& c, const Segment& s, const AckNews& news) {
  Undo& undo = c.loss->undo;
  if (undo.ended && SeqLess(undo.end, c.snd_una)) {
    undo.possible = false;
    return;
  }
  if (!undo.sent_again) return;
  const bool all_twice = news.dsack && undo.bytes == 0;
  const bool first_answered = undo.eifel && !undo.ended && news.acked > 0 && c.timestamps &&
                              s.options.timestamps && s.options.timestamps->echo != 0 &&
                              SeqLess(s.options.timestamps->echo, undo.timestamp);
  if (news.acked > 0) undo.eifel = false;
  if (all_twice || first_answered) TakeBack(c);
}

void Tcp::Impl::TakeBack(Conn& c) {
  LossState& loss = *c.loss;
  ++counters_.undos;
  if (loss.mode == LossState::Mode::kTimeout) {
    ++counters_.spurious_timeouts;
  } else if (c.sack && !c.reordering) {
    c.reordering = true;
    ++counters_.reordering_seen;
  }
  c.congestion.Undo(loss.undo.before);
  c.curve = true;
  loss.undo.possible = false;
  loss.ranges.UnmarkLost();
  loss.mode = LossState::Mode::kOpen;
  loss.frto = LossState::Frto::kOff;
  loss.duplicate_acks = 0;
  loss.reno_sacked = 0;
  c.backoff = 0;
}

// RFC 5682 2.1 and 3.1, after a timeout: ACKs of text that was sent once only mean that nothing was
// lost.
void Tcp::Impl::DecideFrto(Conn& c, const AckNews& news) {
  LossState& loss = *c.loss;
  if (loss.frto == LossState::Frto::kOff) return;
  // Without SACK an ACK over both may be the retransmission's doing.
  if (news.original && (c.sack || !news.resent)) return TakeBack(c);
  if (loss.frto == LossState::Frto::kNewText) {
    if (news.sacked || news.duplicate) loss.frto = LossState::Frto::kOff;  // (3a)
  } else if (news.acked > 0) {                                             // (2b)
    const bool new_text = c.queue.unsent() > 0 && c.usable_window() > 0;
    loss.frto = new_text ? LossState::Frto::kNewText : LossState::Frto::kOff;
  } else if (news.duplicate) {  // (2a)
    loss.frto = LossState::Frto::kOff;
  }
}

}  // namespace meltemi::tcp
