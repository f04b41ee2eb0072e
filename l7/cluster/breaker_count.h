// BreakerCount: one of the counts that a circuit breaker bounds, at one worker. Of one cluster the
// counts of all workers are one in a cell of the board, so that the limit is one for the node:
// together they never pass it, and nobody is refused below it.
//
// Without a limit there is no cell, and no worker writes where another one reads. Owned by a
// cluster::Cluster, called on its worker's thread; the cell belongs to the board and is any
// thread's. Every Enter and every TryEnter that was allowed has its Leave.
#ifndef MELTEMI_L7_CLUSTER_BREAKER_COUNT_H_
#define MELTEMI_L7_CLUSTER_BREAKER_COUNT_H_

#include <cstdint>

#include "l7/base/shared_cell.h"

namespace meltemi::cluster {

inline constexpr uint32_t kNoLimit = UINT32_MAX;

class BreakerCount {
 public:
  // A new configuration: `cell` null is without limit. What is counted here moves along.
  void Use(SharedCell* cell, uint32_t limit) {
    limit_ = limit;
    if (cell == cell_) return;
    if (cell_ != nullptr) cell_->Subtract(here_);
    if (cell != nullptr) cell->Add(here_);
    cell_ = cell;
  }

  // One more. False: the node has as many as it may.
  bool TryEnter() { return TryEnter(limit_); }
  bool TryEnter(uint32_t limit) {
    if (cell_ != nullptr && !cell_->AddBelow(limit)) return false;
    ++here_;
    return true;
  }
  // Though there may be too many.
  void Enter() {
    if (cell_ != nullptr) cell_->Add(1);
    ++here_;
  }
  void Leave() {
    if (cell_ != nullptr) cell_->Subtract(1);
    --here_;
  }

  bool full() const { return cell_ != nullptr && cell_->Load() >= limit_; }
  bool limited() const { return cell_ != nullptr && limit_ != kNoLimit; }
  uint32_t here() const { return here_; }
  // Of all workers, where there is a cell.
  uint32_t node() const { return cell_ != nullptr ? cell_->Load() : here_; }

 private:
  SharedCell* cell_ = nullptr;
  uint32_t limit_ = kNoLimit;
  uint32_t here_ = 0;
};

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_BREAKER_COUNT_H_
