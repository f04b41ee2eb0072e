// PacketPools: the packet memory of all workers, of the kind that the node's ports need.
//
// Owns: one pool per worker and what they share. On the heap when every port is one of the kernel's
// (no EAL, nothing reserved, starts at once); DPDK memory, after starting EAL, when a driver moves
// packets for some port. Called on the control thread; each pool is its worker's from then on. Must
// outlive the ports. Bound: memory_mb in all.
#ifndef MELTEMI_DATAPLANE_NIC_PACKET_POOLS_H_
#define MELTEMI_DATAPLANE_NIC_PACKET_POOLS_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/packet/dpdk_pool.h"
#include "dataplane/packet/heap_pool.h"

namespace meltemi::nic {

struct PacketPoolsOptions {
  int workers = 1;
  int memory_mb = 128;
  bool hugepages = false;  // of DPDK memory
};

class PacketPools {
 public:
  // `devices`: the device strings of all ports. Those that do not parse are left to MakePort to
  // refuse.
  static absl::StatusOr<std::unique_ptr<PacketPools>> Create(std::span<const std::string> devices,
                                                             const PacketPoolsOptions& options);

  packet::PacketPool& pool(int worker) { return *pools_[worker]; }
  // For MakePortOptions::pools; empty when the pools are on the heap.
  const std::vector<packet::DpdkPacketPool*>& dpdk() const { return dpdk_; }

 private:
  PacketPools() = default;
  absl::Status CreateDpdk(bool pci, const PacketPoolsOptions& options);
  void CreateHeap(const PacketPoolsOptions& options);

  packet::HeapPacketStore store_;
  std::vector<std::unique_ptr<packet::PacketPool>> pools_;
  std::vector<packet::DpdkPacketPool*> dpdk_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_PACKET_POOLS_H_
