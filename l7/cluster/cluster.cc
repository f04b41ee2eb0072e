#include "l7/cluster/cluster.h"

#include <algorithm>
#include <utility>

namespace meltemi::cluster {
namespace {

Cluster::Settings SettingsOf(const config::Cluster& config) {
  return {.name = config.name,
          .stable_id = config.stable_id,
          .discovery = config.discovery,
          .lb = config.lb,
          .least_request_choice_count = config.least_request_choice_count,
          .panic_percent = config.panic_percent,
          .overprovisioning_percent = config.overprovisioning_percent,
          .locality_weighted = config.locality_weighted,
          .connect_timeout = config.connect_timeout,
          .idle_timeout = config.idle_timeout,
          .requests_per_connection_max = config.requests_per_connection_max,
          .keepalive = config.keepalive,
          .http2 = config.http2,
          .follows_client = config.follows_client,
          .tls = config.tls,
          .mesh_tls = config.mesh_tls,
          .proxy_protocol = config.proxy_protocol,
          .breaker = config.breaker,
          .outlier = config.outlier,
          .slow_start = config.slow_start,
          .health_check = config.health_check};
}

bool IsLimited(const config::CircuitBreaker& breaker) {
  return breaker.connections_max != kNoLimit || breaker.pending_max != kNoLimit ||
         breaker.requests_max != kNoLimit || breaker.retries_max != kNoLimit ||
         breaker.retry_budget.has_value();
}

// What the node says of the host holds here from now on.
void FollowFlags(Host* host, Instant now) {
  const uint32_t before = host->flags;
  host->flags = host->node->flags.Load();
  if ((before & ~host->flags & kFailedActiveCheck) != 0) host->well_since = now;
}

std::unique_ptr<Directory> BoardOfMyOwn(const Board* board) {
  return board == nullptr ? std::make_unique<Directory>() : nullptr;
}

}  // namespace

void Cluster::Configure(const config::Endpoint& endpoint, Host* host) {
  host->mesh = endpoint.mesh;
  host->address = endpoint.address;
  host->weight = std::max(endpoint.weight, 1u);
  host->priority = endpoint.priority;
  host->health = endpoint.health;
  host->locality = endpoint.locality;
  host->locality_weight = endpoint.locality_weight;
  host->workload = endpoint.workload;
  host->check_port = endpoint.check_port;
  host->unchecked = endpoint.unchecked;
  host->kept = false;
}

Cluster::Cluster(Board* board)
    : own_board_(BoardOfMyOwn(board)), board_(board != nullptr ? board : own_board_.get()) {}

namespace {

std::unique_ptr<Host> NewHost(const config::Cluster& config, const config::Endpoint& endpoint,
                              Instant now) {
  auto host = std::make_unique<Host>();
  host->stable_id = endpoint.stable_id;
  host->well_since = now;
  // Envoy: a host is not healthy before it has passed once.
  if (config.health_check.has_value()) host->flags = kFailedActiveCheck;
  return host;
}

}  // namespace

void Cluster::Update(const config::Cluster& config, Prng& prng, Instant now,
                     std::vector<ConnId>* closing) {
  // What waits for requests would carry them past the new settings.
  if (settings_.tls != config.tls || settings_.mesh_tls != config.mesh_tls ||
      settings_.http2.has_value() != config.http2.has_value()) {
    for (const std::unique_ptr<Host>& host : hosts_) CloseIdle(*host, closing);
  }
  settings_ = SettingsOf(config);
  removed_ = false;
  if (!DetectsOutliers()) EndDetection();
  if (DetectsOutliers()) next_look_ = std::min(next_look_, now + config.outlier->interval);
  JoinBoard(config);
  if (config.discovery == config::Discovery::kOriginalDst) return;
  std::vector<std::unique_ptr<Host>> old = std::move(hosts_);
  Kept kept;
  std::vector<std::unique_ptr<Host>> gone;
  absl::flat_hash_map<const Host*, uint32_t> id_of;
  for (const auto& [id, host] : by_stable_id_) id_of[host] = id;
  for (std::unique_ptr<Host>& host : old) {
    const auto id = id_of.find(host.get());
    if (id == id_of.end()) {
      gone.push_back(std::move(host));
    } else {
      kept[id->second] = std::move(host);
    }
  }
  hosts_.clear();
  by_stable_id_.clear();
  host_of_endpoint_.clear();
  hash_tables_ = config.hash_tables;
  bool changed = false;
  for (const config::Endpoint& endpoint : config.endpoints) {
    std::unique_ptr<Host>& slot = kept[endpoint.stable_id];
    if (slot == nullptr) {
      if (const auto twice = by_stable_id_.find(endpoint.stable_id); twice != by_stable_id_.end()) {
        host_of_endpoint_.push_back(twice->second);  // the first counts
        continue;
      }
      slot = NewHost(config, endpoint, now);
      changed = true;
    }
    if (slot->mesh != endpoint.mesh) CloseIdle(*slot, closing);
    Configure(endpoint, slot.get());
    JoinBoard(slot.get(), now);
    by_stable_id_[endpoint.stable_id] = slot.get();
    host_of_endpoint_.push_back(slot.get());
    hosts_.push_back(std::move(slot));
  }
  changed |= KeepPassing(&kept);
  member_count_ = hosts_.size();
  MakePools();
  for (Pool& pool : pools_) pool.next = prng.Below(pool.hosts.size());
  // Hosts that are gone drain in the order they had.
  for (std::unique_ptr<Host>& host : gone) hosts_.push_back(std::move(host));
  std::vector<std::pair<uint32_t, std::unique_ptr<Host>>> left;
  for (auto& [id, host] : kept) {
    if (host != nullptr) left.emplace_back(id, std::move(host));
  }
  std::sort(left.begin(), left.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, host] : left) {
    RetireHost(host.get(), closing);
    hosts_.push_back(std::move(host));
    changed = true;
  }
  if (changed) ++stats.membership_change;
}

