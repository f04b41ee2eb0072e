// TxBatch: packets laid out for the kernel, one virtio_net_hdr and one iovec per segment each.
//
// Owns nothing: it lives on the stack of one TxBurst, so that any worker may send at the same time.
// Called by AfPacketPort and TapPort. Bound: kPacketCountMax packets and kIovCountMax pieces; a
// packet that needs more pieces than that is refused.
#ifndef MELTEMI_DATAPLANE_NIC_TX_BATCH_H_
#define MELTEMI_DATAPLANE_NIC_TX_BATCH_H_

#include <sys/uio.h>

#include <array>
#include <span>

#include "dataplane/nic/vnet_header.h"
#include "dataplane/packet/packet.h"
#include "l7/base/limits.h"

namespace meltemi::nic {

class TxBatch {
 public:
  static constexpr int kPacketCountMax = limits::kTxBurst;
  static constexpr int kIovCountMax = 512;

  // Adds the packet; false when there is no room left for it.
  bool Add(const packet::Packet& packet);
  int count() const { return count_; }
  std::span<iovec> iov(int i) {
    return std::span(iov_).subspan(first_[i], first_[i + 1] - first_[i]);
  }

 private:
  int count_ = 0;
  std::array<VnetHeader, kPacketCountMax> headers_;
  std::array<iovec, kIovCountMax> iov_;
  std::array<uint16_t, kPacketCountMax + 1> first_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_TX_BATCH_H_
