// RxFrames: the segments that the next frames of a kernel port are read into.
//
// Owns: per frame a small segment (headers, MTU-sized frames) and large ones behind it (the rest of
// a super-frame), kept ready between calls; what a frame did not use serves the next one. While no
// large segments are left frames go without: frames of an MTU and ACKs, which make room, still come
// in, and what is longer is dropped (rx_bad_frames). Must not know: which descriptor is read.
// Called by AfPacketPort and TapPort on the worker that receives. Bound: kFrameCountMax frames;
// Shrink gives back all but one when the port is idle.
#ifndef MELTEMI_DATAPLANE_NIC_RX_FRAMES_H_
#define MELTEMI_DATAPLANE_NIC_RX_FRAMES_H_

#include <sys/uio.h>

#include <array>
#include <span>
#include <vector>

#include "dataplane/nic/port.h"
#include "dataplane/nic/vnet_header.h"
#include "dataplane/packet/packet_pool.h"
#include "l7/base/limits.h"

namespace meltemi::nic {

class RxFrames {
 public:
  static constexpr int kFrameCountMax = 16;
  static constexpr int kLargeCount = 4;  // 2 KB + 4 x 16 KB > 65 549 bytes
  static constexpr int kSegmentCount = 1 + kLargeCount;
  static constexpr int kIovCount = 1 + kSegmentCount;  // virtio_net_hdr first
  static_assert(packet::kSmallRoom - packet::kHeadroom +
                    kLargeCount * (packet::kLargeRoom - packet::kHeadroom) >=
                limits::kSuperFrameBytesMax);

  explicit RxFrames(int frame_count_max = kFrameCountMax);

  // Makes frames [0, count) ready; returns how many are (fewer when the pool is exhausted).
  int Prepare(packet::PacketPool& pool, int count);
  std::span<iovec, kIovCount> iov(int frame) { return frames_[frame].iov; }

  // Frame `frame` was read: `bytes` in all, header included. Its segments become a packet with
  // flags set, counted in `counters`; null when it is damaged (counted, given back).
  packet::Packet* Take(int frame, uint32_t bytes, packet::PacketPool& pool, PortCounters* counters);

  // Gives back all but the first `keep` frames.
  void Shrink(packet::PacketPool& pool, int keep);

 private:
  struct Frame {
    VnetHeader header{};
    std::array<packet::Packet*, kSegmentCount> segments{};
    std::array<iovec, kIovCount> iov{};
  };
  static bool Fill(packet::PacketPool& pool, Frame* frame);

  std::vector<Frame> frames_;
  int ready_ = 0;  // frames that may hold segments lie below
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_RX_FRAMES_H_
