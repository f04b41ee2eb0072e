#include "l7/cluster/cluster.h"

#include <algorithm>
#include <utility>

#include "l7/base/check.h"
#include "l7/base/stage.h"

namespace meltemi::cluster {
namespace {

bool Contains(std::span<Host* const> hosts, const Host* host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

// As the balancer sees it.
config::Health HealthOf(const Host& host) {
  return host.outlier.ejected ? config::Health::kUnhealthy : host.health;
}

bool Idle(const Host& host) {
  return host.rq_active == 0 && host.cx_active == 0 && host.waiting.empty();
}

// Who must not get the same host again looks up another hash, and always the same one. Envoy only
// turns its bits, which leaves all further attempts at one place of a ring; this is SplitMix64.
uint64_t HashOfAttempt(uint64_t hash, uint32_t attempt) {
  if (attempt == 0) return hash;
  hash += attempt * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

Cluster::Settings SettingsOf(const config::Cluster& config) {
  return {.name = config.name,
          .stable_id = config.stable_id,
          .discovery = config.discovery,
          .lb = config.lb,
          .least_request_choice_count = config.least_request_choice_count,
          .panic_percent = config.panic_percent,
          .connect_timeout = config.connect_timeout,
          .idle_timeout = config.idle_timeout,
          .requests_per_connection_max = config.requests_per_connection_max,
          .http2 = config.http2,
          .tls = config.tls,
          .mesh_tls = config.mesh_tls,
          .breaker = config.breaker,
          .outlier = config.outlier};
}

}  // namespace

void Cluster::Update(const config::Cluster& config, Prng& prng, std::vector<ConnId>* closing) {
  // What waits for requests would carry them past the new settings.
  if (settings_.tls != config.tls || settings_.mesh_tls != config.mesh_tls) {
    for (const std::unique_ptr<Host>& host : hosts_) CloseIdle(*host, closing);
  }
  settings_ = SettingsOf(config);
  removed_ = false;
  if (config.discovery == config::Discovery::kOriginalDst) return;
  std::vector<std::unique_ptr<Host>> old = std::move(hosts_);
  absl::flat_hash_map<uint32_t, std::unique_ptr<Host>> kept;
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
      slot = std::make_unique<Host>();
      changed = true;
    }
    if (slot->mesh != endpoint.mesh) CloseIdle(*slot, closing);
    slot->mesh = endpoint.mesh;
    slot->address = endpoint.address;
    slot->weight = std::max(endpoint.weight, 1u);
    slot->priority = endpoint.priority;
    slot->health = endpoint.health;
    slot->locality = endpoint.locality;
    slot->workload = endpoint.workload;
    if (!config.outlier.has_value()) slot->outlier = HostOutlier{};
    by_stable_id_[endpoint.stable_id] = slot.get();
    host_of_endpoint_.push_back(slot.get());
    hosts_.push_back(std::move(slot));
  }
  member_count_ = hosts_.size();
  if (!config.outlier.has_value()) next_look_ = Instant::Never();
  ChooseEligible();
  if (!eligible_.empty()) next_ = prng.Below(eligible_.size());
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

void Cluster::Remove(std::vector<ConnId>* closing) {
  removed_ = true;
  for (std::unique_ptr<Host>& host : hosts_) RetireHost(host.get(), closing);
  eligible_.clear();
  hash_tables_ = {};
  hash_table_ = nullptr;
  host_of_endpoint_.clear();
  by_stable_id_.clear();
  by_address_.clear();
  member_count_ = healthy_count_ = ejected_count_ = 0;
  next_look_ = Instant::Never();
}

void Cluster::RetireHost(Host* host, std::vector<ConnId>* closing) {
  host->removed = true;
  CloseIdle(*host, closing);
}

void Cluster::CloseIdle(const Host& host, std::vector<ConnId>* closing) {
  closing->insert(closing->end(), host.idle.begin(), host.idle.end());
  closing->insert(closing->end(), host.http2.begin(), host.http2.end());
}

bool Cluster::Sweep() {
  std::erase_if(hosts_,
                [](const std::unique_ptr<Host>& host) { return host->removed && Idle(*host); });
  return removed_ && hosts_.empty() && rq_active == 0 && rq_pending == 0 && retries_active == 0;
}

// Health and priorities: the first priority with a healthy host is used whole. Fewer healthy hosts
// than panic_percent there (or nowhere any): all hosts of the priority are used, because sending
// everything to the few left would finish them too.
void Cluster::ChooseEligible() {
  eligible_.clear();
  in_panic_ = false;
  healthy_count_ = ejected_count_ = 0;
  const std::span members(hosts_.data(), member_count_);
  std::vector<uint32_t> priorities;
  for (const std::unique_ptr<Host>& host : members) {
    priorities.push_back(host->priority);
    if (HealthOf(*host) == config::Health::kHealthy) ++healthy_count_;
    if (host->outlier.ejected) ++ejected_count_;
    host->eligible = false;
  }
  std::sort(priorities.begin(), priorities.end());
  priorities.erase(std::unique(priorities.begin(), priorities.end()), priorities.end());
  for (size_t i = 0; i < priorities.size(); ++i) {
    std::vector<Host*> all, healthy, degraded;
    for (const std::unique_ptr<Host>& host : members) {
      if (host->priority != priorities[i]) continue;
      all.push_back(host.get());
      if (HealthOf(*host) == config::Health::kHealthy) healthy.push_back(host.get());
      if (HealthOf(*host) == config::Health::kDegraded) degraded.push_back(host.get());
    }
    if (healthy.empty()) healthy = std::move(degraded);
    if (!healthy.empty()) {
      in_panic_ = healthy.size() * 100 < size_t{settings_.panic_percent} * all.size();
      eligible_ = in_panic_ ? std::move(all) : std::move(healthy);
      break;
    }
    if (i == 0 && settings_.panic_percent > 0)
      eligible_ = std::move(all);  // unless a later one has
  }
  if (!eligible_.empty() && healthy_count_ == 0) {
    in_panic_ = std::none_of(eligible_.begin(), eligible_.end(), [](const Host* host) {
      return HealthOf(*host) == config::Health::kDegraded;
    });
  }
  equal_weights_ = std::all_of(eligible_.begin(), eligible_.end(), [this](const Host* host) {
    return host->weight == eligible_[0]->weight;
  });
  hash_table_ = nullptr;
  for (Host* host : eligible_) host->eligible = true;
  for (const config::HashTable& table : hash_tables_) {
    if (!eligible_.empty() && table.priority == eligible_[0]->priority) hash_table_ = &table;
  }
}

// One more ejected host must not be more than the share allows.
bool Cluster::MayEject() const {
  if (settings_.outlier->always_eject_one && ejected_count_ == 0) return true;
  return (ejected_count_ + 1) * 100 <= member_count_ * settings_.outlier->ejection_percent_max;
}

void Cluster::Report(Host* host, Outcome outcome, Prng& prng, Instant now) {
  // Where clients choose the host themselves there is nothing to keep it out of.
  if (!settings_.outlier.has_value() || settings_.discovery == config::Discovery::kOriginalDst) {
    return;
  }
  const config::OutlierDetection& config = *settings_.outlier;
  const Detected detected = CountOutcome(config, outcome, &host->outlier);
  // In Envoy's order: the narrower streak first.
  for (const Streak streak : {Streak::kGateway, Streak::k5xx, Streak::kLocal}) {
    const auto i = static_cast<size_t>(streak);
    if (!detected.streak[i] || host->outlier.ejected || host->removed) continue;
    ++outlier_stats.detected[i];
    if (!MayEject()) {
      ++outlier_stats.overflow;
      continue;
    }
    const uint32_t percent = EnforcingPercent(config, streak);
    if (percent < 100 && !prng.Chance(percent, 100)) continue;
    ++outlier_stats.enforced[i];
    ++outlier_stats.enforced_total;
    Eject(config, now, &host->outlier);
    ChooseEligible();
    if (next_look_.never()) next_look_ = now + config.interval;
  }
}

void Cluster::LookAgain(Instant now) {
  if (now < next_look_) return;
  bool back = false, busy = false;
  for (const std::unique_ptr<Host>& host : std::span(hosts_.data(), member_count_)) {
    back |= cluster::LookAgain(*settings_.outlier, now, &host->outlier);
    busy |= host->outlier.ejected || host->outlier.ejection_count > 0;
  }
  if (back) ChooseEligible();
  next_look_ = busy ? now + settings_.outlier->interval : Instant::Never();
}

Host* Cluster::Pick(const PickOptions& options, Prng& prng) {
  const StageScope scope(Stage::kBalance);
  if (removed_) return nullptr;
  if (settings_.discovery == config::Discovery::kOriginalDst) {
    return OriginalDestination(options.original_destination);
  }
  if (eligible_.empty()) {
    ++stats.cx_none_healthy;
    return nullptr;
  }
  if (in_panic_) ++stats.lb_healthy_panic;
  Host* host = PickOnce(options, 0, prng);
  for (uint32_t i = 1; i < options.attempt_count_max && Contains(options.avoid, host); ++i) {
    host = PickOnce(options, i, prng);
  }
  return host;
}

Host* Cluster::PickOnce(const PickOptions& options, uint32_t attempt, Prng& prng) {
  if (eligible_.size() == 1) return eligible_[0];
  switch (settings_.lb) {
    case config::LbPolicy::kRoundRobin: {
      if (!equal_weights_) return PickWeighted(/*by_load=*/false);
      Host* host = eligible_[next_ % eligible_.size()];
      next_ = (next_ + 1) % eligible_.size();
      return host;
    }
    case config::LbPolicy::kLeastRequest:
      return equal_weights_ ? PickLeastLoaded(prng) : PickWeighted(/*by_load=*/true);
    case config::LbPolicy::kRandom:
    case config::LbPolicy::kClusterProvided:
      return eligible_[prng.Below(eligible_.size())];
    case config::LbPolicy::kRingHash:
    case config::LbPolicy::kMaglev: {
      if (!options.hash.has_value()) return eligible_[prng.Below(eligible_.size())];
      return PickConsistent(HashOfAttempt(*options.hash, attempt));
    }
  }
  return eligible_[0];
}

Host* Cluster::PickConsistent(uint64_t hash) {
  Host* host = nullptr;
  if (hash_table_ != nullptr) {
    host = hash_table_->maglev.empty() ? PickFromRing(hash) : PickFromMaglev(hash);
  }
  return host != nullptr ? host : eligible_[hash % eligible_.size()];
}

// Few points after one another belong to hosts that are out, unless nearly all are out: then the
// search ends (null) and the hash alone decides, which is as consistent until somebody is back.
constexpr int kPassedOverMax = 256;

Host* Cluster::PickFromRing(uint64_t hash) {
  const std::vector<config::HashTable::Point>& ring = hash_table_->ring;
  if (ring.empty()) return nullptr;
  const auto begin = std::lower_bound(
      ring.begin(), ring.end(), hash,
      [](const config::HashTable::Point& point, uint64_t key) { return point.hash < key; });
  size_t at = static_cast<size_t>(begin - ring.begin()) % ring.size();
  for (int i = 0; i < kPassedOverMax; ++i) {
    Host* host = host_of_endpoint_[ring[at].endpoint];
    if (host->eligible) return host;
    at = at + 1 == ring.size() ? 0 : at + 1;
  }
  return nullptr;
}

// Neighbours in the table have nothing to do with each other, so what a host leaves is spread over
// all others by looking at the next place.
Host* Cluster::PickFromMaglev(uint64_t hash) {
  const std::vector<uint32_t>& table = hash_table_->maglev;
  size_t at = hash % table.size();
  for (int i = 0; i < kPassedOverMax; ++i) {
    Host* host = host_of_endpoint_[table[at]];
    if (host->eligible) return host;
    at = at + 1 == table.size() ? 0 : at + 1;
  }
  return nullptr;
}

// Smooth weighted round robin (as in nginx and LVS): each host's credit grows by its weight, the
// richest is taken and pays the total. With load: the weight counts as weight / (active + 1).
Host* Cluster::PickWeighted(bool by_load) {
  constexpr int64_t kScale = 1 << 16;
  Host* best = nullptr;
  int64_t total = 0;
  for (Host* host : eligible_) {
    const int64_t weight = kScale * host->weight / (by_load ? host->rq_active + 1 : 1);
    host->wrr_current += weight;
    total += weight;
    if (best == nullptr || host->wrr_current > best->wrr_current) best = host;
  }
  best->wrr_current -= total;
  return best;
}

// The power of d choices (Mitzenmacher 2001).
Host* Cluster::PickLeastLoaded(Prng& prng) {
  Host* best = nullptr;
  const uint32_t choice_count = std::max(settings_.least_request_choice_count, 1u);
  for (uint32_t i = 0; i < choice_count; ++i) {
    Host* host = eligible_[prng.Below(eligible_.size())];
    if (best == nullptr || host->rq_active < best->rq_active) best = host;
  }
  return best;
}

Host* Cluster::OriginalDestination(const SockAddr& address) {
  const auto found = by_address_.find(address);
  if (found != by_address_.end()) return found->second;
  if (hosts_.size() >= kOriginalDstHostCountMax) {
    // Make room: whoever is idle now can be dialled again later.
    std::erase_if(hosts_, [this](const std::unique_ptr<Host>& host) {
      if (!Idle(*host)) return false;
      by_address_.erase(host->address);
      return true;
    });
    if (hosts_.size() >= kOriginalDstHostCountMax) return nullptr;
  }
  hosts_.push_back(std::make_unique<Host>());
  Host* host = hosts_.back().get();
  host->address = address;
  by_address_[address] = host;
  return host;
}

void ClusterSet::Update(const config::Snapshot& snapshot, Prng& prng,
                        std::vector<ConnId>* closing) {
  std::vector<Cluster*> before = std::move(ordered_);
  ordered_.clear();
  absl::flat_hash_map<uint32_t, bool> present;
  for (const config::Cluster& config : snapshot.clusters) {
    std::unique_ptr<Cluster>& slot = clusters_[config.stable_id];
    if (slot == nullptr) slot = std::make_unique<Cluster>();
    slot->Update(config, prng, closing);
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

void ClusterSet::LookAgain(Instant now) {
  for (Cluster* cluster : ordered_) {
    if (cluster->next_look() <= now) cluster->LookAgain(now);
  }
}

Instant ClusterSet::next_look() const {
  Instant next = Instant::Never();
  for (const Cluster* cluster : ordered_) next = std::min(next, cluster->next_look());
  return next;
}

}  // namespace meltemi::cluster
