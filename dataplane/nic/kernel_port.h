// KernelPort: what the AF_PACKET and the TAP port share: frames behind a virtio_net_hdr through one
// kernel descriptor.
//
// Owns: the descriptor, the segments to receive into, counters per worker. Must not know: IP, TCP.
// Thread: RxBurst on the one worker that receives; TxBurst on any worker, at the same time (the
// kernel's socket takes care), each with its own queue number for the counters. No state changes
// after construction but the receiver's, so state() asks the kernel: no lock, no atomic. Bound: the
// kernel's socket buffers; RxFrames::kFrameCountMax frames kept ready.
#ifndef MELTEMI_DATAPLANE_NIC_KERNEL_PORT_H_
#define MELTEMI_DATAPLANE_NIC_KERNEL_PORT_H_

#include <vector>

#include "dataplane/nic/netdev.h"
#include "dataplane/nic/port.h"
#include "dataplane/nic/rx_frames.h"
#include "dataplane/nic/tx_batch.h"

namespace meltemi::nic {

class KernelPort : public Port {
 public:
  int RxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> out) final;
  int TxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> packets) final;
  int event_fd(int queue) const final { return queue == 0 ? fd_.get() : -1; }
  void LetGo(int queue, packet::PacketPool& pool) final;
  PortCaps caps() const final;
  MacAddr mac() const final { return mac_; }
  const PortCounters& rx_counters(int /*queue*/) const final { return rx_slot_.counters; }
  const PortCounters& tx_counters(int queue) const final { return tx_slots_[queue].counters; }
  void Close() final { fd_.Reset(); }

 protected:
  // `queues`: how many workers may send.
  KernelPort(OwnedFd fd, MacAddr mac, int queues, int rx_batch_max);

  // Reads up to `count` prepared frames; their lengths into `lengths`. Returns how many, or -errno.
  virtual int Read(RxFrames* frames, int count, std::span<uint32_t> lengths) = 0;
  // Writes packets [from, count) of the batch. Returns how many, or -errno for the first.
  virtual int Write(TxBatch* batch, int from) = 0;

  int fd() const { return fd_.get(); }

 private:
  static constexpr int kIdlePollsMax = 64;
  struct alignas(128) Slot {  // two cache lines: no two workers write to the same pair
    PortCounters counters;
  };

  void AfterEmptyRead(packet::PacketPool& pool);

  OwnedFd fd_;
  MacAddr mac_;
  RxFrames frames_;
  int rx_batch_max_;
  int rx_batch_ = 1;  // frames asked for at once: follows what comes
  int idle_polls_ = 0;
  Slot rx_slot_;
  std::vector<Slot> tx_slots_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_KERNEL_PORT_H_
