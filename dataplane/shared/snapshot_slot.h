// SnapshotSlot: how a configuration reaches the workers. One atomic pointer.
//
// The agent thread writes it (Publish) and frees old snapshots (Reclaim). Workers read it at the
// top of a turn (Current) and say at the end of the turn which is the oldest they still use
// (Release). A snapshot is freed once every worker's oldest is younger. A worker that never ran
// holds everything.
#ifndef MELTEMI_DATAPLANE_SHARED_SNAPSHOT_SLOT_H_
#define MELTEMI_DATAPLANE_SHARED_SNAPSHOT_SLOT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "l7/base/check.h"
#include "l7/base/limits.h"
#include "l7/config/snapshot.h"

namespace meltemi::shared {

class SnapshotSlot {
 public:
  explicit SnapshotSlot(int worker_count) : worker_count_(worker_count) {
    CHECK(worker_count > 0 && worker_count <= limits::kWorkerCountMax);
  }

  // Agent thread. Sequences must grow.
  void Publish(std::unique_ptr<const config::Snapshot> snapshot) {
    CHECK(kept_.empty() || kept_.back()->sequence < snapshot->sequence);
    const config::Snapshot* raw = snapshot.get();
    kept_.push_back(std::move(snapshot));
    current_.store(raw, std::memory_order_release);
    Reclaim();
  }
  // Agent thread: frees what nobody uses any more; returns how many are kept.
  size_t Reclaim() {
    uint64_t oldest = UINT64_MAX;
    for (int i = 0; i < worker_count_; ++i) {
      oldest = std::min(oldest, oldest_[i].sequence.load(std::memory_order_acquire));
    }
    while (kept_.size() > 1 && kept_.front()->sequence < oldest) kept_.pop_front();
    return kept_.size();
  }
  // Agent thread: what was published last; null before the first.
  const config::Snapshot* latest() const { return kept_.empty() ? nullptr : kept_.back().get(); }

  // Worker thread. Null until the first Publish.
  const config::Snapshot* Current() const { return current_.load(std::memory_order_acquire); }
  // Worker thread: nothing older than `sequence` is used any more.
  void Release(int worker, uint64_t sequence) {
    oldest_[worker].sequence.store(sequence, std::memory_order_release);
  }

 private:
  struct alignas(64) Oldest {
    std::atomic<uint64_t> sequence{0};
  };
  const int worker_count_;
  alignas(64) std::atomic<const config::Snapshot*> current_{nullptr};
  std::array<Oldest, limits::kWorkerCountMax> oldest_;
  std::deque<std::unique_ptr<const config::Snapshot>> kept_;  // agent thread only
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_SNAPSHOT_SLOT_H_
