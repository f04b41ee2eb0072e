// Starting DPDK's environment, only when a port needs it (NeedsEal).
//
// Owns nothing; the environment lives until the process ends. Called once, on the control thread,
// before the first DpdkPacketPool. It binds no thread of ours to a CPU.
#ifndef MELTEMI_DATAPLANE_NIC_DPDK_EAL_H_
#define MELTEMI_DATAPLANE_NIC_DPDK_EAL_H_

#include "absl/status/status.h"

namespace meltemi::nic {

enum class EalMemory : uint8_t {
  kOrdinaryPages,  // needs no privilege and no preparation
  kHugePages,      // anonymous 2 MB or 1 GB pages, no mount
};

struct EalOptions {
  EalMemory memory = EalMemory::kOrdinaryPages;
  int memory_mb = 64;    // for all pools and driver queues together
  bool pci = false;      // look for NICs: some port is "pci:"
  bool verbose = false;  // the drivers' messages, not only their errors
};

absl::Status InitEal(const EalOptions& options);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_DPDK_EAL_H_
