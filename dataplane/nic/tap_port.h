// TapPort: a TAP of our own with a virtio_net_hdr, as a pod's interface or the host's.
//
// Made in the namespace of the calling thread, then moved: a descriptor opened inside the pod's
// namespace would keep that namespace alive after its deletion. Whoever owns the pod's side names
// addresses and brings the device up. The device goes with the descriptor.
// See kernel_port.h for threads and bounds. Linux, Documentation/networking/tuntap.
#ifndef MELTEMI_DATAPLANE_NIC_TAP_PORT_H_
#define MELTEMI_DATAPLANE_NIC_TAP_PORT_H_

#include <memory>
#include <string>

#include "dataplane/nic/kernel_port.h"

namespace meltemi::nic {

class TapPort final : public KernelPort {
 public:
  struct Options {
    std::string netdev;
    std::string netns;  // name or path; empty: stays here
    int mtu = 0;        // 0: the kernel's default
    int workers = 1;    // how many may send
  };
  static absl::StatusOr<std::unique_ptr<Port>> Open(const Options& options);

  PortState state() const override;

 protected:
  int Read(RxFrames* frames, int count, std::span<uint32_t> lengths) override;
  int Write(TxBatch* batch, int from) override;

 private:
  TapPort(OwnedFd fd, int workers);
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_TAP_PORT_H_
