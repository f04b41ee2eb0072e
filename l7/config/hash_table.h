// The tables of consistent balancers: which endpoint a hash means.
//
// Pure. Owns what it keeps of earlier snapshots (HashTableCache). Called by the compiler, on the
// agent's thread: building takes milliseconds, which no worker has.
// Bounds: kHashPointCountMax points in all tables of a snapshot.
#ifndef MELTEMI_L7_CONFIG_HASH_TABLE_H_
#define MELTEMI_L7_CONFIG_HASH_TABLE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/config/snapshot.h"

namespace meltemi::config {

inline constexpr size_t kHashPointCountMax = 64 * 1024 * 1024;
inline constexpr uint32_t kRingSizeMax = 8 * 1024 * 1024;
inline constexpr uint32_t kMaglevSizeMax = 5'000'011;  // as in Envoy

bool IsPrime(uint32_t number);

// One table per priority, of all the cluster's endpoints in proportion to their weights. Empty for
// other balancers and for clusters without endpoints.
//
// Ring: a host has as many points as its weight's share of the ring, which is as large as gives the
// lightest host a whole number of points, within ring_size_min and ring_size_max. Maglev:
// Eisenbud et al., NSDI 2016, 3.4, with weights as in Envoy.
std::vector<HashTable> BuildHashTables(const Cluster& cluster);

// How many points BuildHashTables would make at most.
size_t HashPointCount(const Cluster& cluster);

// Tables of the last snapshot, for clusters of which nothing has changed.
class HashTableCache {
 public:
  std::vector<HashTable> Get(const Cluster& cluster);
  // What was asked for since the last Commit or Rollback is kept, nothing else.
  void Commit();
  void Rollback() { next_.clear(); }

 private:
  struct Entry {
    std::string key;
    std::vector<HashTable> tables;
  };
  absl::flat_hash_map<uint32_t, Entry> kept_, next_;  // by the cluster's stable id
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_HASH_TABLE_H_
