// Cluster runtime: what of a cluster outlives a snapshot. Its hosts with their load and idle
// connections, the balancer's state, the circuit breaker's counts, the statistics. Keyed by the
// stable ids of config::Cluster and config::Endpoint; a new snapshot updates it in place.
//
// Owns hosts and clusters (heap, when configuration changes; ORIGINAL_DST hosts when first
// dialled). Must not know HTTP, actions or timers. Called by l7/engine on its worker's thread.
// Bounds: endpoints of the snapshot; limits::kIdleUpstreamPerHostMax; kOriginalDstHostCountMax.
#ifndef MELTEMI_L7_CLUSTER_CLUSTER_H_
#define MELTEMI_L7_CLUSTER_CLUSTER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/cluster/board.h"
#include "l7/cluster/breaker_count.h"
#include "l7/cluster/outlier.h"
#include "l7/config/snapshot.h"
#include "l7/telemetry/tls_stats.h"

namespace meltemi::cluster {

inline constexpr size_t kOriginalDstHostCountMax = 16 * 1024;

using WaiterId = uint64_t;  // the engine's name for an exchange that waits for a connection

struct HostStats {
  uint64_t rq_total = 0, rq_success = 0, rq_error = 0;
  uint64_t cx_total = 0, cx_connect_fail = 0, rq_timeout = 0;
};

// What is joined on the board, as long as it is held.
struct LeaveBoard {
  Board* board = nullptr;
  template <typename T>
  void operator()(T* entry) const {
    board->Leave(entry);
  }
};
using JoinedHost = std::unique_ptr<NodeHost, LeaveBoard>;
using JoinedCluster = std::unique_ptr<NodeCluster, LeaveBoard>;
using JoinedBucket = std::unique_ptr<NodeBucket, LeaveBoard>;

inline constexpr uint32_t kNoPool = UINT32_MAX;

struct Host {
  SockAddr address;
  uint32_t weight = 1;
  uint32_t priority = 0;
  config::Health health = config::Health::kHealthy;  // as configured
  std::string locality, workload;
  uint32_t locality_weight = 0;
  uint32_t stable_id = 0;
  uint16_t check_port = 0;         // active health checks go there; 0: to `address`
  bool unchecked = false;          // not subject to active health checks
  bool kept = false;               // not configured any more, but its health checks pass
  uint32_t flags = 0;              // NodeHost::flags as this worker has seen them
  std::optional<Instant> back_at;  // from its last ejection, at the worker that looks again
  JoinedHost node;                 // null: nobody but this worker says anything about it
  bool mesh = false;               // of connections: Settings::mesh_tls where there is one
  uint32_t pool = kNoPool;         // the balancer may choose it from this one
  bool removed = false;            // no longer in the configuration: drained, then freed
  uint32_t rq_active = 0;          // requests under way: the load that least-request compares
  uint32_t cx_active = 0;          // connections, those being opened included
  int64_t wrr_current = 0;         // smooth weighted round robin
  Instant well_since;            // joined, or began to pass its checks: slow start counts from here
  std::vector<ConnId> http2;     // connections that take streams, or will when connected
  std::vector<ConnId> idle;      // most recently used last
  std::deque<WaiterId> waiting;  // requests that wait because the breaker allows no connection
  std::deque<WaiterId> waiting_http2;                // requests that wait for a stream
  config::Spoken spoken = config::Spoken::kUnknown;  // a server of this node: what it speaks
  HostStats stats;

