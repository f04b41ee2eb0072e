// DpdkPacketPool: a PacketPool over rte_mempool, for nodes with ports that DPDK drives.
//
// Owns: one mempool per size class. Drivers take small segments from it and give sent ones back to
// it without passing through the PacketPool; a segment's private area is set up once and they leave
// it alone. Called on the control thread (Create) and its worker (the rest). Needs InitEal first.
// Bound: the counts in Options. A pool must outlive the ports that receive into it.
#ifndef MELTEMI_DATAPLANE_PACKET_DPDK_POOL_H_
#define MELTEMI_DATAPLANE_PACKET_DPDK_POOL_H_

#include <array>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "dataplane/packet/packet_pool.h"

struct rte_mempool;

namespace meltemi::packet {

class DpdkPacketPool final : public PacketPool {
 public:
  struct Options {
    std::string name;           // unique in the process, at most 16 characters
    uint32_t small_count = 0;   // MTU frames and headers; drivers' receive queues take theirs here
    uint32_t large_count = 0;   // parts of super-frames
    uint32_t header_count = 0;  // header-only segments
  };
  // A worker's share of the packet memory, by SplitMemory.
  static Options Sized(const std::string& name, int megabytes);

  static absl::StatusOr<std::unique_ptr<DpdkPacketPool>> Create(const Options& options);
  ~DpdkPacketPool() override;

  // Where a driver's receive queue takes segments from.
  rte_mempool* receive_mempool() const { return mempools_[kSmall]; }
  // Segments in use anywhere, drivers' queues included; exact, and the same before and after when
  // nothing leaks.
  int64_t InUse() const;

 protected:
  int Refill(SizeClass size, Packet** out, int count) override;
  void Spill(SizeClass size, Packet** packets, int count) override;
  uint32_t Available(SizeClass size, uint32_t cached) const override;

 private:
  explicit DpdkPacketPool(const SegmentCounts& counts) : PacketPool(counts) {}
  std::array<rte_mempool*, kSizeClasses> mempools_{};
};

// A mempool of small segments laid out like a PacketPool's, for a driver that must own one. Null
// when memory is short.
rte_mempool* CreateSmallMempool(const std::string& name, uint32_t count);

}  // namespace meltemi::packet

#endif  // MELTEMI_DATAPLANE_PACKET_DPDK_POOL_H_
