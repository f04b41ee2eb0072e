// RateLimits: the token buckets that this worker takes from, and what local rate limits have said.
//
// Buckets of the whole node are on the board (l7/cluster/board.h), joined with each configuration;
// those of one connection are here. Owned by one engine, on its worker's thread. Bounds:
// limits::kConfigBucketsMax, kBucketsPerConnectionMax; kSeriesCountMax prefixes in statistics.
#ifndef MELTEMI_L7_ENGINE_RATE_LIMIT_H_
#define MELTEMI_L7_ENGINE_RATE_LIMIT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/token_bucket.h"
#include "l7/cluster/cluster.h"
#include "l7/config/snapshot.h"
#include "l7/telemetry/sample.h"

namespace meltemi::engine {

class RateLimits {
 public:
  struct Counts {
    uint64_t enabled = 0, enforced = 0, ok = 0, rate_limited = 0;
  };
  using Pins = std::vector<std::pair<const config::Snapshot*, uint32_t>>;

  explicit RateLimits(cluster::Board* board) : board_(board) {}

  // From now on the buckets of this snapshot, and of older ones that are still used.
  void Follow(const config::Snapshot& snapshot, const Pins& pins, Instant now);
  // Of the node. Null: of no configuration in use.
  SharedTokens* Find(const config::TokenBucket& bucket);
  // Of a connection, by the bits of its id. Full of others: all begin anew.
  SharedTokens* FindOwn(uint64_t connection, const config::TokenBucket& bucket, Instant now);
  void ForgetConnection(uint64_t connection) {
    if (!own_.empty()) own_.erase(connection);
  }

  // What stands in statistics under the prefix.
  Counts* Of(const config::LocalRateLimit& limit) { return Of(limit.stat_prefix, &http_); }
  Counts* Of(const config::ConnectionRateLimit& limit) { return Of(limit.stat_prefix, &network_); }
  void AppendSamples(std::vector<telemetry::Sample>* out) const;

 private:
  using ByPrefix = std::map<std::string, Counts>;
  Counts* Of(const std::string& prefix, ByPrefix* counts);

  cluster::Board* const board_;
  absl::flat_hash_map<uint32_t, cluster::JoinedBucket> buckets_;  // by stable id
  using Own = std::vector<std::pair<uint32_t, std::unique_ptr<SharedTokens>>>;
  absl::flat_hash_map<uint64_t, Own> own_;
  ByPrefix http_, network_;
  Counts others_;  // of prefixes beyond the bound
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_RATE_LIMIT_H_
