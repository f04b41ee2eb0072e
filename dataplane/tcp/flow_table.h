// FlowTable: from a 4-tuple to what the stack knows about it. Linear hashing (Litwin 1980) over
// buckets of one cache line, keyed SipHash-1-3 so that a peer cannot aim at one bucket.
//
//    bucket  0 ... split_-1 | split_ ... base_-1 | base_ ... base_+split_-1
//            hash mod 2 base_   hash mod base_     hash mod 2 base_: made by splitting 0 ...
//            split_-1
//
// It grows by one bucket at a time: an Insert that finds it more than half full splits bucket
// split_, which moves what is in that one bucket and nothing else. So there is no moment at which
// two tables are searched and none at which much is moved. A bucket holds kSlots entries; what has
// no room there is in a chain behind it, which half full tables and a secret key keep rare and
// short.
//
// Owns no values: an entry is a hash, a kind and a pointer; the pointee holds the tuple. The hash
// is kept, so that splitting touches no pointees. Lookups go in stages (Hash, Prefetch, Peek, Find)
// so that a burst overlaps its cache misses. Called by Tcp only, on its thread. Bound: `capacity`
// entries. Memory: 64 KB when first needed and so on, about 26 bytes an entry; kept when
// connections go, as their own memory is. The longest an Insert may take is 64 KB to allocate.
#ifndef MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_
#define MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/tcp/siphash.h"
#include "l7/base/check.h"
#include "l7/base/ip_addr.h"

namespace meltemi::tcp {

class FlowTable {
 public:
  enum class Kind : uint8_t { kConn, kTimeWait };
  struct Entry {
    Kind kind = Kind::kConn;
    void* value = nullptr;  // null: there is none
  };

  FlowTable(uint32_t capacity, const std::array<uint8_t, 16>& key);

  uint32_t Hash(const FourTuple& tuple) const {
    return static_cast<uint32_t>(hash_(&tuple, sizeof(tuple)));
  }
  void Prefetch(uint32_t hash) const { __builtin_prefetch(&Home(hash)); }

  // What Find will most probably be asked to look at first: to prefetch it. Touches no pointee.
  Entry Peek(uint32_t hash) const {
    const Bucket& b = Home(hash);
    const uint32_t same = SlotsOf(b, hash);
    return same == 0 ? Entry{} : Decode(b.values[std::countr_zero(same)]);
  }

  // The entry for `hash` that `match(const Entry&)` accepts (it compares the tuple).
  template <typename Match>
  Entry Find(uint32_t hash, Match&& match) const {
    for (const Bucket* b = &Home(hash);; b = &Spare(b->more)) {
      for (uint32_t same = SlotsOf(*b, hash); same != 0; same &= same - 1) {
        const Entry entry = Decode(b->values[std::countr_zero(same)]);
        if (entry.value != nullptr && match(entry)) return entry;
      }
      if (b->more == kNone) return Entry{};
    }
  }

  // `value` is aligned to 2 bytes at least, and not in the table.
  void Insert(uint32_t hash, Kind kind, void* value);
  // `value` was inserted with `hash`.
  void Erase(uint32_t hash, const void* value);

  uint32_t size() const { return size_; }
  uint32_t bucket_count() const { return base_ + split_; }
  // Entries that all Inserts together have moved to grow the table, and how many buckets are in
  // chains behind others: what tests bound.
  uint64_t moved() const { return moved_; }
  uint32_t chained() const { return chained_; }

 private:
  static constexpr int kSlots = 5;
  static constexpr uint32_t kNone = 0;
  // Buckets allocated at once: with them the list of segments of four million flows is 52 KB.
  static constexpr uint32_t kSegmentShift = 8;
  static constexpr uint32_t kSegment = 1u << kSegmentShift;
  static constexpr uint32_t kSpareShift = 6;  // and for chains
  static constexpr uint32_t kSpareSegment = 1u << kSpareShift;

  // Entries fill a bucket from its front, and a chain from its first bucket.
  struct alignas(64) Bucket {
    std::array<uint32_t, kSlots> hashes{};
    uint32_t more = kNone;                   // the next of its chain, in spares_
    std::array<uintptr_t, kSlots> values{};  // pointer, and Kind in its last bit; 0: free
  };
  static_assert(sizeof(Bucket) == 64);
  using Segments = std::vector<std::unique_ptr<Bucket[]>>;

  // A bit for each slot with that hash, free ones perhaps among them when it is 0. All at once:
  // which slot it is no branch predictor knows (FlowLookup/100000: 65 ns, one by one 100).
  static uint32_t SlotsOf(const Bucket& b, uint32_t hash) {
    const __m256i front = _mm256_load_si256(reinterpret_cast<const __m256i*>(&b));
    const __m256i equal = _mm256_cmpeq_epi32(front, _mm256_set1_epi32(static_cast<int>(hash)));
    const int same = _mm256_movemask_ps(_mm256_castsi256_ps(equal));
    return static_cast<uint32_t>(same) & ((1u << kSlots) - 1);
  }
  static Entry Decode(uintptr_t value) {
    return {static_cast<Kind>(value & 1), reinterpret_cast<void*>(value & ~uintptr_t{1})};
  }
  Bucket& At(uint32_t index) const {
    return buckets_[index >> kSegmentShift][index & (kSegment - 1)];
  }
  Bucket& Spare(uint32_t index) const {
    return spares_[index >> kSpareShift][index & (kSpareSegment - 1)];
  }
  Bucket& Home(uint32_t hash) const {
    uint32_t index = hash & (base_ - 1);
    if (index < split_) index = hash & (2 * base_ - 1);
    return At(index);
  }

  void Put(uint32_t hash, uintptr_t value);
  void Split();
  uint32_t TakeSpare();
  void GiveSpare(uint32_t index);

  const uint32_t capacity_;
  uint32_t size_ = 0;
  uint32_t base_ = kSegment;
  uint32_t split_ = 0;  // the bucket that is split next
  Segments buckets_;
  Segments spares_;  // buckets of chains
  uint32_t spare_free_ = kNone;
  uint32_t chained_ = 0;
  uint64_t moved_ = 0;
  SipHash13 hash_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_FLOW_TABLE_H_