  // Nothing refers to it.
  bool unused() const {
    return rq_active == 0 && cx_active == 0 && waiting.empty() && waiting_http2.empty();
  }
};

// Counters of Envoy's cluster.health_check.* statistics, at the worker that checks.
struct HealthStats {
  uint64_t attempt = 0, success = 0, failure = 0, network_failure = 0;
};

// Counters of Envoy's cluster.* statistics.
struct ClusterStats {
  uint64_t rq_total = 0, rq_class[6] = {}, rq_retry = 0, rq_retry_success = 0;
  uint64_t rq_retry_overflow = 0, rq_retry_limit_exceeded = 0, rq_timeout = 0;
  uint64_t rq_per_try_timeout = 0, rq_pending_total = 0, rq_pending_overflow = 0;
  uint64_t rq_pending_failure_eject = 0, rq_cancelled = 0, rq_rx_reset = 0, rq_tx_reset = 0;
  uint64_t cx_total = 0, cx_connect_fail = 0, cx_connect_timeout = 0, cx_overflow = 0;
  uint64_t cx_destroy_local = 0, cx_destroy_remote = 0, cx_max_requests = 0, cx_none_healthy = 0;
  uint64_t cx_tx_bytes_total = 0, cx_rx_bytes_total = 0, lb_healthy_panic = 0;
  uint64_t membership_change = 0, http2_keepalive_timeout = 0;
  telemetry::TlsStats ssl;
};

// Hosts that a request may be sent to once it was decided which priority serves it, and whether its
// healthy hosts, its degraded ones, or in panic all; of a locality, where these have weights.
struct Pool {
  std::vector<Host*> hosts;
  uint64_t load = 0;                         // its share, of the loads of all pools
  const config::HashTable* table = nullptr;  // of consistent balancers
  size_t next = 0;                           // round robin; below their count
  bool equal_weights = true;
  bool panic = false;
  Instant slow_until;  // until then some host has a part of its weight only
};

class Cluster {
 public:
  struct Settings {  // what the engine reads; a copy, so that no snapshot is pinned
    std::string name;
    uint32_t stable_id = 0;
    config::Discovery discovery = config::Discovery::kStatic;
    config::LbPolicy lb = config::LbPolicy::kRoundRobin;
    uint32_t least_request_choice_count = 2;
    uint32_t panic_percent = 50;
    uint32_t overprovisioning_percent = 140;
    bool locality_weighted = false;
    Duration connect_timeout, idle_timeout;
    uint32_t requests_per_connection_max = 0;
    config::TcpKeepalive keepalive;
    std::optional<config::Http2Options> http2;
    bool follows_client = false;
    config::ClusterTls tls;
    std::optional<config::ClusterTls> mesh_tls;  // of hosts in the mesh
    config::ProxyVersion proxy_protocol = config::ProxyVersion::kNone;
    config::CircuitBreaker breaker;
    std::optional<config::OutlierDetection> outlier;
    std::optional<config::SlowStart> slow_start;
    std::optional<config::HealthCheck> health_check;
  };

  // Without a board: as the only worker.
  explicit Cluster(Board* board = nullptr);
  ~Cluster();

  // Takes the new configuration, whose hash tables are used until the next call. Idle connections
  // of hosts that are gone, for the engine to close, are appended to `closing`.
  void Update(const config::Cluster& config, Prng& prng, Instant now, std::vector<ConnId>* closing);
  // After Update: what servers of this node speak; the snapshot is used until the next call.
  // Connections of another version are closed.
  void LearnSpoken(const config::Snapshot& snapshot, std::vector<ConnId>* closing);
  // The cluster is not in the snapshot any more.
  void Remove(std::vector<ConnId>* closing);

  // Takes what other workers, or the health checks, have said about hosts since the last call.
  void Follow(Instant now, std::vector<ConnId>* closing);
  // The verdict of the active health checks; Follow comes after it.
  void SetChecked(Host* host, bool failed, bool degraded);
  // One of them has passed: an ejected host is back. True: it was ejected.
  bool PassedCheck(Host* host, Instant now);
  // Somebody uses the cluster: its health checks come at their full rate.
  void MarkUsed() {
    if (node_ != nullptr && node_->used.Load() == 0) node_->used.Store(1);
  }
  bool used() const { return node_ != nullptr && node_->used.Load() != 0; }

  struct PickOptions {
    SockAddr original_destination;   // ORIGINAL_DST: what the client dialled
    std::span<Host* const> avoid;    // hosts already tried
    uint32_t attempt_count_max = 1;  // picks before one of `avoid` is taken nonetheless
    std::optional<uint64_t> hash;    // consistent balancers; absent: any host
    Instant now;                     // slow start
  };
  // Null: no healthy host (UH).
  Host* Pick(const PickOptions& options, Prng& prng);

  // Outlier detection: what came of an attempt. May eject the host.
  void Report(Host* host, Outcome outcome, Prng& prng, Instant now);
  // Once an interval, by one worker of the node: ejected hosts whose time is over come back, those
  // whose answers of the interval are bad are ejected. To be called at `next_look`, Never() without
  // outlier detection.
  void LookAgain(Prng& prng, Instant now);
  Instant next_look() const { return next_look_; }

  // Frees removed hosts nothing refers to. `true` when the whole cluster can go.
  bool Sweep();

  const Settings& settings() const { return settings_; }
  const config::ClusterTls& TlsOf(const Host& host) const {
    return host.mesh && settings_.mesh_tls.has_value() ? *settings_.mesh_tls : settings_.tls;
  }
  // Whether a request goes to the host by HTTP/2. A server's own TLS hides what it speaks from the
  // listener in front of it.
  bool SpeaksHttp2(const Host& host, bool client_speaks_http2) const {
    if (host.spoken != config::Spoken::kUnknown) {
      const config::ClusterTls& tls = TlsOf(host);
      if (tls.settings == config::kNoTls || tls.by_source) {
        return host.spoken == config::Spoken::kHttp2;
      }
    }
    return IsHttp2(client_speaks_http2);
  }
  // The same, as far as the configuration says, of whatever host.
  bool IsHttp2(bool client_speaks_http2) const {
    return settings_.http2.has_value() && (!settings_.follows_client || client_speaks_http2);
  }
  bool removed() const { return removed_; }
  bool in_panic() const;  // in some priority
  const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }
  const std::vector<Pool>& pools() const { return pools_; }
  size_t healthy_count() const { return healthy_count_; }
  size_t member_count() const { return member_count_; }
  // Of the node.
  size_t ejected_count() const { return node_ == nullptr ? 0 : node_->ejected.Load(); }

