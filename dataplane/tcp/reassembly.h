// Reassembly: the out-of-order queue of one connection. Ranges of sequence space above rcv.nxt with
// their bytes, ascending, disjoint, not touching; what overlaps is trimmed from the newcomer, so
// the bytes first received win. RFC 9293 3.10.7.4 (segment text), RFC 2018 (which blocks to
// report).
//
// Exists only while there is a hole. Bounds: kRangesMax ranges, limits::kTcpOutOfOrderSegments
// slices, and the receive window for bytes.
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
  static constexpr int kRangesMax = 32;

  enum class Result : uint8_t { kKept, kDuplicate, kFull };
  // Text at [seq, seq + bytes.size()), wholly above rcv.nxt.
  Result Add(uint32_t seq, Chain bytes);
  // What continues at `*rcv_nxt` is appended to `out` and rcv.nxt moves past it; ranges that it has
  // overtaken are forgotten.
  void TakeInOrder(uint32_t* rcv_nxt, Chain* out);
  // Text at `*rcv_nxt`: appended to `out` with what it joins, and rcv.nxt moves past both. Where it
  // overlaps what came before it, that stays.
  void Join(uint32_t* rcv_nxt, Chain bytes, Chain* out);
  // Blocks for the SACK option, the most recently changed first (RFC 2018 4). Returns how many.
  int SackBlocks(std::span<SeqRange> out) const;

  bool empty() const { return count_ == 0; }
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

  std::array<Range, kRangesMax> ranges_;
  int count_ = 0;
  int slices_ = 0;
  uint32_t room_bytes_ = 0;
  uint32_t recent_seq_ = 0;  // lies in the most recently changed range
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_REASSEMBLY_H_
