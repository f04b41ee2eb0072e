#include "dataplane/tcp/reassembly.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "l7/base/limits.h"

namespace meltemi::tcp {

uint32_t RoomBytes(const Chain& chain) {
  uint32_t bytes = 0;
  for (const ChainNode* n = chain.head(); n != nullptr; n = n->next) {
    bytes += n->slice.buffer()->capacity;
  }
  return bytes;
}

Reassembly::Result Reassembly::Add(uint32_t seq, Chain bytes) {
  bool kept = false;
  int at = 0;
  while (!bytes.empty()) {
    while (at < count_ && SeqLessEq(ranges_[at].seq.end, seq)) ++at;
    if (at < count_ && SeqLessEq(ranges_[at].seq.begin, seq)) {
      const size_t have = std::min<size_t>(ranges_[at].seq.end - seq, bytes.size());
      bytes.RemovePrefix(have);
      seq += static_cast<uint32_t>(have);
      continue;
    }
    size_t gap = bytes.size();
    if (at < count_) gap = std::min<size_t>(gap, ranges_[at].seq.begin - seq);
    if (!Insert(at, seq, bytes.TakePrefix(gap))) return kept ? Result::kKept : Result::kFull;
    kept = true;
    NoteRecent(seq);
    seq += static_cast<uint32_t>(gap);
    if (at > 0) --at;  // it may have joined what lies before it and what lies behind
  }
  return kept ? Result::kKept : Result::kDuplicate;
}

bool Reassembly::Insert(int at, uint32_t seq, Chain bytes) {
  const uint32_t end = seq + static_cast<uint32_t>(bytes.size());
  const int slices = static_cast<int>(bytes.slice_count());
  if (slices_ + slices > limits::kTcpOutOfOrderSegments) return false;
  const uint32_t room_bytes = RoomBytes(bytes);
  const bool joins_before = at > 0 && ranges_[at - 1].seq.end == seq;
  const bool joins_after = at < count_ && ranges_[at].seq.begin == end;
  if (joins_before) {
    Range& before = ranges_[at - 1];
    before.bytes.Append(std::move(bytes));
    before.seq.end = end;
    if (joins_after) {
      before.bytes.Append(std::move(ranges_[at].bytes));
      before.seq.end = ranges_[at].seq.end;
      Erase(at);
    }
  } else if (joins_after) {
    bytes.Append(std::move(ranges_[at].bytes));
    ranges_[at].bytes = std::move(bytes);
    ranges_[at].seq.begin = seq;
  } else {
    if (count_ == kRangesMax) return false;
    std::move_backward(ranges_.begin() + at, ranges_.begin() + count_,
                       ranges_.begin() + count_ + 1);
    ++count_;
    ranges_[at].seq = {seq, end};
    ranges_[at].bytes = std::move(bytes);
  }
  slices_ += slices;
  room_bytes_ += room_bytes;
  return true;
}

void Reassembly::Erase(int at) {
  std::move(ranges_.begin() + at + 1, ranges_.begin() + count_, ranges_.begin() + at);
  --count_;
}

void Reassembly::TakeInOrder(uint32_t* rcv_nxt, Chain* out) {
  while (count_ > 0 && SeqLessEq(ranges_[0].seq.begin, *rcv_nxt)) {
    Range& first = ranges_[0];
    slices_ -= static_cast<int>(first.bytes.slice_count());
    room_bytes_ -= RoomBytes(first.bytes);
    if (SeqLess(*rcv_nxt, first.seq.end)) {
      first.bytes.RemovePrefix(*rcv_nxt - first.seq.begin);
      out->Append(std::move(first.bytes));
      *rcv_nxt = first.seq.end;
    } else {
      first.bytes.Clear();
    }
    Erase(0);
  }
}

void Reassembly::Join(uint32_t* rcv_nxt, Chain bytes, Chain* out) {
  uint32_t seq = *rcv_nxt;
  while (!bytes.empty()) {
    const size_t old = std::min<size_t>(*rcv_nxt - seq, bytes.size());
    bytes.RemovePrefix(old);
    seq += static_cast<uint32_t>(old);
    if (bytes.empty()) return;
    size_t gap = bytes.size();
    if (count_ > 0) gap = std::min<size_t>(gap, ranges_[0].seq.begin - seq);
    out->Append(bytes.TakePrefix(gap));
    seq += static_cast<uint32_t>(gap);
    *rcv_nxt = seq;
    TakeInOrder(rcv_nxt, out);
  }
}

SeqRange Reassembly::FirstHeld(SeqRange part) const {
  for (int i = 0; i < count_; ++i) {
    const SeqRange& r = ranges_[i].seq;
    if (SeqLessEq(part.end, r.begin)) break;
    if (SeqLess(part.begin, r.end)) {
      return {SeqMax(part.begin, r.begin), SeqMin(part.end, r.end)};
    }
  }
  return {};
}

void Reassembly::NoteDuplicate(SeqRange part) {
  const SeqRange held = FirstHeld(part);
  if (held.size() > 0) NoteRecent(held.begin);
  if (!duplicate_noted()) {
    duplicate_ = part;
  } else if (SeqLessEq(part.begin, duplicate_.end) && SeqLessEq(duplicate_.begin, part.end)) {
    duplicate_ = {SeqMin(part.begin, duplicate_.begin), SeqMax(part.end, duplicate_.end)};
  }
}

int Reassembly::TakeSackBlocks(std::span<SeqRange> out) {
  if (!duplicate_noted()) return SackBlocks(out);
  out[0] = duplicate_;
  duplicate_ = {};
  return 1 + SackBlocks(out.subspan(1));
}

int Reassembly::RangeOf(uint32_t seq) const {
  const auto end = ranges_.begin() + count_;
  const auto at = std::partition_point(ranges_.begin(), end,
                                       [seq](const Range& r) { return SeqLessEq(r.seq.end, seq); });
  return at != end && at->seq.Contains(seq) ? static_cast<int>(at - ranges_.begin()) : -1;
}

void Reassembly::NoteRecent(uint32_t seq) {
  const SeqRange range = ranges_[RangeOf(seq)].seq;
  int kept = 0;
  for (int i = 0; i < recent_count_; ++i) {
    if (!range.Contains(recent_[i]) && RangeOf(recent_[i]) >= 0) recent_[kept++] = recent_[i];
  }
  kept = std::min(kept, kRecentMax - 1);
  std::move_backward(recent_.begin(), recent_.begin() + kept, recent_.begin() + kept + 1);
  recent_[0] = seq;
  recent_count_ = kept + 1;
}

int Reassembly::SackBlocks(std::span<SeqRange> out) const {
  size_t n = 0;
  std::bitset<kRangesMax> told;
  const auto tell = [&](int i) {
    if (i < 0 || told[i] || n == out.size()) return;
    told.set(i);
    out[n++] = ranges_[i].seq;
  };
  for (int i = 0; i < recent_count_; ++i) tell(RangeOf(recent_[i]));
  for (int i = 0; i < count_ && n < out.size(); ++i) tell(i);
  return static_cast<int>(n);
}

uint32_t Reassembly::bytes() const {
  uint32_t total = 0;
  for (int i = 0; i < count_; ++i) total += ranges_[i].seq.size();
  return total;
}

void Reassembly::Clear() {
  for (int i = 0; i < count_; ++i) ranges_[i].bytes.Clear();
  count_ = 0;
  slices_ = 0;
  room_bytes_ = 0;
  recent_count_ = 0;
  duplicate_ = {};
}

}  // namespace meltemi::tcp
