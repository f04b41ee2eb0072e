#include "dataplane/nic/make_port.h"

#include "dataplane/nic/af_packet_port.h"
#include "dataplane/nic/device.h"
#include "dataplane/nic/dpdk_ethdev_port.h"
#include "dataplane/nic/tap_port.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

absl::StatusOr<std::unique_ptr<Port>> Make(const Device& device, const MakePortOptions& options) {
  switch (device.kind) {
    case DeviceKind::kVeth:
      return AfPacketPort::Open(
          {.netdev = device.target, .mtu = options.mtu, .workers = options.workers});
    case DeviceKind::kTap:
      return TapPort::Open({.netdev = device.target,
                            .netns = device.netns,
                            .mtu = options.mtu,
                            .workers = options.workers});
    case DeviceKind::kPci:
    case DeviceKind::kAfXdp:
    case DeviceKind::kVhost:
    case DeviceKind::kVirtio:
    case DeviceKind::kRing:
    case DeviceKind::kNull:
      return DpdkEthdevPort::Open({.device = device,
                                   .name = options.name,
                                   .mtu = options.mtu,
                                   .workers = options.workers,
                                   .pools = options.pools});
  }
  return absl::InternalError("unreachable");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Port>> MakePort(const std::string& device,
                                               const MakePortOptions& options) {
  const absl::StatusOr<Device> parsed = ParseDevice(device);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<Port>> port = Make(*parsed, options);
  if (port.ok()) return port;
  return absl::Status(port.status().code(), Abs(Cat("port \"", options.name, "\": device \"",
                                                    device, "\": ", port.status().message())));
}

}  // namespace meltemi::nic
