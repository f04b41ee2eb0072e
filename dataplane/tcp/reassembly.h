// Reassembly: the out-of-order queue of one connection. Ranges of sequence space above rcv.nxt with
// their bytes, ascending, disjoint, not touching; what overlaps is trimmed from the newcomer, so
// the bytes first received win. RFC 9293 3.10.7.4 (segment text), RFC 2018 (which blocks to
// report).
//
// Exists only while there is a hole, or a duplicate to tell of (RFC 2883). Bounds: kRangesMax
// ranges, limits::kTcpOutOfOrderSegments slices, and the receive window for bytes.
#ifndef MELTEMI_DATAPLANE_TCP_REASSEMBLY_H_
#define MELTEMI_DATAPLANE_TCP_REASSEMBLY_H_

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/tcp/seq.h"
#include "l7/base/slice.h"

namespace meltemi::tcp {

// Of the buffers behind the bytes of `chain`: what they cost. A buffer with two slices counts
// twice.
uint32_t RoomBytes(const Chain& chain);

class Reassembly {
 public:
  static constexpr int kRangesMax = 128;

  enum class Result : uint8_t { kKept, kDuplicate, kFull };
  // Text at [seq, seq + bytes.size()), wholly above rcv.nxt.
  Result Add(uint32_t seq, Chain bytes);
  // What continues at `*rcv_nxt` is appended to `out` and rcv.nxt moves past it; ranges that it has
  // overtaken are forgotten.
  void TakeInOrder(uint32_t* rcv_nxt, Chain* out);
  // Text at `*rcv_nxt`: appended to `out` with what it joins, and rcv.nxt moves past both. Where it
  // overlaps what came before it, that stays.
  void Join(uint32_t* rcv_nxt, Chain bytes, Chain* out);
  // The first part of `part` that is here already; empty: nothing of it.
  SeqRange FirstHeld(SeqRange part) const;
  // RFC 2883 4: `part` came again, and the next ACK tells of it. Of several before that ACK the
  // first is told of, together with what touches it.
  void NoteDuplicate(SeqRange part);
  // Blocks for the SACK option: what came again, once (RFC 2883 4); then the most recently changed,
  // or that around what came again, those changed before it, and the others (RFC 2018 4: so that
  // each is told of several times). Returns how many.
  int TakeSackBlocks(std::span<SeqRange> out);

  bool empty() const { return count_ == 0; }
  bool duplicate_noted() const { return duplicate_.size() > 0; }
  bool needless() const { return empty() && !duplicate_noted(); }
  uint32_t bytes() const;
  // Of the buffers behind the bytes: what they cost.
  uint32_t room_bytes() const { return room_bytes_; }
  void Clear();

 private:
  struct Range {
    SeqRange seq;
    Chain bytes;
  };
  // Puts text that overlaps nothing before ranges_[at], joining what it touches. False: full.
  bool Insert(int at, uint32_t seq, Chain bytes);
  void Erase(int at);
  // The range in which `seq` lies; -1: none.
  int RangeOf(uint32_t seq) const;
  // What lies at `seq` has changed.
  void NoteRecent(uint32_t seq);
  int SackBlocks(std::span<SeqRange> out) const;

  std::array<Range, kRangesMax> ranges_;
  int count_ = 0;
  int slices_ = 0;
  uint32_t room_bytes_ = 0;
  static constexpr int kRecentMax = 4;            // as many as an option has blocks
  std::array<uint32_t, kRecentMax> recent_ = {};  // lie in the ranges changed last, the last first
  int recent_count_ = 0;
  SeqRange duplicate_;  // empty: none to tell of
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_REASSEMBLY_H_
