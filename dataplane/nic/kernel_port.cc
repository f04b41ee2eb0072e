#include "dataplane/nic/kernel_port.h"

#include <algorithm>
#include <cerrno>

namespace meltemi::nic {

using packet::Packet;
using packet::PacketPool;

KernelPort::KernelPort(OwnedFd fd, MacAddr mac, int queues, int rx_batch_max)
    : fd_(std::move(fd)),
      mac_(mac),
      frames_(rx_batch_max),
      rx_batch_max_(rx_batch_max),
      tx_slots_(queues) {}

PortCaps KernelPort::caps() const {
  return PortCaps{.tx_checksum = true,
                  .tx_segmentation = true,
                  .tx_chains = true,
                  .super_frame_bytes_max = 65'535,
                  .rx_queues = 1,
                  .tx_queues = static_cast<int>(tx_slots_.size()),
                  .thread_safe_tx = true};
}

void KernelPort::AfterEmptyRead(PacketPool& pool) {
  rx_batch_ = 1;
  if (++idle_polls_ < kIdlePollsMax) return;
  frames_.Shrink(pool, 1);
  idle_polls_ = 0;
}

int KernelPort::RxBurst(int /*queue*/, PacketPool& pool, std::span<Packet*> out) {
  PortCounters& counters = rx_slot_.counters;
  std::array<uint32_t, RxFrames::kFrameCountMax> lengths;
  const int room = static_cast<int>(out.size());
  int count = 0;
  // Damaged frames take no room in `out`, so the number of reads is bounded apart from it.
  for (int reads = 0; count < room && reads < room; ++reads) {
    const int ready = frames_.Prepare(pool, std::min(rx_batch_, room - count));
    if (ready == 0) {
      ++counters.rx_no_memory;
      break;
    }
    const int got = Read(&frames_, ready, std::span(lengths).first(ready));
    if (got == -EINVAL || got == -EINTR) {
      // EINVAL: a kind of super-frame that the kernel cannot describe; it has thrown it away.
      if (got == -EINVAL) ++counters.rx_bad_frames;
      continue;
    }
    if (got <= 0) {
      if (reads == 0) AfterEmptyRead(pool);
      break;
    }
    idle_polls_ = 0;
    for (int i = 0; i < got; ++i) {
      Packet* packet = frames_.Take(i, lengths[i], pool, &counters);
      if (packet != nullptr) out[count++] = packet;
    }
    if (got < ready) break;
    rx_batch_ = std::min(rx_batch_ * 2, rx_batch_max_);
  }
  return count;
}

int KernelPort::TxBurst(int queue, PacketPool& pool, std::span<Packet*> packets) {
  PortCounters& counters = tx_slots_[queue].counters;
  size_t done = 0;
  bool full = false;
  while (done < packets.size() && !full) {
    TxBatch batch;
    while (done + batch.count() < packets.size() && batch.Add(*packets[done + batch.count()])) {
    }
    int sent = 0;
    while (sent < batch.count() && !full) {
      const int n = Write(&batch, sent);
      full = n == -EAGAIN;
      if (n < 0 && !full && n != -EINTR) ++counters.tx_errors;
      const int finished = n >= 0 ? n : (full || n == -EINTR ? 0 : 1);
      for (int i = 0; i < finished; ++i, ++sent) {
        Packet* packet = packets[done++];
        if (n > 0) {
          ++counters.tx_packets;
          counters.tx_bytes += packet->pkt_len;
          if ((packet->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0) {
            ++counters.tx_super_frames;
          }
        }
        pool.Free(packet);
      }
    }
    if (batch.count() == 0) {  // more pieces than one system call takes
      ++counters.tx_errors;
      pool.Free(packets[done++]);
    }
  }
  if (full) ++counters.tx_full;
  return static_cast<int>(done);
}

void KernelPort::LetGo(int queue, PacketPool& pool) {
  if (queue == 0) frames_.Shrink(pool, 0);
}

}  // namespace meltemi::nic
