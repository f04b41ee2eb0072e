// AfPacketPort: the host end of a pod's veth (or any netdev) through AF_PACKET with
// PACKET_VNET_HDR.
//
// Super-frames of 64 KB and checksums left to the device pass both ways as they are, which is worth
// five times the throughput of any driver that cuts frames at the MTU. Survives the deletion of the
// netdev: then, and when the netdev takes another name or namespace, the port is gone. The socket
// lives in the network namespace of the thread that opens it. See kernel_port.h for threads and
// bounds. packet(7).
#ifndef MELTEMI_DATAPLANE_NIC_AF_PACKET_PORT_H_
#define MELTEMI_DATAPLANE_NIC_AF_PACKET_PORT_H_

#include <memory>
#include <string>

#include "dataplane/nic/kernel_port.h"

namespace meltemi::nic {

class AfPacketPort final : public KernelPort {
 public:
  struct Options {
    std::string netdev;
    int mtu = 0;      // of the netdev; 0: as it is
    int workers = 1;  // how many may send
  };
  // Brings the netdev up (PrepareHostEnd) and opens it.
  static absl::StatusOr<std::unique_ptr<Port>> Open(const Options& options);

  PortState state() const override;

 protected:
  int Read(RxFrames* frames, int count, std::span<uint32_t> lengths) override;
  int Write(TxBatch* batch, int from) override;

 private:
  AfPacketPort(OwnedFd fd, const Options& options, int index, MacAddr mac);
  const std::string netdev_;
  const int index_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_AF_PACKET_PORT_H_
