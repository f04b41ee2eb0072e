// LockedBoard: the workers' common board. The lock is held to join and to leave, when a
// configuration changes; what stands on the board are cells, which need none.
#ifndef MELTEMI_DATAPLANE_SHARED_LOCKED_BOARD_H_
#define MELTEMI_DATAPLANE_SHARED_LOCKED_BOARD_H_

#include <mutex>

#include "l7/cluster/board.h"

namespace meltemi::shared {

class LockedBoard final : public cluster::Board {
 public:
  cluster::NodeCluster* JoinCluster(uint32_t id) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_.JoinCluster(id);
  }
  cluster::NodeHost* JoinHost(uint32_t id, uint32_t flags) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_.JoinHost(id, flags);
  }
  cluster::NodeBucket* JoinBucket(uint32_t id, const TokenRate& rate, Instant now) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_.JoinBucket(id, rate, now);
  }
  void Leave(cluster::NodeBucket* bucket) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    directory_.Leave(bucket);
  }
  void Leave(cluster::NodeCluster* cluster) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    directory_.Leave(cluster);
  }
  void Leave(cluster::NodeHost* host) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    directory_.Leave(host);
  }

 private:
  std::mutex mutex_;
  cluster::Directory directory_;  // guarded by mutex_
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_LOCKED_BOARD_H_
