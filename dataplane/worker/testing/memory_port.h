// MemoryPort: a port whose device is a pair of queues in memory, for tests of workers and for the
// simulation. It does what a kernel port does: copies frames, with their virtio header, into and
// out of the packets of the worker's pool.
//
// Owns the frames that wait. The far side (a test, a simulated wire) puts frames into a receive
// queue and takes what was sent. Single thread. Bounds: the two ring sizes of the options.
#ifndef MELTEMI_DATAPLANE_WORKER_TESTING_MEMORY_PORT_H_
#define MELTEMI_DATAPLANE_WORKER_TESTING_MEMORY_PORT_H_

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/nic/port.h"
#include "dataplane/nic/vnet_header.h"

namespace meltemi::worker {

struct Frame {
  nic::VnetHeader header;
  std::string bytes;  // from the Ethernet header on
};
using FramePtr = std::unique_ptr<Frame>;

// Told where the measured code ends and this fake begins, so that budgets count none of the fake's
// own work.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void Enter() = 0;
  virtual void Leave() = 0;
};

// No checksum, no segmentation, as a plain NIC; or all that a veth behind AF_PACKET takes.
nic::PortCaps PlainCaps();
nic::PortCaps OffloadCaps();

struct MemoryPortOptions {
  nic::PortCaps caps = PlainCaps();
  size_t rx_ring_frames = 512;   // per queue; more are dropped by the "device"
  size_t tx_ring_frames = 1024;  // the port takes no more while that many wait
  int event_fd = -1;
  Probe* probe = nullptr;
};

class MemoryPort final : public nic::Port {
 public:
  explicit MemoryPort(const MemoryPortOptions& options);

  // The far side. Put: false when the ring is full (the frame is dropped) or the port is gone.
  bool Put(int queue, FramePtr frame);
  bool Put(int queue, std::string bytes);
  std::deque<FramePtr>& sent() { return sent_; }
  size_t waiting(int queue) const { return rx_[queue].size(); }
  bool tx_full() const { return sent_.size() >= options_.tx_ring_frames; }
  // Gone: as a deleted netdev. Nothing is received any more, what is sent is refused and dropped.
  void set_state(nic::PortState state) { state_ = state; }
  int let_go_count() const { return let_go_count_; }

  // nic::Port
  int RxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> out) override;
  int TxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> packets) override;
  int event_fd(int) const override { return options_.event_fd; }
  void LetGo(int, packet::PacketPool&) override { ++let_go_count_; }
  nic::PortCaps caps() const override { return options_.caps; }
  nic::PortState state() const override { return state_; }
  nic::MacAddr mac() const override { return {}; }
  const nic::PortCounters& rx_counters(int queue) const override { return rx_counters_[queue]; }
  const nic::PortCounters& tx_counters(int queue) const override { return tx_counters_[queue]; }
  void Close() override {}

 private:
  packet::Packet* Receive(const Frame& frame, packet::PacketPool& pool,
                          nic::PortCounters* counters);

  const MemoryPortOptions options_;
  nic::PortState state_ = nic::PortState::kUp;
  std::vector<std::deque<FramePtr>> rx_;
  std::deque<FramePtr> sent_;
  std::vector<nic::PortCounters> rx_counters_, tx_counters_;
  int let_go_count_ = 0;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_TESTING_MEMORY_PORT_H_
