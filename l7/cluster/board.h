// Board: what the workers of one node tell each other about clusters and hosts. Verdicts of health
// checks, which one worker makes and all follow; what outlier detection has counted of a host and
// that it is ejected, which any of them may find (outlier.h, ejection.cc); how many connections and
// requests a cluster has at all of them, where a circuit breaker limits these (breaker_count.h);
// token buckets, which all take from.
//
// Keyed by the stable ids of config::Cluster, Endpoint and TokenBucket. A worker joins when a
// configuration has the cluster or the host, and leaves when nothing of it is left at this worker;
// who is the last frees it. What is written in a cell is seen by all workers when they look:
// version() is one load, once a turn.
//
// Directory owns the entries and knows no threads: dataplane/shared/locked_board.h puts a lock
// around it, which is taken when configurations change and never per request. A worker alone, and
// tests on one thread, use a Directory as it is.
#ifndef MELTEMI_L7_CLUSTER_BOARD_H_
#define MELTEMI_L7_CLUSTER_BOARD_H_

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "l7/base/shared_cell.h"
#include "l7/base/token_bucket.h"
#include "l7/cluster/outlier.h"

namespace meltemi::cluster {

// Bits of NodeHost::flags: Envoy's host health flags that are not the configuration's.
inline constexpr uint32_t kFailedActiveCheck = 1;
inline constexpr uint32_t kDegradedActiveCheck = 2;
inline constexpr uint32_t kFailedOutlierCheck = 4;
inline constexpr uint32_t kBeingEjected = 8;  // a worker is about to: no flag of Envoy's

struct NodeHost {
  NodeHost(uint32_t id_in, uint32_t flags_in) : id(id_in), flags(flags_in) {}
  const uint32_t id;
  uint32_t uses = 0;  // the board's
  SharedCell flags;
  HostOutlier outlier;
};

// A cell that requests write to: not in one cache line with another.
struct alignas(64) BusyCell {
  SharedCell cell;
};

struct NodeCluster {
  explicit NodeCluster(uint32_t id_in) : id(id_in) {}
  const uint32_t id;
  uint32_t uses = 0;   // the board's
  SharedCell changes;  // grows with each change of a host's flags
  SharedCell ejected;  // hosts with kFailedOutlierCheck
  SharedCell used;     // 1: a connection has been asked for, by whom ever
  BusyCell connections, pending, requests, retries;  // those with a limit
};

struct NodeBucket {
  NodeBucket(uint32_t id_in, const TokenRate& rate, Instant now) : id(id_in), tokens(rate, now) {}
  const uint32_t id;
  uint32_t uses = 0;  // the board's
  SharedTokens tokens;
};

class Board {
 public:
  virtual ~Board() = default;
  virtual NodeCluster* JoinCluster(uint32_t id) = 0;
  // `flags`: of a host that nobody knows yet.
  virtual NodeHost* JoinHost(uint32_t id, uint32_t flags) = 0;
  // `rate`, `now`: of a bucket that nobody knows yet; it begins full.
  virtual NodeBucket* JoinBucket(uint32_t id, const TokenRate& rate, Instant now) = 0;
  virtual void Leave(NodeBucket* bucket) = 0;
  virtual void Leave(NodeCluster* cluster) = 0;
  virtual void Leave(NodeHost* host) = 0;

  // Any worker.
  void Announce(NodeCluster* cluster) {
    cluster->changes.Add(1);
    version_.Add(1);
  }
  uint32_t version() const { return version_.Load(); }

 private:
  SharedCell version_;
};

class Directory final : public Board {
 public:
  NodeCluster* JoinCluster(uint32_t id) override { return Join(&clusters_, id, id); }
  NodeHost* JoinHost(uint32_t id, uint32_t flags) override { return Join(&hosts_, id, id, flags); }
  NodeBucket* JoinBucket(uint32_t id, const TokenRate& rate, Instant now) override {
    return Join(&buckets_, id, id, rate, now);
  }
  void Leave(NodeBucket* bucket) override { Drop(&buckets_, bucket); }
  void Leave(NodeCluster* cluster) override { Drop(&clusters_, cluster); }
  void Leave(NodeHost* host) override { Drop(&hosts_, host); }
  bool empty() const { return clusters_.empty() && hosts_.empty() && buckets_.empty(); }

 private:
  template <typename T>
  using Table = absl::flat_hash_map<uint32_t, std::unique_ptr<T>>;
  template <typename T, typename... Args>
  static T* Join(Table<T>* table, uint32_t id, Args... args) {
    std::unique_ptr<T>& slot = (*table)[id];
    if (slot == nullptr) slot = std::make_unique<T>(args...);
    ++slot->uses;
    return slot.get();
  }
  template <typename T>
  static void Drop(Table<T>* table, T* entry) {
    if (--entry->uses == 0) table->erase(entry->id);
  }

  Table<NodeCluster> clusters_;
  Table<NodeHost> hosts_;
  Table<NodeBucket> buckets_;
};

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_BOARD_H_
