// KeyCache: which AEAD keys are expanded. A session keeps its 16 or 32 key bytes; the 1 KB that
// AES-GCM needs to run fast is made when the key is used (122 ns) and kept while the key is among
// the busy ones. So an idle session costs nothing here.
//
// Owns: slots of an Aead, recycled by the clock algorithm (second chance). Thread: one worker.
// Bound: the count given at construction. A stale KeyRef is detected by its stamp.
#ifndef MELTEMI_DATAPLANE_TLS_KEY_CACHE_H_
#define MELTEMI_DATAPLANE_TLS_KEY_CACHE_H_

#include <cstdint>
#include <vector>

#include "dataplane/tls/aead.h"
#include "l7/base/check.h"

namespace meltemi::tls {

struct KeyRef {
  uint64_t stamp = 0;  // 0 names no key
  uint32_t slot = 0;
};

class KeyCache {
 public:
  KeyCache(Aead* aead, uint32_t slot_count_max) : aead_(aead), slot_count_max_(slot_count_max) {
    CHECK(slot_count_max > 0);
    slots_.reserve(slot_count_max);
  }

  // The slot in which the key is expanded; null when it is not, or no more. What every record asks.
  const uint32_t* Find(const KeyRef& ref) {
    if (ref.stamp == 0 || slots_[ref.slot].stamp != ref.stamp) return nullptr;
    slots_[ref.slot].used = true;
    return &ref.slot;
  }
  // Expands the key that was not found.
  uint32_t Expand(KeyRef* ref, AeadAlgorithm algorithm, const uint8_t* key) {
    const uint32_t slot = TakeSlot();
    slots_[slot] = {.stamp = ++last_stamp_, .used = true};
    *ref = {.stamp = last_stamp_, .slot = slot};
    aead_->SetKey(slot, algorithm, key);
    ++expanded_count_;
    return slot;
  }

  // The key is used no more.
  void Drop(KeyRef* ref) {
    if (ref->stamp != 0 && slots_[ref->slot].stamp == ref->stamp) {
      aead_->ClearKey(ref->slot);
      slots_[ref->slot] = Slot{};
      free_.push_back(ref->slot);
    }
    *ref = KeyRef{};
  }

  uint64_t expanded_count() const { return expanded_count_; }

 private:
  struct Slot {
    uint64_t stamp = 0;
    bool used = false;
  };

  uint32_t TakeSlot() {
    if (!free_.empty()) {
      const uint32_t slot = free_.back();
      free_.pop_back();
      return slot;
    }
    if (slots_.size() < slot_count_max_) {
      slots_.emplace_back();
      return static_cast<uint32_t>(slots_.size() - 1);
    }
    // Ends within two rounds: the first takes every slot's second chance away.
    while (slots_[hand_].used) {
      slots_[hand_].used = false;
      hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1;
    }
    const uint32_t slot = hand_;
    hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1;
    return slot;
  }

  Aead* const aead_;
  const uint32_t slot_count_max_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t hand_ = 0;
  uint64_t last_stamp_ = 0;
  uint64_t expanded_count_ = 0;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_KEY_CACHE_H_