void Cluster::LearnSpoken(const config::Snapshot& snapshot, std::vector<ConnId>* closing) {
  spoken_ = &snapshot.spoken;
  for (const std::unique_ptr<Host>& host : hosts_) {
    const config::Spoken spoken = snapshot.SpokenAt(host->address);
    if (host->spoken == spoken) continue;
    host->spoken = spoken;
    CloseIdle(*host, closing);
  }
}

Cluster::~Cluster() { UseBreaker({kNoLimit, kNoLimit, kNoLimit, kNoLimit, std::nullopt}); }

void Cluster::UseBreaker(const config::CircuitBreaker& breaker) {
  const auto use = [this](BreakerCount* count, BusyCell NodeCluster::*cell, uint32_t limit,
                          bool needed) {
    count->Use(needed ? &(node_.get()->*cell).cell : nullptr, limit);
  };
  const auto below = [](uint32_t limit) { return limit != kNoLimit; };
  // A budget is a share of the requests, which are counted for it.
  const bool budget = breaker.retry_budget.has_value();
  use(&cx_active, &NodeCluster::connections, breaker.connections_max,
      below(breaker.connections_max));
  use(&rq_pending, &NodeCluster::pending, breaker.pending_max, below(breaker.pending_max));
  use(&rq_active, &NodeCluster::requests, breaker.requests_max,
      budget || below(breaker.requests_max));
  const uint32_t retries_max = budget ? kNoLimit : breaker.retries_max;  // else of each retry
  use(&retries_active, &NodeCluster::retries, retries_max, budget || below(retries_max));
}

// Nothing is shared that nobody could have an opinion about.
void Cluster::JoinBoard(const config::Cluster& config) {
  const bool limited = IsLimited(config.breaker);
  if (!limited) UseBreaker(config.breaker);  // before what it counted in may be gone
  if (!config.health_check.has_value() && !DetectsOutliers() && !limited) {
    node_.reset();
  } else if (node_ == nullptr) {
    node_ = JoinedCluster(board_->JoinCluster(config.stable_id), {board_});
  }
  if (limited) UseBreaker(config.breaker);
  // Before the flags are read: what is said of them after that is followed later.
  if (node_ != nullptr) changes_seen_ = node_->changes.Load();
  removal_ignores_health_ = config.removal_ignores_health;
}

void Cluster::JoinBoard(Host* host, Instant now) {
  const bool checked = settings_.health_check.has_value() && !host->unchecked;
  if (!checked && !DetectsOutliers()) {
    host->node.reset();
    host->flags = 0;
    return;
  }
  if (host->node == nullptr) {
    const uint32_t flags = checked ? host->flags : 0;
    host->node = JoinedHost(board_->JoinHost(host->stable_id, flags), {board_});
  }
  // What was found while it was checked holds no longer.
  if (!checked && host->node->flags.Clear(kFailedActiveCheck | kDegradedActiveCheck)) {
    board_->Announce(node_.get());
  }
  FollowFlags(host, now);
}

