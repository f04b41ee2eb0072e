// HeapPacketPool: a PacketPool on the heap: tests, simulations, and nodes without an ethdev port
// (the kernel copies to and from pod ports anyway, so no DMA memory is needed there). Bound: so
// many segments of each class as given. Memory is taken when first needed and kept.
#ifndef MELTEMI_DATAPLANE_PACKET_HEAP_POOL_H_
#define MELTEMI_DATAPLANE_PACKET_HEAP_POOL_H_

#include <array>
#include <memory>
#include <vector>

#include "dataplane/packet/packet_pool.h"
#include "dataplane/shared/locked_stack.h"
#include "dataplane/shared/quota.h"

namespace meltemi::packet {

// What the pools of several workers share: packets move between workers (a connection's owner need
// not be the port's), so what one frees another must be able to use.
struct HeapPacketStore {
  // From now on the pools make their segments out of one sum, `each` for everyone: whoever receives
  // for all has enough while there are any. Before the first is made.
  void Share(const SegmentCounts& each, uint32_t pool_count) {
    pools = pool_count;
    for (int i = 0; i < kSizeClasses; ++i) unmade[i].Set(each[i] * pool_count);
  }

  std::array<shared::LockedStack<Packet*>, kSizeClasses> free;
  std::array<shared::Quota, kSizeClasses> unmade;
  uint32_t pools = 0;  // that share `unmade`; 0: each has its own bound
};

class HeapPacketPool final : public PacketPool {
 public:
  explicit HeapPacketPool(uint32_t segment_count_max = UINT32_MAX,  // of each class
                          HeapPacketStore* store = nullptr)
      : HeapPacketPool({segment_count_max, segment_count_max, segment_count_max}, store) {}
  HeapPacketPool(const SegmentCounts& segment_count_max, HeapPacketStore* store);
  ~HeapPacketPool() override;

 protected:
  int Refill(SizeClass size, Packet** out, int count) override;
  void Spill(SizeClass size, Packet** packets, int count) override;
  uint32_t Available(SizeClass size, uint32_t cached) const override;

 private:
  struct Class {
    std::vector<Packet*> free;
    uint32_t made = 0;
  };
  Packet* Make(SizeClass size);
  bool MayMake(SizeClass size);

  HeapPacketStore* const store_;
  std::array<Class, kSizeClasses> classes_;
  std::vector<void*> memory_;  // every segment ever made, freed at the end
};

}  // namespace meltemi::packet

#endif  // MELTEMI_DATAPLANE_PACKET_HEAP_POOL_H_
