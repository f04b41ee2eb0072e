// The device string of a port, parsed: "veth:vpp", "tap:eth0,reviews-v1", "pci:0000:01:00.0", ...
//
// Owns nothing; pure. Called at start-up and when a port is added, on the control thread.
#ifndef MELTEMI_DATAPLANE_NIC_DEVICE_H_
#define MELTEMI_DATAPLANE_NIC_DEVICE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace meltemi::nic {

enum class DeviceKind : uint8_t {
  kVeth,    // veth:<netdev>             AF_PACKET with super-frames
  kTap,     // tap:<netdev>[,<netns>]    a TAP of our own, moved into the namespace (name or path)
  kPci,     // pci:<address>             a NIC: [domain:]bus:device.function
  kAfXdp,   // af_xdp:<netdev>           AF_XDP
  kVhost,   // vhost:<socket>            vhost-user, this side serves
  kVirtio,  // virtio:<socket>           virtio-user, the other side serves
  kRing,    // ring:<name>               two ports of one process with one name are joined
  kNull,    // null:                     receives nothing, sends into nothing
};

struct Device {
  DeviceKind kind = DeviceKind::kNull;
  std::string target;
  std::string netns;

  bool operator==(const Device&) const = default;
};

// Names the part that is wrong.
absl::StatusOr<Device> ParseDevice(std::string_view text);
std::string FormatDevice(const Device& device);

// Driven by DPDK: needs InitEal and DpdkPacketPools. The others work without EAL.
bool NeedsEal(DeviceKind kind);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_DEVICE_H_
