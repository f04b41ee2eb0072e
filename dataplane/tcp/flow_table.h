// FlowTable: from a 4-tuple to what the stack knows about it. Open addressing with linear probing,
// 16-byte entries, no tombstones (deletion shifts back), keyed SipHash-1-3 so that a peer cannot
// aim at one bucket.
//
// Owns no values: an entry is a hash, a kind and a pointer; the pointee holds the tuple. Lookups go
// in stages (Hash, Prefetch, Find) so that a burst overlaps its cache misses. Called by Tcp only.
// Bound: sized once for `capacity` entries at most half full. The hash is kept in the entry, so
// that a table of another size can be filled entry by entry without touching the pointees.
#ifndef MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_
#define MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_

#include <bit>
#include <cstdint>
#include <vector>

#include "dataplane/tcp/siphash.h"
#include "l7/base/check.h"
#include "l7/base/ip_addr.h"

namespace meltemi::tcp {

class FlowTable {
 public:
  enum class Kind : uint32_t { kEmpty, kConn, kTimeWait };
  struct Entry {
    uint32_t hash = 0;
    Kind kind = Kind::kEmpty;
    void* value = nullptr;
  };
  static_assert(sizeof(Entry) == 16);

  FlowTable(uint32_t capacity, const std::array<uint8_t, 16>& key)
      : capacity_(capacity), hash_(key), entries_(std::bit_ceil(uint64_t{capacity} * 2 + 2)) {}

  uint32_t Hash(const FourTuple& tuple) const {
    return static_cast<uint32_t>(hash_(&tuple, sizeof(tuple)));
  }
  void Prefetch(uint32_t hash) const { __builtin_prefetch(&entries_[Home(hash)]); }

  // The entry for `hash` that `match(const Entry&)` accepts (it compares the tuple); null when
  // none.
  template <typename Match>
  const Entry* Find(uint32_t hash, Match&& match) const {
    for (size_t at = Home(hash);; at = Next(at)) {
      const Entry& e = entries_[at];
      if (e.kind == Kind::kEmpty) return nullptr;
      if (e.hash == hash && match(e)) return &e;
    }
  }

  void Insert(uint32_t hash, Kind kind, void* value) {
    CHECK(size_ < capacity_);
    size_t at = Home(hash);
    while (entries_[at].kind != Kind::kEmpty) at = Next(at);
    entries_[at] = {hash, kind, value};
    ++size_;
  }

  void Erase(uint32_t hash, const void* value) {
    size_t hole = Home(hash);
    while (entries_[hole].value != value) {
      CHECK(entries_[hole].kind != Kind::kEmpty);
      hole = Next(hole);
    }
    // Shift back every later entry of the run whose home does not lie behind the hole.
    for (size_t at = Next(hole); entries_[at].kind != Kind::kEmpty; at = Next(at)) {
      const size_t home = Home(entries_[at].hash);
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = Entry{};
    --size_;
  }

  uint32_t size() const { return size_; }

 private:
  size_t mask() const { return entries_.size() - 1; }
  size_t Home(uint32_t hash) const { return hash & mask(); }
  size_t Next(size_t at) const { return (at + 1) & mask(); }

  const uint32_t capacity_;
  uint32_t size_ = 0;
  SipHash13 hash_;
  std::vector<Entry> entries_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_
