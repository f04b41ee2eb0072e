// PacketPool: where a worker's packets come from and go to, and the BufferPool of its L7 bytes.
//
// Two sizes: small (2 KB room: headers, MTU frames) and large (16 KB: parts of 64 KB super-frames
// and big L7 writes), and header-only segments that borrow another segment's room. A LIFO cache
// keeps hot packets hot; behind it stands HeapPacketPool (tests, simulations) or DpdkPacketPool
// (production). Thread: one worker. Bound: the counts given to the implementation; Alloc returns
// null then, counted.
#ifndef MELTEMI_DATAPLANE_PACKET_PACKET_POOL_H_
#define MELTEMI_DATAPLANE_PACKET_PACKET_POOL_H_

#include <array>
#include <cstdint>

#include "dataplane/packet/packet.h"
#include "l7/base/counter.h"
#include "l7/base/slice.h"

namespace meltemi::packet {

inline constexpr uint16_t kHeadroom = 128;  // Ethernet + IPv6 + TCP with 40 bytes of options = 114
inline constexpr uint16_t kSmallRoom = 2048 + kHeadroom;
inline constexpr uint16_t kLargeRoom = 16'384 + kHeadroom;

enum SizeClass : uint8_t { kSmall = 0, kLarge = 1, kHeaderOnly = 2 };
inline constexpr int kSizeClasses = 3;

using SegmentCounts = std::array<uint32_t, kSizeClasses>;
// What a worker's share of the packet memory is split into: a half small segments, two fifths large
// ones, the rest headers. All of them together, with what the implementations need beside each,
// take no more than `bytes`.
SegmentCounts SplitMemory(uint64_t bytes);
// What one segment takes: struct, private area, room, and what an allocator adds at most.
uint32_t SegmentBytes(SizeClass size);

#define MELTEMI_PACKET_POOL_COUNTERS(C)                                              \
  C(alloc_failures, "packets", "allocations refused because the pool was exhausted") \
  C(refills, "calls", "times the worker's cache was filled from the shared pool")    \
  C(spills, "calls", "times the worker's cache gave packets back to the shared pool")
MELTEMI_COUNTER_TABLE(PacketPoolCounters, "meltemi_packet_pool", MELTEMI_PACKET_POOL_COUNTERS)

class PacketPool : public BufferPool {
 public:
  // An empty packet of one segment with kHeadroom bytes of headroom; null when exhausted.
  Packet* Alloc(SizeClass size = kSmall);
  // Gives the whole chain back. A segment whose room is still viewed by slices lives until they go.
  void Free(Packet* packet);

  // Bytes [offset, offset + n) of the packet become slices appended to `out`; the packet is used
  // up.
  void TakePayload(Packet* packet, uint32_t offset, uint32_t n, Chain* out);
  // The bytes of `chain` (from `offset`, n bytes) become the end of `packet`: copied when n is at
  // most `copy_max` and fits the last segment's tailroom, else borrowed by header-only segments.
  // False (packet unchanged but for segments already added, which Free gives back) when the pool is
  // exhausted.
  bool AppendBytes(Packet* packet, const Chain& chain, size_t offset, size_t n, uint32_t copy_max) {
    CHECK(offset <= chain.size() && n <= chain.size() - offset);
    return AppendBytes(packet, chain.head(), offset, n, copy_max);
  }
  // The same, of the list that begins with `node`: the caller knows that it has so many bytes.
  bool AppendBytes(Packet* packet, const ChainNode* node, size_t offset, size_t n,
                   uint32_t copy_max);
  // A linear copy of up to kLargeRoom - kHeadroom bytes; null when it does not fit or when
  // exhausted.
  Packet* CopyLinear(const Packet* packet);

  // A copy of any size that owns its rooms: a chain of large segments. Null when exhausted.
  Packet* CopyChain(const Packet* packet);

  // BufferPool
  Slice Allocate(uint32_t size) override;
  uint32_t allocation_max() const override { return kLargeRoom - kHeadroom; }
  void Release(Buffer* buffer) override;

  const PacketPoolCounters& counters() const { return counters_; }
  // Segments handed out and not yet back, of all classes: 0 when nothing leaks.
  int64_t outstanding() const { return outstanding_ + deferred_; }
  // How many segments of the class this pool has, and how many can still be handed out; of what
  // several pools share, an equal part. UINT32_MAX: as many as the heap has.
  uint32_t count_max(SizeClass size) const { return count_max_[size]; }
  uint32_t free_count(SizeClass size) const {
    if (count_max_[size] == UINT32_MAX) return UINT32_MAX;
    return Available(size, static_cast<uint32_t>(caches_[size].count));
  }
  // A driver took segments from the shared pool and gave them to the worker, or will give them back
  // there after sending.
  void CountFromDriver(int segments) { outstanding_ += segments; }
  void CountToDriver(int segments) { outstanding_ -= segments; }

 protected:
  explicit PacketPool(const SegmentCounts& count_max) : count_max_(count_max) {}

  static constexpr int kCacheMax = 512;   // per class: 512 x 2 KB is an L2
  static constexpr int kCacheBatch = 64;  // moved at once

  // Fills `out` with raw segments of the class (Meta and room set up, refcnt 1); returns how many.
  virtual int Refill(SizeClass size, Packet** out, int count) = 0;
  virtual void Spill(SizeClass size, Packet** packets, int count) = 0;
  // free_count, when so many are in the cache.
  virtual uint32_t Available(SizeClass size, uint32_t cached) const = 0;
  int cached(SizeClass size) const { return caches_[size].count; }

 private:
  void FreeSegment(Packet* segment);
  Packet* AppendSegment(Packet* packet, Packet* segment);

  struct Cache {
    int count = 0;
    std::array<Packet*, kCacheMax> packets;
  };
  std::array<Cache, kSizeClasses> caches_;
  const SegmentCounts count_max_;
  PacketPoolCounters counters_;
  int64_t outstanding_ = 0;
  int64_t deferred_ = 0;  // freed, but their room is still borrowed by an outgoing segment
};

// Sets up the constant part of a fresh segment: used by the implementations.
void InitSegment(Packet* segment, SizeClass size, uint8_t* room, uint16_t room_bytes,
                 PacketPool* pool);

}  // namespace meltemi::packet

#endif  // MELTEMI_DATAPLANE_PACKET_PACKET_POOL_H_
