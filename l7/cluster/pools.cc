// Which hosts may be chosen: pools by priority, health and locality, made anew when any of it
// changes.
#include <algorithm>
#include <map>
#include <utility>

#include "l7/cluster/cluster.h"
#include "l7/cluster/levels.h"

namespace meltemi::cluster {
namespace {

// As the balancer sees it.
config::Health HealthOf(const Host& host) {
  if ((host.flags & (kFailedActiveCheck | kFailedOutlierCheck)) != 0) {
    return config::Health::kUnhealthy;
  }
  const bool degraded = (host.flags & kDegradedActiveCheck) != 0;
  return degraded && host.health == config::Health::kHealthy ? config::Health::kDegraded
                                                             : host.health;
}

// Hosts of one priority, in the order of the configuration.
struct Members {
  std::vector<Host*> all, healthy, degraded;
};

struct Locality {
  std::vector<Host*> hosts;  // those of the pool
  size_t all = 0;
  uint32_t weight = 0;
};

// What it weighs, less when so many of its hosts are out that the others could not take their part
// (Envoy's effective weight, with the factor of priorities).
double EffectiveWeight(const Locality& locality, uint32_t factor_percent) {
  const double well =
      static_cast<double>(locality.hosts.size()) / static_cast<double>(locality.all);
  return locality.weight * std::min(1.0, factor_percent * well / 100);
}

}  // namespace

bool Cluster::in_panic() const {
  return std::any_of(pools_.begin(), pools_.end(), [](const Pool& pool) { return pool.panic; });
}

void Cluster::AddPool(std::vector<Host*> hosts, uint64_t load, bool panic) {
  if (hosts.empty() || load == 0) return;
  Pool& pool = pools_.emplace_back();
  pool.hosts = std::move(hosts);
  pool.load = load;
  pool.panic = panic;
  pool.equal_weights = std::all_of(pool.hosts.begin(), pool.hosts.end(), [&pool](const Host* h) {
    return h->weight == pool.hosts[0]->weight;
  });
  if (settings_.slow_start.has_value()) {
    for (const Host* host : pool.hosts) {
      pool.slow_until = std::max(pool.slow_until, host->well_since + settings_.slow_start->window);
    }
  }
  for (const config::HashTable& table : hash_tables_) {
    if (table.priority == pool.hosts[0]->priority) pool.table = &table;
  }
  pool_load_ += load;
}

// Where localities have weights each is a pool of its own, with its part of the priority's load;
// not in panic, as in Envoy.
void Cluster::AddPools(const std::vector<Host*>& hosts, const std::vector<Host*>& all,
                       uint32_t percent, bool panic) {
  constexpr uint64_t kScale = uint64_t{1} << 20;  // of one percent
  if (!settings_.locality_weighted || panic) {
    return AddPool(hosts, percent * kScale, panic);
  }
  std::map<std::string_view, Locality> localities;
  for (const Host* host : all) {
    Locality& locality = localities[host->locality];
    ++locality.all;
    locality.weight = host->locality_weight;
  }
  for (Host* host : hosts) localities[host->locality].hosts.push_back(host);
  double total = 0;
  for (const auto& [name, locality] : localities) {
    total += EffectiveWeight(locality, settings_.overprovisioning_percent);
  }
  // Envoy: where no locality weighs anything, all hosts are alike; else it gets nothing.
  if (total == 0) return AddPool(hosts, percent * kScale, panic);
  for (auto& [name, locality] : localities) {
    const double share = EffectiveWeight(locality, settings_.overprovisioning_percent) / total;
    AddPool(std::move(locality.hosts), static_cast<uint64_t>(percent * kScale * share), panic);
  }
}

void Cluster::MakePools() {
  const std::span members(hosts_.data(), member_count_);
  std::map<uint32_t, Members> priorities;
  healthy_count_ = 0;
  for (const std::unique_ptr<Host>& host : members) {
    Members& of = priorities[host->priority];
    of.all.push_back(host.get());
    const config::Health health = HealthOf(*host);
    if (health == config::Health::kHealthy) of.healthy.push_back(host.get());
    if (health == config::Health::kDegraded) of.degraded.push_back(host.get());
    healthy_count_ += health == config::Health::kHealthy;
    host->pool = kNoPool;
  }
  std::vector<Level> levels;
  for (const auto& [priority, of] : priorities) {
    levels.push_back(
        {.all = of.all.size(), .healthy = of.healthy.size(), .degraded = of.degraded.size()});
  }
  const std::vector<LevelLoad> loads =
      ShareLoad(levels, settings_.panic_percent, settings_.overprovisioning_percent);
  std::vector<size_t> next;  // round robin goes on where it was, as far as pools are the same
  for (const Pool& pool : pools_) next.push_back(pool.next);
  pools_.clear();
  pool_load_ = 0;
  size_t i = 0;
  for (const auto& [priority, of] : priorities) {
    const LevelLoad& load = loads[i++];
    if (load.panic) {
      AddPools(of.all, of.all, load.healthy + load.degraded, /*panic=*/true);
      continue;
    }
    AddPools(of.healthy, of.all, load.healthy, /*panic=*/false);
    AddPools(of.degraded, of.all, load.degraded, /*panic=*/false);
  }
  for (size_t k = 0; k < pools_.size(); ++k) {
    if (k < next.size()) pools_[k].next = next[k] % pools_[k].hosts.size();
    for (Host* host : pools_[k].hosts) host->pool = static_cast<uint32_t>(k);
  }
}

}  // namespace meltemi::cluster
