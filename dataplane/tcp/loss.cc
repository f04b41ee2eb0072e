#include "dataplane/tcp/loss.h"

#include <algorithm>

namespace meltemi::tcp {

void LossState::Reset(uint32_t una) {
  mode = Mode::kDisorder;
  send_one_now = false;
  recover = lost_edge = rtx_nxt = una;
  reno_sacked = 0;
  ForgetSacks();
}

void LossState::ForgetSacks() {
  sacked_count = 0;
  sacked_bytes = 0;
}

uint32_t LossState::SackedWithin(SeqRange range) const {
  uint32_t bytes = 0;
  for (int i = 0; i < sacked_count; ++i) {
    const uint32_t begin = SeqMax(range.begin, sacked[i].begin);
    const uint32_t end = SeqMin(range.end, sacked[i].end);
    if (SeqLess(begin, end)) bytes += end - begin;
  }
  return bytes;
}

uint32_t LossState::AddSack(SeqRange block) {
  // [first, last): the ranges that overlap or touch the block.
  int first = 0;
  while (first < sacked_count && SeqLess(sacked[first].end, block.begin)) ++first;
  int last = first;
  SeqRange merged = block;
  uint32_t replaced = 0;
  while (last < sacked_count && SeqLessEq(sacked[last].begin, block.end)) {
    merged.begin = SeqMin(merged.begin, sacked[last].begin);
    merged.end = SeqMax(merged.end, sacked[last].end);
    replaced += sacked[last].size();
    ++last;
  }
  if (first == last) {
    if (sacked_count == kSackRangesMax) return 0;
    std::move_backward(sacked.begin() + first, sacked.begin() + sacked_count,
                       sacked.begin() + sacked_count + 1);
    ++sacked_count;
  } else {
    std::move(sacked.begin() + last, sacked.begin() + sacked_count, sacked.begin() + first + 1);
    sacked_count -= static_cast<uint8_t>(last - first - 1);
  }
  sacked[first] = merged;
  const uint32_t fresh = merged.size() - replaced;
  sacked_bytes += fresh;
  return fresh;
}

void LossState::Advance(uint32_t una) {
  int gone = 0;
  while (gone < sacked_count && SeqLessEq(sacked[gone].end, una)) {
    sacked_bytes -= sacked[gone].size();
    ++gone;
  }
  if (gone > 0) {
    std::move(sacked.begin() + gone, sacked.begin() + sacked_count, sacked.begin());
    sacked_count -= static_cast<uint8_t>(gone);
  }
  if (sacked_count > 0 && SeqLess(sacked[0].begin, una)) {
    sacked_bytes -= una - sacked[0].begin;
    sacked[0].begin = una;
  }
  rtx_nxt = SeqMax(rtx_nxt, una);
  lost_edge = SeqMax(lost_edge, una);
}

void LossState::UpdateLostEdge(uint32_t smss) {
  uint32_t bytes_above = 0;
  for (int i = sacked_count; i-- > 0;) {
    bytes_above += sacked[i].size();
    const auto ranges_above = static_cast<uint32_t>(sacked_count - i);
    if (ranges_above >= kDupThresh || bytes_above > (kDupThresh - 1) * smss) {
      lost_edge = SeqMax(lost_edge, sacked[i].begin);
      return;
    }
  }
}

SeqRange LossState::NextLost(uint32_t una) const {
  uint32_t begin = SeqMax(rtx_nxt, una);
  uint32_t end = lost_edge;
  for (int i = 0; i < sacked_count; ++i) {
    if (SeqLessEq(sacked[i].end, begin)) continue;
    if (SeqLessEq(sacked[i].begin, begin)) {
      begin = sacked[i].end;
      continue;
    }
    end = SeqMin(end, sacked[i].begin);
    break;
  }
  if (!SeqLess(begin, end)) return {begin, begin};
  return {begin, end};
}

uint32_t LossState::Pipe(uint32_t una, uint32_t nxt) const {
  const SeqRange unsent_lost{SeqMax(rtx_nxt, una), lost_edge};
  uint32_t out = sacked_bytes + reno_sacked;
  if (SeqLess(unsent_lost.begin, unsent_lost.end)) {
    out += unsent_lost.size() - SackedWithin(unsent_lost);
  }
  const uint32_t flight = nxt - una;
  return flight > out ? flight - out : 0;
}

}  // namespace meltemi::tcp