// Hosts that the configuration has dropped but whose health checks pass stay (Envoy: discovery may
// be wrong for a moment, a check that passes is not). They become members behind the configured
// ones. Whoever has their address now has taken their place. True: one has become kept.
bool Cluster::KeepPassing(Kept* kept) {
  if (!settings_.health_check.has_value() || removal_ignores_health_) return false;
  std::vector<std::pair<uint32_t, std::unique_ptr<Host>>> passing;
  for (auto& [id, host] : *kept) {
    if (host == nullptr || host->node == nullptr || host->unchecked) continue;
    host->flags = host->node->flags.Load();
    const SockAddr address = host->address;
    const bool replaced = std::any_of(hosts_.begin(), hosts_.end(),
                                      [&](const auto& other) { return other->address == address; });
    if ((host->flags & kFailedActiveCheck) != 0 || replaced) continue;
    passing.emplace_back(id, std::move(host));
  }
  std::sort(passing.begin(), passing.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  bool changed = false;
  for (auto& [id, host] : passing) {
    changed |= !host->kept;
    host->kept = true;
    by_stable_id_[id] = host.get();
    hosts_.push_back(std::move(host));
  }
  return changed;
}

void Cluster::SetChecked(Host* host, bool failed, bool degraded) {
  if (host->node == nullptr) return;
  const uint32_t set = (failed ? kFailedActiveCheck : 0) | (degraded ? kDegradedActiveCheck : 0);
  const uint32_t clear = (kFailedActiveCheck | kDegradedActiveCheck) & ~set;
  bool changed = host->node->flags.Set(set);
  changed |= host->node->flags.Clear(clear);
  if (changed) board_->Announce(node_.get());
}

void Cluster::Follow(Instant now, std::vector<ConnId>* closing) {
  if (node_ == nullptr || removed_) return;
  const uint32_t changes = node_->changes.Load();
  if (changes == changes_seen_) return;
  changes_seen_ = changes;
  const auto members = hosts_.begin() + static_cast<ptrdiff_t>(member_count_);
  std::for_each(hosts_.begin(), members, [now](const std::unique_ptr<Host>& host) {
    if (host->node != nullptr) FollowFlags(host.get(), now);
  });
  const auto gone =
      std::stable_partition(hosts_.begin(), members, [](const std::unique_ptr<Host>& host) {
        return !host->kept || (host->flags & kFailedActiveCheck) == 0;
      });
  for (auto host = gone; host != members; ++host) {
    by_stable_id_.erase((*host)->stable_id);
    RetireHost(host->get(), closing);
    ++stats.membership_change;
  }
  member_count_ = static_cast<size_t>(gone - hosts_.begin());
  MakePools();
}

void Cluster::Remove(std::vector<ConnId>* closing) {
  removed_ = true;
  for (std::unique_ptr<Host>& host : hosts_) RetireHost(host.get(), closing);
  if (!IsLimited(settings_.breaker)) node_.reset();  // else what still runs is counted there
  pools_.clear();
  hash_tables_ = {};
  host_of_endpoint_.clear();
  by_stable_id_.clear();
  by_address_.clear();
  member_count_ = healthy_count_ = 0;
  next_look_ = Instant::Never();
}

void Cluster::RetireHost(Host* host, std::vector<ConnId>* closing) {
  host->removed = true;
  Uneject(host);
  host->node.reset();
  CloseIdle(*host, closing);
}

void Cluster::CloseIdle(const Host& host, std::vector<ConnId>* closing) {
  closing->insert(closing->end(), host.idle.begin(), host.idle.end());
  closing->insert(closing->end(), host.http2.begin(), host.http2.end());
}

bool Cluster::Sweep() {
  std::erase_if(hosts_,
                [](const std::unique_ptr<Host>& host) { return host->removed && host->unused(); });
  return removed_ && hosts_.empty() && rq_active.here() == 0 && rq_pending.here() == 0 &&
         retries_active.here() == 0;
}

ClusterSet::ClusterSet(Board* board)
    : own_board_(BoardOfMyOwn(board)), board_(board != nullptr ? board : own_board_.get()) {}

void ClusterSet::Follow(Instant now, std::vector<ConnId>* closing) {
  version_seen_ = board_->version();
  for (Cluster* cluster : ordered_) cluster->Follow(now, closing);
}

void ClusterSet::Update(const config::Snapshot& snapshot, Prng& prng, Instant now,
                        std::vector<ConnId>* closing) {
  std::vector<Cluster*> before = std::move(ordered_);
  ordered_.clear();
  absl::flat_hash_map<uint32_t, bool> present;
  for (const config::Cluster& config : snapshot.clusters) {
    std::unique_ptr<Cluster>& slot = clusters_[config.stable_id];
    if (slot == nullptr) slot = std::make_unique<Cluster>(board_);
    slot->Update(config, prng, now, closing);
    slot->LearnSpoken(snapshot, closing);
    slot->Sweep();
    if (!present[config.stable_id]) ordered_.push_back(slot.get());
    present[config.stable_id] = true;
  }
  for (Cluster* cluster : before) {
    const uint32_t id = cluster->settings().stable_id;
    if (present.contains(id)) continue;
    if (!cluster->removed()) cluster->Remove(closing);
    if (cluster->Sweep()) {
      clusters_.erase(id);
    } else {
      ordered_.push_back(cluster);
    }
  }
}

Cluster* ClusterSet::Find(uint32_t stable_id) {
  const auto found = clusters_.find(stable_id);
  return found == clusters_.end() ? nullptr : found->second.get();
}

void ClusterSet::LookAgain(Prng& prng, Instant now) {
  for (Cluster* cluster : ordered_) {
    if (cluster->next_look() <= now) cluster->LookAgain(prng, now);
  }
}

Instant ClusterSet::next_look() const {
  Instant next = Instant::Never();
  for (const Cluster* cluster : ordered_) next = std::min(next, cluster->next_look());
  return next;
}

}  // namespace meltemi::cluster
