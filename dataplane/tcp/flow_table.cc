#include "dataplane/tcp/flow_table.h"

namespace meltemi::tcp {

FlowTable::FlowTable(uint32_t capacity, const std::array<uint8_t, 16>& key)
    : capacity_(capacity), hash_(key) {
  CHECK(capacity <= UINT32_MAX / 2);
  // The lists of segments are the only things that would be moved as a whole.
  buckets_.reserve(capacity / kSegment + 1);
  spares_.reserve(capacity / kSpareSegment / 8 + 2);
  buckets_.push_back(std::make_unique<Bucket[]>(kSegment));
}

void FlowTable::Insert(uint32_t hash, Kind kind, void* value) {
  const auto bits = reinterpret_cast<uintptr_t>(value);
  CHECK(size_ < capacity_ && bits != 0 && (bits & 1) == 0);
  Put(hash, bits | static_cast<uintptr_t>(kind));
  ++size_;
  if (uint64_t{size_} * 2 > uint64_t{bucket_count()} * kSlots) Split();
}

void FlowTable::Put(uint32_t hash, uintptr_t value) {
  for (Bucket* b = &Home(hash);; b = &Spare(b->more)) {
    for (int i = 0; i < kSlots; ++i) {
      if (b->values[i] != 0) continue;
      b->hashes[i] = hash;
      b->values[i] = value;
      return;
    }
    if (b->more == kNone) b->more = TakeSpare();
  }
}

void FlowTable::Erase(uint32_t hash, const void* value) {
  Bucket* bucket = &Home(hash);
  int slot = 0;
  while (Decode(bucket->values[slot]).value != value) {
    if (++slot < kSlots) continue;
    CHECK(bucket->more != kNone);
    bucket = &Spare(bucket->more);
    slot = 0;
  }
  // The last one of the chain takes its place.
  Bucket* before = nullptr;
  Bucket* last = bucket;
  for (; last->more != kNone; last = &Spare(last->more)) before = last;
  int end = kSlots - 1;
  while (last->values[end] == 0) --end;
  bucket->hashes[slot] = last->hashes[end];
  bucket->values[slot] = last->values[end];
  last->hashes[end] = 0;
  last->values[end] = 0;
  --size_;
  if (end > 0 || last == &Home(hash)) return;
  // An empty one of a chain leaves it.
  if (before == nullptr) {
    for (before = &Home(hash); &Spare(before->more) != last; before = &Spare(before->more)) {
    }
  }
  GiveSpare(before->more);
  before->more = kNone;
}

// What is in bucket split_ is put again, there or into the new last bucket.
void FlowTable::Split() {
  if (base_ == UINT32_MAX / 2 + 1) return;  // all of the hash's bits are used
  Bucket old = At(split_);
  At(split_) = Bucket{};
  const uint32_t made = bucket_count();
  if (made >> kSegmentShift == buckets_.size()) {
    buckets_.push_back(std::make_unique<Bucket[]>(kSegment));
  }
  if (++split_ == base_) {
    base_ *= 2;
    split_ = 0;
  }
  for (;;) {
    for (int i = 0; i < kSlots && old.values[i] != 0; ++i) {
      Put(old.hashes[i], old.values[i]);
      ++moved_;
    }
    if (old.more == kNone) return;
    const uint32_t spare = old.more;
    old = Spare(spare);
    GiveSpare(spare);
  }
}

uint32_t FlowTable::TakeSpare() {
  if (spare_free_ == kNone) {
    const auto first = static_cast<uint32_t>(spares_.size()) << kSpareShift;
    spares_.push_back(std::make_unique<Bucket[]>(kSpareSegment));
    for (uint32_t i = kSpareSegment; i-- > 0;) {
      if (first + i == kNone) continue;
      ++chained_;
      GiveSpare(first + i);
    }
  }
  const uint32_t index = spare_free_;
  spare_free_ = Spare(index).more;
  Spare(index) = Bucket{};
  ++chained_;
  return index;
}

void FlowTable::GiveSpare(uint32_t index) {
  Spare(index).more = spare_free_;
  spare_free_ = index;
  --chained_;
}

}  // namespace meltemi::tcp
