// OverloadSlot: between the control thread, which decides what the node does under overload
// (dataplane/overload_watch.h), and its workers. One word down, two numbers of each worker up;
// nobody waits for anybody. Nothing else is ordered by what is read here.
#ifndef MELTEMI_DATAPLANE_SHARED_OVERLOAD_SLOT_H_
#define MELTEMI_DATAPLANE_SHARED_OVERLOAD_SLOT_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "l7/base/shared_cell.h"

namespace meltemi::shared {

class OverloadSlot {
 public:
  explicit OverloadSlot(int workers) : loads_(workers) {}

  // The control thread: policy::OverloadActions::bits().
  void Set(uint64_t actions) { actions_.store(actions, std::memory_order_relaxed); }
  uint64_t busy_cycles(int worker) const {
    return loads_[worker].busy_cycles.load(std::memory_order_relaxed);
  }
  uint64_t memory_held(int worker) const {
    return loads_[worker].memory_held.load(std::memory_order_relaxed);
  }

  // A worker, once a turn.
  uint64_t actions() const { return actions_.load(std::memory_order_relaxed); }
  void Publish(int worker, uint64_t busy_cycles, uint64_t memory_held) {
    loads_[worker].busy_cycles.store(busy_cycles, std::memory_order_relaxed);
    loads_[worker].memory_held.store(memory_held, std::memory_order_relaxed);
  }

  // Clients' connections of all workers, where the node has a limit for them.
  SharedCell* connections() { return &connections_; }
  const SharedCell* connections() const { return &connections_; }

 private:
  struct alignas(64) Load {
    std::atomic<uint64_t> busy_cycles{0}, memory_held{0};
  };
  alignas(64) std::atomic<uint64_t> actions_{0};
  alignas(64) SharedCell connections_;
  std::vector<Load> loads_;
};

}  // namespace meltemi::shared

#endif  // MELTEMI_DATAPLANE_SHARED_OVERLOAD_SLOT_H_
