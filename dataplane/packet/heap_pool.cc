#include "dataplane/packet/heap_pool.h"

#include <cstdlib>
#include <cstring>

namespace meltemi::packet {
namespace {

constexpr uint16_t RoomBytes(SizeClass size) {
  switch (size) {
    case kSmall:
      return kSmallRoom;
    case kLarge:
      return kLargeRoom;
    case kHeaderOnly:
      return 0;
  }
  return 0;
}

}  // namespace

HeapPacketPool::HeapPacketPool(const SegmentCounts& segment_count_max, HeapPacketStore* store)
    : PacketPool(segment_count_max), store_(store) {}

HeapPacketPool::~HeapPacketPool() {
  for (void* memory : memory_) std::free(memory);
}

Packet* HeapPacketPool::Make(SizeClass size) {
  const size_t bytes = sizeof(Packet) + kMetaBytes + RoomBytes(size);
  void* memory = std::aligned_alloc(64, (bytes + 63) & ~size_t{63});
  CHECK(memory != nullptr);
  std::memset(memory, 0, sizeof(Packet) + kMetaBytes);
  memory_.push_back(memory);
  auto* p = static_cast<Packet*>(memory);
  InitSegment(p, size, reinterpret_cast<uint8_t*>(p + 1) + kMetaBytes, RoomBytes(size), this);
  return p;
}

int HeapPacketPool::Refill(SizeClass size, Packet** out, int count) {
  Class& c = classes_[size];
  int given = 0;
  for (; given < count && !c.free.empty(); ++given) {
    out[given] = c.free.back();
    c.free.pop_back();
  }
  if (given == 0 && store_ != nullptr) given = store_->free[size].PopUpTo(out, count);
  // New ones a few at a time: an exact small bound is usable to its last segment.
  for (; given < count && MayMake(size); ++given) out[given] = Make(size);
  return given;
}

bool HeapPacketPool::MayMake(SizeClass size) {
  if (store_ != nullptr && store_->pools > 0) return store_->unmade[size].Take();
  Class& c = classes_[size];
  if (c.made == count_max(size)) return false;
  ++c.made;
  return true;
}

// Of what is shared nobody may count on more than an equal part, whoever has it in hand: packets
// that one worker receives may be held by connections of another.
uint32_t HeapPacketPool::Available(SizeClass size, uint32_t cached) const {
  if (store_ != nullptr && store_->pools > 0) {
    const size_t shared = store_->free[size].size() + store_->unmade[size].left();
    return static_cast<uint32_t>((cached + shared) / store_->pools);
  }
  const Class& c = classes_[size];
  const size_t behind = store_ == nullptr ? c.free.size() : store_->free[size].size();
  return cached + static_cast<uint32_t>(behind) + count_max(size) - c.made;
}

void HeapPacketPool::Spill(SizeClass size, Packet** packets, int count) {
  if (store_ != nullptr) return store_->free[size].PushAll(packets, count);
  Class& c = classes_[size];
  c.free.insert(c.free.end(), packets, packets + count);
}

}  // namespace meltemi::packet
