// SlotMap<T, H>: a fixed number of T in stable places, named by generational handles. Single
// thread. Bound: the capacity given at construction; Emplace returns an invalid handle when it is
// reached. Memory: chunks of kChunk slots are allocated when first needed and kept; after warm-up
// no heap.
#ifndef MELTEMI_L7_BASE_SLOT_MAP_H_
#define MELTEMI_L7_BASE_SLOT_MAP_H_

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "l7/base/check.h"

namespace meltemi {

template <typename T, typename H>
class SlotMap {
 public:
  explicit SlotMap(uint32_t capacity) : capacity_(capacity) {
    chunks_.reserve((capacity + kChunk - 1) / kChunk);
  }
  ~SlotMap() { Clear(); }
  SlotMap(const SlotMap&) = delete;
  SlotMap& operator=(const SlotMap&) = delete;

  template <typename... Args>
  H Emplace(Args&&... args) {
    if (free_head_ == kNone && !Grow()) return H{};
    const uint32_t slot = free_head_;
    Slot& s = At(slot);
    free_head_ = s.next_free;
    s.generation |= 1;  // odd: in use
    ::new (static_cast<void*>(ValueAt(slot))) T(std::forward<Args>(args)...);
    ++size_;
    return H{slot, s.generation};
  }

  // Null when the handle is stale or was never given out.
  T* Find(H handle) {
    if (handle.slot >= grown_) return nullptr;
    Slot& s = At(handle.slot);
    return s.generation == handle.generation && (s.generation & 1) ? ValueAt(handle.slot) : nullptr;
  }
  const T* Find(H handle) const { return const_cast<SlotMap*>(this)->Find(handle); }

  T& operator[](H handle) {
    T* value = Find(handle);
    CHECK(value != nullptr);
    return *value;
  }

  // Of the live value in `slot`.
  H HandleOf(uint32_t slot) { return H{slot, At(slot).generation}; }
  // Four bytes of the owner's for the live value in `slot`, beside what Find looks at. They begin
  // as whatever is there.
  uint32_t& NoteOf(uint32_t slot) { return At(slot).next_free; }

  void Erase(H handle) {
    T* value = Find(handle);
    CHECK(value != nullptr);
    value->~T();
    Slot& s = At(handle.slot);
    ++s.generation;  // even: free; the next use is a new odd number
    if (s.generation == 0) s.generation = 2;
    s.next_free = free_head_;
    free_head_ = handle.slot;
    --size_;
  }

  // Calls f(handle, value) for each live value in slot order. f may erase the value it was given.
  template <typename F>
  void ForEach(F&& f) {
    for (uint32_t slot = 0; slot < grown_; ++slot) {
      Slot& s = At(slot);
      if (s.generation & 1) f(H{slot, s.generation}, *ValueAt(slot));
    }
  }

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    uint32_t generation = 0;
    uint32_t next_free = kNone;  // while in use: the owner's note
  };
  // Slots lie apart from values: beside a value that is aligned to a cache line each would take
  // one.
  struct Chunk {
    std::array<Slot, kChunk> slots;
    alignas(T) std::array<unsigned char[sizeof(T)], kChunk> storage;
  };

  Slot& At(uint32_t slot) { return chunks_[slot / kChunk]->slots[slot % kChunk]; }
  T* ValueAt(uint32_t slot) {
    return std::launder(reinterpret_cast<T*>(&chunks_[slot / kChunk]->storage[slot % kChunk]));
  }

  bool Grow() {
    if (grown_ >= capacity_) return false;
    chunks_.push_back(std::make_unique<Chunk>());
    const uint32_t end = grown_ + kChunk < capacity_ ? grown_ + kChunk : capacity_;
    for (uint32_t slot = end; slot > grown_; --slot) {
      At(slot - 1).next_free = free_head_;
      free_head_ = slot - 1;
    }
    grown_ = end;
    return true;
  }

  void Clear() {
    ForEach([this](H handle, T&) { Erase(handle); });
  }

  const uint32_t capacity_;
  uint32_t grown_ = 0;
  uint32_t size_ = 0;
  uint32_t free_head_ = kNone;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_SLOT_MAP_H_
