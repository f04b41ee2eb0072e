// LossState: what a sender knows about holes: the SACK scoreboard and the recovery in progress. RFC
// 6675 (pipe), 6582 (NewReno without SACK), 5681. Exists only while something is missing: taken
// from a pool at the first duplicate ACK or timeout, given back when all is acknowledged.
//
//   snd.una      rtx_nxt        lost_edge                 snd.nxt
//      |----------|--------------|-------------------------|
//       sent again  lost, to be    in flight (or SACKed)
//                   sent again
//
// SACKed parts are cut out of every region. Pure state: no timers, no packets. Bound:
// kSackRangesMax.
#ifndef MELTEMI_DATAPLANE_TCP_LOSS_H_
#define MELTEMI_DATAPLANE_TCP_LOSS_H_

#include <array>
#include <cstdint>

#include "dataplane/tcp/seq.h"

namespace meltemi::tcp {

inline constexpr int kSackRangesMax = 64;
inline constexpr uint32_t kDupThresh = 3;  // RFC 6675 2

struct LossState {
  // kDisorder: duplicate ACKs, no loss decided. kRecovery: fast recovery. kTimeout: after an RTO.
  // Recoveries last until snd.una reaches `recover`.
  enum class Mode : uint8_t { kDisorder, kRecovery, kTimeout };
  Mode mode = Mode::kDisorder;
  bool send_one_now = false;  // the fast retransmit itself does not wait for the pipe to drain
  uint8_t sacked_count = 0;
  uint32_t recover = 0;
  uint32_t lost_edge = 0;
  uint32_t rtx_nxt = 0;
  uint32_t reno_sacked = 0;  // without SACK: bytes that duplicate ACKs say have left the network
  uint32_t sacked_bytes = 0;
  std::array<SeqRange, kSackRangesMax> sacked;  // ascending, disjoint, not touching

  // Begins at `una` with nothing known.
  void Reset(uint32_t una);
  // Adds one SACK block, already inside (una, nxt]. Returns how many bytes are newly SACKed. When
  // the table is full the block is forgotten: something may be sent twice, nothing is lost.
  uint32_t AddSack(SeqRange block);
  // Cumulative ACK up to `una`.
  void Advance(uint32_t una);
  // IsLost() of RFC 6675 4 as an edge: all un-SACKed bytes below it are lost.
  void UpdateLostEdge(uint32_t smss);
  // The next lost bytes not yet sent again; empty range when none.
  SeqRange NextLost(uint32_t una) const;
  // SetPipe() of RFC 6675 4: bytes thought to be in the network.
  uint32_t Pipe(uint32_t una, uint32_t nxt) const;
  void ForgetSacks();

  bool recovering() const { return mode != Mode::kDisorder; }

 private:
  uint32_t SackedWithin(SeqRange range) const;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_LOSS_H_