  // The circuit breaker's, of this worker and of all. They follow the configuration of the cluster
  // of this name, and go on counting while a removed one drains.
  BreakerCount cx_active, rq_active, rq_pending, retries_active;
  ClusterStats stats;
  OutlierStats outlier_stats;
  HealthStats health_stats;

 private:
  Host* PickOnce(const PickOptions& options, uint32_t attempt, Prng& prng);
  Pool& ChoosePool(const PickOptions& options, Prng& prng);
  double PartOf(const Host& host, Instant now) const;
  Host* PickWeighted(Pool& pool, bool by_load, Instant now);
  Host* PickLeastLoaded(const Pool& pool, Prng& prng);
  Host* PickConsistent(const Pool& pool, uint64_t hash);
  Host* PickFromRing(const Pool& pool, uint64_t hash);
  Host* PickFromMaglev(const Pool& pool, uint64_t hash);
  Host* OriginalDestination(const SockAddr& address);
  static void Configure(const config::Endpoint& endpoint, Host* host);
  void JoinBoard(const config::Cluster& config);
  void UseBreaker(const config::CircuitBreaker& breaker);
  void JoinBoard(Host* host, Instant now);
  // Hosts that were members, by stable id; null: it still is one.
  using Kept = absl::flat_hash_map<uint32_t, std::unique_ptr<Host>>;
  bool KeepPassing(Kept* kept);
  void RetireHost(Host* host, std::vector<ConnId>* closing);
  static void CloseIdle(const Host& host, std::vector<ConnId>* closing);
  // pools.cc
  void MakePools();
  void AddPools(const std::vector<Host*>& hosts, const std::vector<Host*>& all, uint32_t percent,
                bool panic);
  void AddPool(std::vector<Host*> hosts, uint64_t load, bool panic);
  // ejection.cc
  bool DetectsOutliers() const;
  static bool IsEjected(const Host& host);  // whether or not it has been followed here
  void OnOutlier(Host* host, Cause cause, Prng& prng, Instant now);
  void Eject(Host* host, Prng& prng, Instant now);
  bool Uneject(Host* host);
  void EndDetection();
  void EjectByRates(Origin origin, Prng& prng, Instant now);

  std::unique_ptr<Directory> own_board_;
  Board* const board_;
  JoinedCluster node_;         // while something of it is shared
  uint32_t changes_seen_ = 0;  // of node_
  bool removal_ignores_health_ = false;
  Settings settings_;
  bool removed_ = false;
  size_t healthy_count_ = 0, member_count_ = 0;
  Instant next_look_ = Instant::Never();
  std::vector<HostRates> rates_;  // of one look; kept for their memory
  RateOutliers rate_outliers_;
  std::vector<std::unique_ptr<Host>> hosts_;  // configured ones in order, then the removed
  // Consistent balancers. The tables belong to the newest snapshot.
  std::span<const config::HashTable> hash_tables_;
  std::vector<Host*> host_of_endpoint_;
  const absl::flat_hash_map<SockAddr, config::Spoken>* spoken_ = nullptr;  // of the same snapshot
  std::vector<Pool> pools_;  // what the balancer chooses from; none: nobody is healthy
  uint64_t pool_load_ = 0;   // of all pools
  absl::flat_hash_map<uint32_t, Host*> by_stable_id_;
  absl::flat_hash_map<SockAddr, Host*> by_address_;  // ORIGINAL_DST
};

// All clusters of one worker.
class ClusterSet {
 public:
  explicit ClusterSet(Board* board = nullptr);
  void Update(const config::Snapshot& snapshot, Prng& prng, Instant now,
              std::vector<ConnId>* closing);
  // Whether something has been announced on the board since the last Follow: one load.
  bool BoardChanged() const { return board_->version() != version_seen_; }
  void Follow(Instant now, std::vector<ConnId>* closing);
  Cluster* Find(uint32_t stable_id);        // null: never heard of, or gone
  void LookAgain(Prng& prng, Instant now);  // of every cluster whose next_look has come
  Instant next_look() const;
  Board* board() const { return board_; }
  // In the order of the newest snapshot, then removed ones that still drain.
  const std::vector<Cluster*>& ordered() const { return ordered_; }

 private:
  std::unique_ptr<Directory> own_board_;
  Board* const board_;
  uint32_t version_seen_ = 0;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Cluster>> clusters_;
  std::vector<Cluster*> ordered_;
};

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_CLUSTER_H_
