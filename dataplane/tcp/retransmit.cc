// What goes out again: lost text and tail loss probes. When is decided in recovery.cc.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

// What is lost, as far as the congestion window allows; the first segment of a timeout or a
// recovery always. False: no packet memory.
bool Tcp::Impl::SendLost(Conn& c, Instant now, int* room) {
  LossState& loss = *c.loss;
  if (loss.frto == LossState::Frto::kNewText) return true;  // RFC 5682 2.1 (2b)
  while (*room > 0 && loss.ranges.lost_bytes() > 0) {
    SeqRange part = loss.ranges.NextLost();
    const uint32_t smss = c.smss();
    const uint32_t pipe = c.pipe();
    const uint32_t cwnd = c.congestion.cwnd > pipe ? c.congestion.cwnd - pipe : 0;
    if (pipe > 0 && cwnd < std::min(part.size(), smss)) return true;
    // As many whole segments as one packet and the window take.
    const uint32_t bytes = std::min<uint32_t>(cwnd / smss, c.super_frame_segments) * smss;
    part.end = SeqMin(part.end, part.begin + std::max(bytes, smss));
    if (!SendAgain(c, part, now)) return false;
    --*room;
  }
  return true;
}

// RFC 8985 7.3: new text when the peer's window takes it (the congestion window is not asked), else
// the last segment again. False: no packet memory.
bool Tcp::Impl::SendProbe(Conn& c, Instant now, int* room) {
  LossState& loss = *c.loss;
  if (*room == 0) return true;
  loss.tlp_due = false;
  if (c.flight() == 0 || !loss.calm()) return true;
  ++counters_.tlp_probes;
  --*room;
  const uint32_t smss = c.smss();
  const auto queued = std::min(c.queue.unsent(), smss);
  loss.tlp_open = true;
  loss.tlp_resent = queued == 0 || c.usable_window() < queued;
  if (!loss.tlp_resent) {
    const bool sent = SendNewText(c, queued, now);
    loss.tlp_end = c.snd_nxt;
    return sent;
  }
  loss.tlp_end = c.snd_nxt;
  // Segments begin where their range begins; a FIN goes with the text before it.
  const SendRanges& ranges = loss.ranges;
  const uint32_t text_end = c.snd_nxt - (c.fin_sent ? 1 : 0);
  const uint32_t first = ranges.begin(ranges.count() - 1);
  uint32_t begin = c.snd_una;
  if (SeqLess(first, text_end)) {
    begin = first + (text_end - first - 1) / smss * smss;
  } else if (SeqLess(c.snd_una, text_end)) {
    begin = text_end - std::min(text_end - c.snd_una, smss);
  }
  return SendAgain(c, {begin, c.snd_nxt}, now);
}

// A part of what is in flight, no more than a packet takes, and the FIN if it is part of it.
bool Tcp::Impl::SendAgain(Conn& c, SeqRange part, Instant now) {
  LossState& loss = *c.loss;
  const uint32_t text_end = c.snd_una + c.sent();
  const bool fin = c.fin_sent && part.end == text_end + 1;
  const uint32_t bytes = part.size() - (fin ? 1 : 0);
  uint8_t flags = kAck;
  if (fin) flags |= kFin;
  if (bytes > 0 && part.begin + bytes == text_end && c.queue.unsent() == 0) flags |= kPsh;
  if (!SendText(c, part.begin, c.queue.At(part.begin - c.snd_una), bytes, flags, 0, now))
    return false;
  ++counters_.retransmits;
  counters_.retransmit_bytes += bytes;
  // A probe of all that is in flight was no recovery.
  const SentRange& head = loss.ranges[0];
  const bool probed = loss.tlp_resent && head.end == loss.tlp_end;
  const bool first = part.begin == c.snd_una && (!head.resent || probed);
  loss.undo.OnResent(part.size(), first, TimestampNow(c, now));
  loss.ranges.Resent(part, now);
  if (loss.reducing()) loss.prr.OnSent(part.size());
  return true;
}

}  // namespace meltemi::tcp
