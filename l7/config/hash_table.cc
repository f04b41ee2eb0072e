#include "l7/config/hash_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "l7/base/text.h"
#include "l7/base/xx_hash.h"

namespace meltemi::config {
namespace {

struct Member {
  uint32_t endpoint = 0;
  uint32_t weight = 1;
  std::string name;
};

std::map<uint32_t, std::vector<Member>> ByPriority(const Cluster& cluster) {
  std::map<uint32_t, std::vector<Member>> to;
  for (uint32_t i = 0; i < cluster.endpoints.size(); ++i) {
    const Endpoint& endpoint = cluster.endpoints[i];
    to[endpoint.priority].push_back({.endpoint = i,
                                     .weight = std::max(endpoint.weight, 1u),
                                     .name = endpoint.address.ToString()});
  }
  return to;
}

// Points of the whole ring, fractions included: each host has its weight's share of it.
double RingSize(const Cluster& cluster, const std::vector<Member>& members) {
  double sum = 0, lightest = members[0].weight;
  for (const Member& member : members) {
    sum += member.weight;
    lightest = std::min<double>(lightest, member.weight);
  }
  const double share = lightest / sum;
  const double size = std::ceil(share * cluster.ring_size_min) / share;
  return std::min<double>(size, cluster.ring_size_max);
}

std::vector<HashTable::Point> BuildRing(const Cluster& cluster,
                                        const std::vector<Member>& members) {
  const double size = RingSize(cluster, members);
  double sum = 0, wanted = 0;
  for (const Member& member : members) sum += member.weight;
  std::vector<HashTable::Point> ring;
  ring.reserve(static_cast<size_t>(std::ceil(size)));
  for (const Member& member : members) {
    wanted += size * member.weight / sum;
    // Fractions add up along the hosts, so that none is lost.
    for (uint32_t i = 0; static_cast<double>(ring.size()) < wanted - 1e-6; ++i) {
      ring.push_back({.hash = XxHash64(Cat(member.name, "_", i)), .endpoint = member.endpoint});
    }
  }
  std::sort(ring.begin(), ring.end(), [](const HashTable::Point& a, const HashTable::Point& b) {
    return std::pair(a.hash, a.endpoint) < std::pair(b.hash, b.endpoint);
  });
  return ring;
}

// Each host walks its own permutation of the table and takes the next free place, in turns; one of
// half the weight takes every second turn.
std::vector<uint32_t> BuildMaglev(const Cluster& cluster, const std::vector<Member>& members) {
  struct Walk {
    uint64_t at, step, turn_weight;
  };
  const uint64_t size = cluster.maglev_size;
  uint64_t heaviest = 1;
  std::vector<Walk> walks;
  for (const Member& member : members) {
    walks.push_back({.at = XxHash64(member.name) % size,
                     .step = XxHash64(member.name, 1) % (size - 1) + 1,
                     .turn_weight = 0});
    heaviest = std::max<uint64_t>(heaviest, member.weight);
  }
  std::vector<uint32_t> table(size, kNoIndex);
  uint64_t filled = 0;
  for (uint64_t turn = 1; filled < size; ++turn) {
    for (size_t i = 0; i < members.size() && filled < size; ++i) {
      Walk& walk = walks[i];
      if (turn * members[i].weight < walk.turn_weight) continue;
      walk.turn_weight += heaviest;
      while (table[walk.at] != kNoIndex) walk.at = (walk.at + walk.step) % size;
      table[walk.at] = members[i].endpoint;
      ++filled;
    }
  }
  return table;
}

// Everything the tables follow from.
std::string KeyOf(const Cluster& cluster) {
  std::string key = Cat(static_cast<int>(cluster.lb), " ", cluster.ring_size_min, " ",
                        cluster.ring_size_max, " ", cluster.maglev_size);
  for (const Endpoint& endpoint : cluster.endpoints) {
    AppendTo(&key, " ", endpoint.address.ToString(), "/", endpoint.weight, "/", endpoint.priority);
  }
  return key;
}

}  // namespace

bool IsPrime(uint32_t number) {
  if (number < 2) return false;
  for (uint64_t i = 2; i * i <= number; ++i) {
    if (number % i == 0) return false;
  }
  return true;
}

std::vector<HashTable> BuildHashTables(const Cluster& cluster) {
  std::vector<HashTable> tables;
  if (!IsConsistent(cluster.lb)) return tables;
  for (const auto& [priority, members] : ByPriority(cluster)) {
    HashTable& table = tables.emplace_back();
    table.priority = priority;
    if (cluster.lb == LbPolicy::kRingHash) {
      table.ring = BuildRing(cluster, members);
    } else {
      table.maglev = BuildMaglev(cluster, members);
    }
  }
  return tables;
}

size_t HashPointCount(const Cluster& cluster) {
  if (!IsConsistent(cluster.lb)) return 0;
  size_t count = 0;
  for (const auto& [priority, members] : ByPriority(cluster)) {
    count += cluster.lb == LbPolicy::kMaglev
                 ? cluster.maglev_size
                 : static_cast<size_t>(std::ceil(RingSize(cluster, members)));
  }
  return count;
}

std::vector<HashTable> HashTableCache::Get(const Cluster& cluster) {
  if (!IsConsistent(cluster.lb)) return {};
  std::string key = KeyOf(cluster);
  const auto known = kept_.find(cluster.stable_id);
  std::vector<HashTable> tables = known != kept_.end() && known->second.key == key
                                      ? known->second.tables
                                      : BuildHashTables(cluster);
  next_[cluster.stable_id] = {.key = std::move(key), .tables = tables};
  return tables;
}

void HashTableCache::Commit() {
  kept_ = std::move(next_);
  next_.clear();
}

}  // namespace meltemi::config
