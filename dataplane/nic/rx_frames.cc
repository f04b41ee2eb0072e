#include "dataplane/nic/rx_frames.h"

#include <algorithm>
#include <utility>

#include "dataplane/nic/vnet_header.h"

namespace meltemi::nic {

using packet::Packet;

RxFrames::RxFrames(int frame_count_max) : frames_(frame_count_max) {
  for (Frame& frame : frames_) frame.iov[0] = {&frame.header, sizeof(frame.header)};
}

bool RxFrames::Fill(packet::PacketPool& pool, Frame* frame) {
  for (int i = 0; i < kSegmentCount; ++i) {
    if (frame->segments[i] != nullptr) continue;
    frame->iov[1 + i] = {};
    if (i > 0 && pool.free_count(packet::kLarge) == 0) continue;
    Packet* segment = pool.Alloc(i == 0 ? packet::kSmall : packet::kLarge);
    if (segment == nullptr) {
      if (i == 0) return false;
      continue;
    }
    frame->segments[i] = segment;
    frame->iov[1 + i] = {packet::Data(segment), packet::Tailroom(segment)};
  }
  return true;
}

int RxFrames::Prepare(packet::PacketPool& pool, int count) {
  CHECK(count <= static_cast<int>(frames_.size()));
  ready_ = std::max(ready_, count);
  for (int i = 0; i < count; ++i) {
    if (!Fill(pool, &frames_[i])) return i;
  }
  return count;
}

Packet* RxFrames::Take(int index, uint32_t bytes, packet::PacketPool& pool,
                       PortCounters* counters) {
  Frame& frame = frames_[index];
  uint32_t left = bytes < sizeof(frame.header) ? 0 : bytes - sizeof(frame.header);
  if (left < kEthernetBytes) {
    ++counters->rx_bad_frames;
    return nullptr;
  }
  Packet* head = frame.segments[0];
  head->pkt_len = left;
  head->nb_segs = 0;
  Packet* tail = nullptr;
  for (int i = 0; i < kSegmentCount && left > 0; ++i) {
    if (frame.segments[i] == nullptr) continue;
    Packet* segment = std::exchange(frame.segments[i], nullptr);
    segment->data_len = static_cast<uint16_t>(std::min<size_t>(left, frame.iov[1 + i].iov_len));
    left -= segment->data_len;
    segment->next = nullptr;
    if (tail != nullptr) tail->next = segment;
    tail = segment;
    ++head->nb_segs;
  }
  if (left > 0 || FromVnet(frame.header, head) == VnetVerdict::kBad) {
    ++counters->rx_bad_frames;
    pool.Free(head);
    return nullptr;
  }
  ++counters->rx_packets;
  counters->rx_bytes += head->pkt_len;
  if ((head->ol_flags & RTE_MBUF_F_RX_LRO) != 0) ++counters->rx_super_frames;
  return head;
}

void RxFrames::Shrink(packet::PacketPool& pool, int keep) {
  for (int i = keep; i < ready_; ++i) {
    for (Packet*& segment : frames_[i].segments) {
      if (segment != nullptr) pool.Free(std::exchange(segment, nullptr));
    }
  }
  ready_ = std::min(ready_, keep);
}

}  // namespace meltemi::nic
