// MakePort: the one place that knows every kind of port.
//
// Owns nothing. Must not know: workers. Called on the control thread, in the network namespace in
// which the devices are. Ports that DPDK drives (NeedsEal) want InitEal and one DpdkPacketPool per
// worker first; the others work on any PacketPool.
#ifndef MELTEMI_DATAPLANE_NIC_MAKE_PORT_H_
#define MELTEMI_DATAPLANE_NIC_MAKE_PORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/nic/port.h"

namespace meltemi::packet {
class DpdkPacketPool;
}

namespace meltemi::nic {

struct MakePortOptions {
  std::string name;  // of the port, for messages and driver instances
  int mtu = 1500;    // of the device, where we may set it; 0: as it is
  int workers = 1;   // how many workers send; and receive, where the device has as many queues
  // Ports that DPDK drives: where queue i's packets come from. One per worker.
  std::vector<packet::DpdkPacketPool*> pools;
};

// The error names the device and what is wrong with it.
absl::StatusOr<std::unique_ptr<Port>> MakePort(const std::string& device,
                                               const MakePortOptions& options);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_MAKE_PORT_H_
