// The balancers: which of the eligible hosts a request goes to.
#include <algorithm>
#include <cmath>

#include "l7/base/stage.h"
#include "l7/cluster/cluster.h"

namespace meltemi::cluster {
namespace {

bool Contains(std::span<Host* const> hosts, const Host* host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
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

}  // namespace

// One pool nearly always. Of several, by a hash where there is one, so that a request finds the
// same priority again.
Pool& Cluster::ChoosePool(const PickOptions& options, Prng& prng) {
  if (pools_.size() == 1) return pools_[0];
  uint64_t at = options.hash.has_value() ? *options.hash % pool_load_ : prng.Below(pool_load_);
  for (Pool& pool : pools_) {
    if (at < pool.load) return pool;
    at -= pool.load;
  }
  return pools_.back();
}

Host* Cluster::Pick(const PickOptions& options, Prng& prng) {
  const StageScope scope(Stage::kBalance);
  if (removed_) return nullptr;
  if (settings_.discovery == config::Discovery::kOriginalDst) {
    return OriginalDestination(options.original_destination);
  }
  if (pools_.empty()) {
    ++stats.cx_none_healthy;
    return nullptr;
  }
  Host* host = PickOnce(options, 0, prng);
  for (uint32_t i = 1; i < options.attempt_count_max && Contains(options.avoid, host); ++i) {
    host = PickOnce(options, i, prng);
  }
  return host;
}

Host* Cluster::PickOnce(const PickOptions& options, uint32_t attempt, Prng& prng) {
  Pool& pool = ChoosePool(options, prng);
  if (pool.panic) ++stats.lb_healthy_panic;
  const std::vector<Host*>& hosts = pool.hosts;
  if (hosts.size() == 1) return hosts[0];
  const bool weighted = !pool.equal_weights || options.now < pool.slow_until;
  switch (settings_.lb) {
    case config::LbPolicy::kRoundRobin: {
      if (weighted) return PickWeighted(pool, /*by_load=*/false, options.now);
      Host* host = hosts[pool.next];
      pool.next = pool.next + 1 == hosts.size() ? 0 : pool.next + 1;
      return host;
    }
    case config::LbPolicy::kLeastRequest:
      return weighted ? PickWeighted(pool, /*by_load=*/true, options.now)
                      : PickLeastLoaded(pool, prng);
    case config::LbPolicy::kRandom:
    case config::LbPolicy::kClusterProvided:
      return hosts[prng.Below(hosts.size())];
    case config::LbPolicy::kRingHash:
    case config::LbPolicy::kMaglev: {
      if (!options.hash.has_value()) return hosts[prng.Below(hosts.size())];
      return PickConsistent(pool, HashOfAttempt(*options.hash, attempt));
    }
  }
  return hosts[0];
}

Host* Cluster::PickConsistent(const Pool& pool, uint64_t hash) {
  Host* host = nullptr;
  if (pool.table != nullptr) {
    host = pool.table->maglev.empty() ? PickFromRing(pool, hash) : PickFromMaglev(pool, hash);
  }
  return host != nullptr ? host : pool.hosts[hash % pool.hosts.size()];
}

// Few points after one another belong to hosts that are out, unless nearly all are out: then the
// search ends (null) and the hash alone decides, which is as consistent until somebody is back.
constexpr int kPassedOverMax = 256;

Host* Cluster::PickFromRing(const Pool& pool, uint64_t hash) {
  const std::vector<config::HashTable::Point>& ring = pool.table->ring;
  if (ring.empty()) return nullptr;
  const auto index = static_cast<uint32_t>(&pool - pools_.data());
  const auto begin = std::lower_bound(
      ring.begin(), ring.end(), hash,
      [](const config::HashTable::Point& point, uint64_t key) { return point.hash < key; });
  size_t at = static_cast<size_t>(begin - ring.begin()) % ring.size();
  for (int i = 0; i < kPassedOverMax; ++i) {
    Host* host = host_of_endpoint_[ring[at].endpoint];
    if (host->pool == index) return host;
    at = at + 1 == ring.size() ? 0 : at + 1;
  }
  return nullptr;
}

// Neighbours in the table have nothing to do with each other, so what a host leaves is spread over
// all others by looking at the next place.
Host* Cluster::PickFromMaglev(const Pool& pool, uint64_t hash) {
  const std::vector<uint32_t>& table = pool.table->maglev;
  const auto index = static_cast<uint32_t>(&pool - pools_.data());
  size_t at = hash % table.size();
  for (int i = 0; i < kPassedOverMax; ++i) {
    Host* host = host_of_endpoint_[table[at]];
    if (host->pool == index) return host;
    at = at + 1 == table.size() ? 0 : at + 1;
  }
  return nullptr;
}

// Of its weight, while it starts slowly: Envoy's formula.
double Cluster::PartOf(const Host& host, Instant now) const {
  const config::SlowStart& slow = *settings_.slow_start;
  const Duration since = std::max(now - host.well_since, Duration::Millis(1));
  if (since >= slow.window) return 1;
  const double time = since.seconds() / slow.window.seconds();
  const double part = slow.aggression == 1.0 ? time : std::pow(time, 1.0 / slow.aggression);
  return std::max(part, slow.min_weight_percent / 100);
}

// Smooth weighted round robin (as in nginx and LVS): each host's credit grows by its weight, the
// richest is taken and pays the total. With load: the weight counts as weight / (active + 1).
Host* Cluster::PickWeighted(Pool& pool, bool by_load, Instant now) {
  constexpr int64_t kScale = 1 << 16;
  const bool slow = now < pool.slow_until;
  Host* best = nullptr;
  int64_t total = 0;
  for (Host* host : pool.hosts) {
    int64_t weight = kScale * host->weight / (by_load ? host->rq_active + 1 : 1);
    if (slow) weight = static_cast<int64_t>(static_cast<double>(weight) * PartOf(*host, now));
    host->wrr_current += weight;
    total += weight;
    if (best == nullptr || host->wrr_current > best->wrr_current) best = host;
  }
  best->wrr_current -= total;
  return best;
}

// The power of d choices (Mitzenmacher 2001).
Host* Cluster::PickLeastLoaded(const Pool& pool, Prng& prng) {
  Host* best = nullptr;
  const uint32_t choice_count = std::max(settings_.least_request_choice_count, 1u);
  for (uint32_t i = 0; i < choice_count; ++i) {
    Host* host = pool.hosts[prng.Below(pool.hosts.size())];
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
      if (!host->unused()) return false;
      by_address_.erase(host->address);
      return true;
    });
    if (hosts_.size() >= kOriginalDstHostCountMax) return nullptr;
  }
  hosts_.push_back(std::make_unique<Host>());
  Host* host = hosts_.back().get();
  host->address = address;
  if (spoken_ != nullptr) {
    if (const auto at = spoken_->find(address); at != spoken_->end()) host->spoken = at->second;
  }
  by_address_[address] = host;
  return host;
}

}  // namespace meltemi::cluster
