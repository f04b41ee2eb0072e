#include "dataplane/worker/testing/memory_port.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "l7/base/limits.h"

namespace meltemi::worker {
namespace {

using packet::Packet;

// Leaves the measured code for the time of a burst.
class Outside {
 public:
  explicit Outside(Probe* probe) : probe_(probe) {
    if (probe_ != nullptr) probe_->Leave();
  }
  ~Outside() {
    if (probe_ != nullptr) probe_->Enter();
  }
  Outside(const Outside&) = delete;

 private:
  Probe* const probe_;
};

}  // namespace

nic::PortCaps PlainCaps() { return {.tx_chains = true, .tx_queues = 64}; }

nic::PortCaps OffloadCaps() {
  return {.tx_checksum = true,
          .tx_segmentation = true,
          .tx_chains = true,
          .super_frame_bytes_max = 65'549,
          .tx_queues = 64};
}

MemoryPort::MemoryPort(const MemoryPortOptions& options)
    : options_(options),
      rx_(options.caps.rx_queues),
      rx_counters_(options.caps.rx_queues),
      tx_counters_(options.caps.tx_queues) {}

bool MemoryPort::Put(int queue, FramePtr frame) {
  if (state_ == nic::PortState::kGone || rx_[queue].size() >= options_.rx_ring_frames) return false;
  rx_[queue].push_back(std::move(frame));
  return true;
}

bool MemoryPort::Put(int queue, std::string bytes) {
  auto frame = std::make_unique<Frame>();
  frame->bytes = std::move(bytes);
  return Put(queue, std::move(frame));
}

int MemoryPort::RxBurst(int queue, packet::PacketPool& pool, std::span<Packet*> out) {
  if (state_ == nic::PortState::kGone) return 0;
  const Outside outside(options_.probe);
  std::deque<FramePtr>& ring = rx_[queue];
  size_t n = 0;
  while (n < out.size() && !ring.empty()) {
    const FramePtr frame = std::move(ring.front());
    ring.pop_front();
    Packet* packet = Receive(*frame, pool, &rx_counters_[queue]);
    if (packet != nullptr) out[n++] = packet;
  }
  return static_cast<int>(n);
}

// A small segment first, then large ones: as the kernel ports lay frames out.
Packet* MemoryPort::Receive(const Frame& frame, packet::PacketPool& pool,
                            nic::PortCounters* counters) {
  Packet* head = pool.Alloc(packet::kSmall);
  if (head == nullptr) {
    ++counters->rx_no_memory;
    return nullptr;
  }
  Packet* tail = head;
  for (size_t done = 0; done < frame.bytes.size();) {
    if (packet::Tailroom(tail) == 0) {
      Packet* more = pool.Alloc(packet::kLarge);
      if (more == nullptr) {
        ++counters->rx_no_memory;
        pool.Free(head);
        return nullptr;
      }
      tail->next = more;
      tail = more;
      ++head->nb_segs;
    }
    const auto part =
        static_cast<uint16_t>(std::min<size_t>(frame.bytes.size() - done, packet::Tailroom(tail)));
    std::memcpy(packet::Data(tail) + tail->data_len, frame.bytes.data() + done, part);
    tail->data_len += part;
    head->pkt_len += part;
    done += part;
  }
  if (nic::FromVnet(frame.header, head) == nic::VnetVerdict::kBad) {
    ++counters->rx_bad_frames;
    pool.Free(head);
    return nullptr;
  }
  ++counters->rx_packets;
  counters->rx_bytes += frame.bytes.size();
  counters->rx_super_frames += frame.header.gso_type != nic::kVnetGsoNone;
  return head;
}

int MemoryPort::TxBurst(int queue, packet::PacketPool& pool, std::span<Packet*> packets) {
  const Outside outside(options_.probe);
  nic::PortCounters& counters = tx_counters_[queue];
  size_t n = 0;
  for (; n < packets.size(); ++n) {
    Packet* packet = packets[n];
    if (state_ == nic::PortState::kGone) {
      ++counters.tx_errors;
      pool.Free(packet);
      continue;
    }
    if (tx_full()) {
      ++counters.tx_full;
      break;
    }
    auto frame = std::make_unique<Frame>();
    frame->header = nic::ToVnet(*packet);
    frame->bytes.reserve(packet->pkt_len);
    for (const Packet* part = packet; part != nullptr; part = part->next) {
      frame->bytes.append(reinterpret_cast<const char*>(packet::Data(part)), part->data_len);
    }
    CHECK(frame->header.flags == 0 || options_.caps.tx_checksum);
    CHECK(frame->header.gso_type == nic::kVnetGsoNone || options_.caps.tx_segmentation);
    ++counters.tx_packets;
    counters.tx_bytes += frame->bytes.size();
    counters.tx_super_frames += frame->header.gso_type != nic::kVnetGsoNone;
    pool.Free(packet);
    sent_.push_back(std::move(frame));
  }
  return static_cast<int>(n);
}

}  // namespace meltemi::worker
