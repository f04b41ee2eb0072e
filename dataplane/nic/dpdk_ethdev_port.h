// DpdkEthdevPort: a port that a DPDK driver moves packets for: NICs, AF_XDP, vhost-user,
// virtio-user, rings and the null device.
//
// Owns: the driver's instance. Must not know: IP, TCP. Thread: one worker per queue; Open, state
// and Close on the control thread. InitEal and the workers' DpdkPacketPools come first. Bound: the
// driver's queues (kDescriptorCount each); RTE_MAX_ETHPORTS (32) ports in a process.
//
// Waking a worker that sleeps: AF_XDP by its socket; vhost-user by the driver's receive
// interrupts, which are armed for the sleep only, and by news of the other side's coming. NICs,
// virtio-user, rings and the null device are polled for ever.
#ifndef MELTEMI_DATAPLANE_NIC_DPDK_ETHDEV_PORT_H_
#define MELTEMI_DATAPLANE_NIC_DPDK_ETHDEV_PORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/nic/device.h"
#include "dataplane/nic/ethdev_offloads.h"
#include "dataplane/nic/netdev.h"
#include "dataplane/nic/port.h"
#include "dataplane/shared/queue_lock.h"

struct rte_mempool;

namespace meltemi::packet {
class DpdkPacketPool;
}

namespace meltemi::nic {

class DpdkEthdevPort final : public Port {
 public:
  struct Options {
    Device device;
    std::string name;  // of the port; unique
    int mtu = 1500;
    int workers = 1;
    std::vector<packet::DpdkPacketPool*> pools;  // one per worker
  };
  static absl::StatusOr<std::unique_ptr<Port>> Open(const Options& options);
  ~DpdkEthdevPort() override { Close(); }

  int RxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> out) override;
  int TxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> packets) override;
  int event_fd(int queue) const override;
  void ArmWake(int queue) override;
  void DisarmWake(int queue) override;
  PortCaps caps() const override { return caps_; }
  PortState state() const override;
  MacAddr mac() const override { return mac_; }
  const PortCounters& rx_counters(int queue) const override { return rx_slots_[queue].counters; }
  const PortCounters& tx_counters(int queue) const override { return tx_slots_[queue].counters; }
  void Close() override;
  // The driver's own thread: the other side came, went or changed its queues.
  void OnLinkNews();

 private:
  static constexpr uint16_t kDescriptorCount = 512;
  static constexpr uint32_t kPrivateSegments = 8191;

  struct alignas(128) Slot {
    PortCounters counters;
  };

  explicit DpdkEthdevPort(const Options& options);
  absl::Status AddDevice();
  absl::Status AddRing();
  absl::Status Start(const Options& options);
  TxCopy TxCopyWanted(bool queues_are_shared) const;
  absl::Status SetUpQueues(const Options& options);
  absl::Status SetUpWake();
  void TakeDownWake();
  absl::Status Check(int result, const char* what) const;

  packet::Packet* Received(packet::Packet* packet, packet::PacketPool& pool,
                           PortCounters* counters);
  int Send(uint16_t queue, packet::PacketPool& pool, std::span<packet::Packet*> packets,
           PortCounters* counters);
  bool NobodyListens() const;

  const Device device_;
  std::string bus_ = "vdev";
  std::string instance_;  // the driver's instance, as the bus names it
  bool open_ = false;
  uint16_t port_ = 0;
  rte_mempool* private_mempool_ = nullptr;  // drivers that keep theirs for good
  TxRules tx_rules_;
  PortCaps caps_;
  MacAddr mac_{};
  int queue_count_ = 0;   // the device's, of each kind
  int netdev_index_ = 0;  // kAfXdp: what we were opened on
  int socket_ = -1;       // kAfXdp: the driver's
  // caps_.armed_wake: an epoll set of the driver's interrupt and of link_news_.
  OwnedFd wake_, link_news_;
  // One lock per device queue when workers outnumber them, else none.
  std::vector<std::unique_ptr<shared::QueueLock>> tx_locks_;
  std::vector<Slot> rx_slots_, tx_slots_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_DPDK_ETHDEV_PORT_H_
