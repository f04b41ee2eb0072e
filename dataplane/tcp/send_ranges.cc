#include "dataplane/tcp/send_ranges.h"

#include <algorithm>

namespace meltemi::tcp {

void SendRanges::Reset(uint32_t una) {
  una_ = una;
  sacked_bytes_ = lost_bytes_ = 0;
  first_ = count_ = 0;
  disturbed_ = false;
}

bool SendRanges::Split(int index, uint32_t seq) {
  if (count_ == kRangesMax) return false;
  ++count_;
  for (int i = count_ - 1; i > index; --i) at(i) = at(i - 1);
  at(index).end = seq;
  return true;
}

void SendRanges::Erase(int index) {
  --count_;
  for (int i = index; i < count_; ++i) at(i) = at(i + 1);
}

void SendRanges::ClearLost(int index) {
  if (!at(index).lost) return;
  lost_bytes_ -= at(index).end - begin(index);
  at(index).lost = false;
}

void SendRanges::SetSacked(int index) {
  ClearLost(index);
  sacked_bytes_ += at(index).end - begin(index);
  at(index).sacked = true;
  disturbed_ = true;
}

void SendRanges::Sent(uint32_t end, Instant now) {
  if (count_ > 0) {
    SentRange& last = at(count_ - 1);
    if (last.plain() && last.sent_at == now) {
      last.end = end;
      return;
    }
    if (count_ >= kNewRangesMax) {
      ClearLost(count_ - 1);
      if (last.sacked) {
        sacked_bytes_ -= last.end - begin(count_ - 1);
        last.sacked = false;
      }
      last.end = end;
      last.sent_at = now;
      last.coarse = true;
      return;
    }
  }
  SentRange& range = at(count_++);
  range = SentRange{};
  range.end = end;
  range.sent_at = now;
}

void SendRanges::Resent(SeqRange part, Instant now) {
  int i = 0;
  while (i < count_ && SeqLessEq(at(i).end, part.begin)) ++i;
  if (i == count_) return;
  if (SeqLess(at(i).end, part.end)) {  // of several ranges
    const SeqRange rest{at(i).end, part.end};
    part.end = rest.begin;
    Resent(rest, now);
  }
  if (SeqLess(begin(i), part.begin) && Split(i, part.begin)) ++i;
  if (SeqLess(part.end, at(i).end)) Split(i, part.end);
  ClearLost(i);
  at(i).resent = true;
  at(i).coarse = false;
  at(i).sent_at = now;
  disturbed_ = true;
  // Segments sent again in one turn are one range again.
  if (i == 0) return;
  const SentRange& before = at(i - 1);
  if (before.sacked || before.lost || !before.resent || before.sent_at != now) return;
  at(i - 1).end = at(i).end;
  Erase(i);
}

void SendRanges::MarkLost(int index) {
  SentRange& range = at(index);
  if (range.sacked || range.lost) return;
  range.lost = true;
  lost_bytes_ += range.end - begin(index);
}

bool SendRanges::MarkHeadLost(uint32_t bytes) {
  if (count_ == 0 || at(0).resent || at(0).lost) return false;
  if (at(0).end - una_ > bytes) Split(0, una_ + bytes);
  MarkLost(0);
  return true;
}

void SendRanges::MarkAllLost() {
  for (int i = 0; i < count_; ++i) MarkLost(i);
  disturbed_ = true;
  Tidy();
}

void SendRanges::UnmarkLost() {
  for (int i = 0; i < count_; ++i) ClearLost(i);
  Tidy();
}

void SendRanges::ForgetSacks() {
  for (int i = 0; i < count_; ++i) at(i).sacked = false;
  sacked_bytes_ = 0;
}

// Of a SACKed range nothing more is asked but that it is; of a lost one, when it was sent hardly
// matters any more.
void SendRanges::Tidy() {
  if (count_ < 2) return;
  int kept = 0;
  for (int i = 1; i < count_; ++i) {
    SentRange& a = at(kept);
    const SentRange& b = at(i);
    const bool same_time = a.sent_at == b.sent_at && a.coarse == b.coarse;
    const bool alike =
        a.sacked ? b.sacked
                 : !b.sacked && a.lost == b.lost && a.resent == b.resent && (a.lost || same_time);
    if (!alike) {
      at(++kept) = b;
      continue;
    }
    a.coarse = a.coarse || !same_time;
    a.end = b.end;
    a.sent_at = std::max(a.sent_at, b.sent_at);
  }
  count_ = static_cast<uint8_t>(kept + 1);
}

SeqRange SendRanges::NextLost() const {
  if (lost_bytes_ > 0) {
    for (int i = 0; i < count_; ++i) {
      if ((*this)[i].lost) return {begin(i), (*this)[i].end};
    }
  }
  return {una_, una_};
}

uint32_t SendRanges::SackedSegments(uint32_t smss) const {
  uint32_t segments = 0;
  for (int i = 0; i < count_; ++i) {
    const SentRange& range = (*this)[i];
    if (range.sacked) segments += (range.end - begin(i) + smss - 1) / smss;
  }
  return segments;
}

uint32_t SendRanges::ResentBytes() const {
  uint32_t bytes = 0;
  for (int i = 0; i < count_; ++i) {
    const SentRange& range = (*this)[i];
    if (range.resent && !range.sacked) bytes += range.end - begin(i);
  }
  return bytes;
}

}  // namespace meltemi::tcp
