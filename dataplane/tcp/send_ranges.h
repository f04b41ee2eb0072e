// SendRanges: what is in flight, as ranges of sequence space that share a fate: when they were last
// sent, and whether they are SACKed, lost, or were sent again. The scoreboard of RFC 6675 and the
// per-segment times of RFC 8985 in one list, ascending and without gaps:
//
//   una       [0].end    [1].end         [2].end       nxt
//    |---lost---|--SACKed--|--in flight----|--in flight--|
//                           sent at t1       sent at t2
//
// What leaves in one turn shares its instant and is one range, however many segments it is. Bound:
// kRangesMax. When they run out the list grows coarse, never wrong: new text joins the newest range
// under the later time (found lost later), and a SACK block that needs a range of its own is
// forgotten (something may be sent twice). Pure state; lives in LossState.
#ifndef MELTEMI_DATAPLANE_TCP_SEND_RANGES_H_
#define MELTEMI_DATAPLANE_TCP_SEND_RANGES_H_

#include <array>
#include <cstdint>

#include "dataplane/tcp/seq.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

struct SentRange {
  uint32_t end = 0;  // it begins where the one before ends
  bool sacked : 1 = false;
  bool lost : 1 = false;    // thought to have left the network unseen: to be sent again
  bool resent : 1 = false;  // sent more than once: no round trip is timed by it (Karn)
  bool coarse : 1 = false;  // parts of it were sent earlier than sent_at: it times nothing
  Instant sent_at;          // the last time

  bool plain() const { return !sacked && !lost && !resent; }
};

class SendRanges {
 public:
  static constexpr int kRangesMax = 128;
  // Above these, new text and SACK blocks open no more ranges: the rest is kept for retransmission,
  // which cuts lost ranges.
  static constexpr int kNewRangesMax = 80;
  static constexpr int kSackedRangesMax = 100;

  // Nothing in flight, the next byte is `una`.
  void Reset(uint32_t una);
  // New text or the FIN, from the end of the list up to `end`.
  void Sent(uint32_t end, Instant now);
  // A part of a lost range, sent again. When there is no range left to tell it apart, the whole
  // range is taken as sent again: the retransmission timer finds what was not.
  void Resent(SeqRange part, Instant now);

  // Cumulative ACK up to `una`. f(range, part) for each part that was not SACKed before.
  template <typename F>
  void Ack(uint32_t una, F&& f);
  // A SACK block within [una, nxt]. f(range, part) for each part that was not SACKed before.
  template <typename F>
  void Sack(SeqRange block, F&& f);

  // The range at `index` is lost.
  void MarkLost(int index);
  // NewReno: the first `bytes` are lost, unless they were sent again already. False: they were.
  bool MarkHeadLost(uint32_t bytes);
  // All but what is SACKed.
  void MarkAllLost();
  // What was marked lost and not sent again yet is in flight after all.
  void UnmarkLost();
  // RFC 2018 8: the receiver has thrown away what it reported.
  void ForgetSacks();
  // Joins neighbours that have become alike.
  void Tidy();

  // The first lost range; empty when none.
  SeqRange NextLost() const;
  // SACKed segments of at most `smss` bytes, at least.
  uint32_t SackedSegments(uint32_t smss) const;
  // In flight and not for the first time.
  uint32_t ResentBytes() const;

  int count() const { return count_; }
  const SentRange& operator[](int index) const { return ranges_[Slot(index)]; }
  uint32_t begin(int index) const { return index == 0 ? una_ : ranges_[Slot(index - 1)].end; }
  uint32_t una() const { return una_; }
  uint32_t end() const { return begin(count_); }
  uint32_t sacked_bytes() const { return sacked_bytes_; }
  uint32_t lost_bytes() const { return lost_bytes_; }
  // Something was sent again or SACKed since the list was last empty or Settled.
  bool disturbed() const { return disturbed_; }
  void Settle() { disturbed_ = false; }
  bool head_sacked() const { return count_ > 0 && ranges_[first_].sacked; }

 private:
  static_assert((kRangesMax & (kRangesMax - 1)) == 0);
  uint32_t Slot(int index) const {
    return (first_ + static_cast<uint32_t>(index)) & (kRangesMax - 1);
  }
  SentRange& at(int index) { return ranges_[Slot(index)]; }
  // Cuts the range at `index` in two at `seq`. False: no range is left.
  bool Split(int index, uint32_t seq);
  void Erase(int index);
  void SetSacked(int index);
  void ClearLost(int index);

  uint32_t una_ = 0;
  uint32_t sacked_bytes_ = 0;
  uint32_t lost_bytes_ = 0;
  uint8_t first_ = 0;  // the list is a ring: ACKs take from its front, new text comes at its end
  uint8_t count_ = 0;
  bool disturbed_ = false;
  std::array<SentRange, kRangesMax> ranges_;
};

template <typename F>
void SendRanges::Ack(uint32_t una, F&& f) {
  while (count_ > 0 && SeqLess(una_, una)) {
    const SentRange& range = ranges_[first_];
    const SeqRange part{una_, SeqMin(range.end, una)};
    if (range.sacked) {
      sacked_bytes_ -= part.size();
    } else {
      if (range.lost) lost_bytes_ -= part.size();
      f(range, part);
    }
    una_ = part.end;
    if (part.end != range.end) break;
    first_ = static_cast<uint8_t>(Slot(1));
    --count_;
  }
  una_ = una;
  if (count_ == 0) {
    first_ = 0;
    disturbed_ = false;
  }
}

template <typename F>
void SendRanges::Sack(SeqRange block, F&& f) {
  bool changed = false;
  for (int i = 0; i < count_ && SeqLess(begin(i), block.end); ++i) {
    if (at(i).sacked || SeqLessEq(at(i).end, block.begin)) continue;
    const bool cut_front = SeqLess(begin(i), block.begin);
    const bool cut_back = SeqLess(block.end, at(i).end);
    if ((cut_front || cut_back) && count_ >= kSackedRangesMax) continue;
    if (cut_front) {
      Split(i, block.begin);
      continue;  // what lies in the block is the next one
    }
    if (cut_back) Split(i, block.end);
    f(at(i), SeqRange{begin(i), at(i).end});
    SetSacked(i);
    changed = true;
  }
  if (changed) Tidy();
}

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SEND_RANGES_H_
