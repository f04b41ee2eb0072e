#include "dataplane/nic/dpdk_ethdev_port.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "dataplane/nic/netdev.h"
#include "dataplane/nic/vnet_header.h"
#include "dataplane/packet/dpdk_pool.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

using packet::Packet;
using packet::PacketPool;

constexpr unsigned kRingSlots = 1024;
constexpr rte_eth_event_type kLinkNews[] = {RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_QUEUE_STATE};

// The driver's instance is named after the port; drivers take letters, digits and _.
std::string Instance(std::string_view driver, std::string_view port) {
  std::string name(driver);
  for (const char c : port.substr(0, 32)) name += absl::ascii_isalnum(c) ? c : '_';
  return name;
}

std::string DriverName(const Device& device, const std::string& port) {
  switch (device.kind) {
    case DeviceKind::kAfXdp:
      return Instance("net_af_xdp_", port);
    case DeviceKind::kVhost:
      return Instance("net_vhost_", port);
    case DeviceKind::kVirtio:
      return Instance("virtio_user_", port);
    case DeviceKind::kNull:
      return Instance("net_null_", port);
    case DeviceKind::kPci:
      return device.target;
    case DeviceKind::kRing:
    case DeviceKind::kVeth:
    case DeviceKind::kTap:
      return "";
  }
  return "";
}

std::string DriverArguments(const Device& device) {
  switch (device.kind) {
    case DeviceKind::kAfXdp:  // busy_budget=0: no system call per empty poll
      return Cat("iface=", device.target, ",busy_budget=0");
    case DeviceKind::kVhost:
      return Cat("iface=", device.target, ",queues=1");
    case DeviceKind::kVirtio:
      return Cat("path=", device.target, ",queues=1,queue_size=1024");
    case DeviceKind::kNull:
      return "no-rx=1";
    case DeviceKind::kPci:
    case DeviceKind::kRing:
    case DeviceKind::kVeth:
    case DeviceKind::kTap:
      return "";
  }
  return "";
}

std::string RingName(const std::string& target, std::string_view direction) {
  return Cat("mt_", target, ".", direction);
}

bool DeviceExists(const std::string& instance) {
  uint16_t port = 0;
  return rte_eth_dev_get_port_by_name(instance.c_str(), &port) == 0;
}

// Drivers whose receive interrupts wake us. A NIC has a core of its own to poll it. Not
// virtio-user, which only load generators and tests are: with interrupts on, DPDK 22.11 calls its
// handler (virtio_interrupt_handler) for a device that is being taken down.
bool HasInterrupts(DeviceKind kind) { return kind == DeviceKind::kVhost; }

int TellOfLink(uint16_t /*port*/, rte_eth_event_type /*type*/, void* self, void* /*detail*/) {
  static_cast<DpdkEthdevPort*>(self)->OnLinkNews();
  return 0;
}

}  // namespace

DpdkEthdevPort::DpdkEthdevPort(const Options& options)
    : device_(options.device), instance_(DriverName(options.device, options.name)) {
  if (device_.kind == DeviceKind::kPci) bus_ = "pci";
}

absl::StatusOr<std::unique_ptr<Port>> DpdkEthdevPort::Open(const Options& options) {
  if (options.pools.empty() || static_cast<int>(options.pools.size()) < options.workers) {
    return absl::FailedPreconditionError("needs a DPDK packet pool for every worker");
  }
  auto port = absl::WrapUnique(new DpdkEthdevPort(options));
  absl::Status status =
      options.device.kind == DeviceKind::kRing ? port->AddRing() : port->AddDevice();
  if (status.ok()) {
    port->open_ = true;
    status = port->Start(options);
  }
  if (!status.ok()) return status;  // the destructor takes away what was added
  return port;
}

absl::Status DpdkEthdevPort::Check(int result, const char* what) const {
  if (result >= 0) return absl::OkStatus();
  return absl::InternalError(Abs(Cat(what, ": ", rte_strerror(-result))));
}

absl::Status DpdkEthdevPort::AddDevice() {
  if (device_.kind == DeviceKind::kVhost) {
    const absl::Status status = RemoveDeadSocket(device_.target);
    if (!status.ok()) return status;
  }
  const int added =
      rte_eal_hotplug_add(bus_.c_str(), instance_.c_str(), DriverArguments(device_).c_str());
  if (added < 0) {
    return absl::UnavailableError(Abs(Cat("the driver refused it: ", rte_strerror(-added))));
  }
  return Check(rte_eth_dev_get_port_by_name(instance_.c_str(), &port_), "no ethdev");
}

// The first to come is end "a", the second end "b"; their rings are crossed.
absl::Status DpdkEthdevPort::AddRing() {
  const std::string names[] = {RingName(device_.target, "a"), RingName(device_.target, "b")};
  const int end = DeviceExists(Cat("net_ring_", names[0])) ? 1 : 0;
  instance_ = Cat("net_ring_", names[end]);
  if (DeviceExists(instance_)) {
    return absl::AlreadyExistsError("both ends of the ring are taken");
  }
  rte_ring* rings[2];  // by the end that sends into it
  for (int i = 0; i < 2; ++i) {
    rings[i] = rte_ring_lookup(names[i].c_str());
    if (rings[i] == nullptr) rings[i] = rte_ring_create(names[i].c_str(), kRingSlots, -1, 0);
    if (rings[i] == nullptr) return Check(-rte_errno, "ring");
  }
  rte_ring* receive[] = {rings[1 - end]};
  rte_ring* send[] = {rings[end]};
  const int port = rte_eth_from_rings(names[end].c_str(), receive, 1, send, 1, 0);
  if (port < 0) return Check(-rte_errno, "net_ring");
  port_ = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

// A queue that several workers send by is cleaned up by any of them.
TxCopy DpdkEthdevPort::TxCopyWanted(bool queues_are_shared) const {
  if (device_.kind == DeviceKind::kAfXdp) return TxCopy::kChains;
  if (device_.kind == DeviceKind::kRing || queues_are_shared) return TxCopy::kBorrowed;
  return TxCopy::kNever;
}

absl::Status DpdkEthdevPort::Start(const Options& options) {
  rte_eth_dev_info info;
  absl::Status status = Check(rte_eth_dev_info_get(port_, &info), "device information");
  if (!status.ok()) return status;
  // Only a NIC spreads connections over queues by a hash of ours.
  RssChoice rss = ChooseRss(info);
  const bool multi_queue = device_.kind == DeviceKind::kPci && rss.hash_fields != 0;
  const int queues_max = std::min<int>(info.max_rx_queues, info.max_tx_queues);
  const int queues = multi_queue ? std::min(options.workers, queues_max) : 1;
  rte_eth_conf conf;
  std::memset(&conf, 0, sizeof(conf));
  const int mtu = options.mtu == 0 ? RTE_ETHER_MTU : options.mtu;
  conf.rxmode.mtu = static_cast<uint32_t>(std::min<int>(mtu, info.max_mtu));
  conf.intr_conf.rxq = HasInterrupts(device_.kind) ? 1 : 0;
  const EthdevOffloads offloads =
      ChooseOffloads(info, conf.rxmode.mtu, TxCopyWanted(queues < options.workers),
                     device_.kind == DeviceKind::kRing ? Chains::kTaken : Chains::kIfOffered);
  conf.txmode.offloads = offloads.tx;
  conf.rxmode.offloads = offloads.rx;
  tx_rules_ = offloads.rules;
  caps_ = offloads.caps;
  caps_.rx_queues = queue_count_ = queues;
  caps_.tx_queues = options.workers;
  rx_slots_.resize(queues);
  tx_slots_.resize(options.workers);
  if (options.workers > queues) {
    for (int q = 0; q < queues; ++q) tx_locks_.push_back(std::make_unique<shared::QueueLock>());
    caps_.thread_safe_tx = true;
  }
  if (queues > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_key = rss.key.data();
    conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<uint8_t>(rss.key.size());
    conf.rx_adv_conf.rss_conf.rss_hf = rss.hash_fields;
  }
  status = Check(rte_eth_dev_configure(port_, queues, queues, &conf), "configure");
  if (status.ok()) status = SetUpQueues(options);
  if (status.ok()) status = Check(rte_eth_dev_start(port_), "start");
  if (status.ok() && HasInterrupts(device_.kind)) status = SetUpWake();
  if (!status.ok()) return status;
  const bool device_has_mac =
      device_.kind == DeviceKind::kPci || device_.kind == DeviceKind::kAfXdp;
  rte_ether_addr mac;
  if (device_has_mac && rte_eth_macaddr_get(port_, &mac) == 0) {
    std::copy(std::begin(mac.addr_bytes), std::end(mac.addr_bytes), mac_.begin());
    rte_eth_promiscuous_enable(port_);  // not every driver has it; the MAC is the device's own then
  }
  return absl::OkStatus();
}

absl::Status DpdkEthdevPort::SetUpQueues(const Options& options) {
  if (device_.kind == DeviceKind::kAfXdp) {
    // Its driver keeps 2560 segments for ever when the port closes: not those of a worker.
    private_mempool_ =
        packet::CreateSmallMempool(Instance("xdp_", options.name).substr(0, 20), kPrivateSegments);
    if (private_mempool_ == nullptr) return Check(-rte_errno, "receive pool");
    const absl::StatusOr<int> index = InterfaceIndex(device_.target);
    if (!index.ok()) return index.status();
    netdev_index_ = *index;
  }
  const std::vector<int> before = SocketsOfFamily(AF_XDP);
  uint16_t rx_count = kDescriptorCount;
  uint16_t tx_count = kDescriptorCount;
  absl::Status status =
      Check(rte_eth_dev_adjust_nb_rx_tx_desc(port_, &rx_count, &tx_count), "descriptors");
  for (int q = 0; q < queue_count_ && status.ok(); ++q) {
    rte_mempool* pool =
        private_mempool_ != nullptr ? private_mempool_ : options.pools[q]->receive_mempool();
    status = Check(rte_eth_rx_queue_setup(port_, q, rx_count, SOCKET_ID_ANY, nullptr, pool),
                   "receive queue");
    if (!status.ok()) break;
    status =
        Check(rte_eth_tx_queue_setup(port_, q, tx_count, SOCKET_ID_ANY, nullptr), "transmit queue");
  }
  if (device_.kind == DeviceKind::kAfXdp && status.ok()) {
    // Nobody else opens such sockets. Without a single new one the port is polled.
    std::vector<int> fresh;
    const std::vector<int> after = SocketsOfFamily(AF_XDP);
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::back_inserter(fresh));
    if (fresh.size() == 1) socket_ = fresh[0];
  }
  return status;
}

absl::Status DpdkEthdevPort::SetUpWake() {
  wake_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
  link_news_ = OwnedFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_.valid() || !link_news_.valid()) return ErrnoStatus("wake descriptors");
  const int interrupt = rte_eth_dev_rx_intr_ctl_q_get_fd(port_, 0);
  if (interrupt < 0) return absl::InternalError("the driver has no receive interrupt");
  for (const int fd : {interrupt, link_news_.get()}) {
    // Neither is ever read: it is the edge that counts.
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
    if (epoll_ctl(wake_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return ErrnoStatus("epoll");
  }
  for (const rte_eth_event_type type : kLinkNews) {
    const absl::Status status =
        Check(rte_eth_dev_callback_register(port_, type, TellOfLink, this), "link news");
    if (!status.ok()) return status;
  }
  caps_.armed_wake = true;
  return absl::OkStatus();
}

void DpdkEthdevPort::TakeDownWake() {
  for (const rte_eth_event_type type : kLinkNews) {
    // EAGAIN: it is being called, which takes a moment; any other failure: it was never registered.
    while (rte_eth_dev_callback_unregister(port_, type, TellOfLink, this) == -EAGAIN) {
    }
  }
}

int DpdkEthdevPort::event_fd(int queue) const {
  if (device_.kind == DeviceKind::kAfXdp) return queue == 0 ? socket_ : -1;
  return caps_.armed_wake && queue == 0 ? wake_.get() : -1;
}

// The driver's calls fail while nobody is connected; OnLinkNews wakes the worker when that changes.
// No lock of ours may be held here: OnLinkNews comes with the driver's own locks held. When the
// other side goes at this very moment the driver may look at a queue it has just freed: that is
// memory of DPDK's heap, zeroed, and a queue that is not ready is left alone.
void DpdkEthdevPort::ArmWake(int queue) {
  if (caps_.armed_wake) static_cast<void>(rte_eth_dev_rx_intr_enable(port_, queue));
}

void DpdkEthdevPort::DisarmWake(int queue) {
  if (caps_.armed_wake) static_cast<void>(rte_eth_dev_rx_intr_disable(port_, queue));
}

void DpdkEthdevPort::OnLinkNews() {
  const uint64_t one = 1;
  // Never read, so never full in a lifetime.
  [[maybe_unused]] const ssize_t n = write(link_news_.get(), &one, sizeof(one));
}

Packet* DpdkEthdevPort::Received(Packet* packet, PacketPool& pool, PortCounters* counters) {
  pool.CountFromDriver(packet->nb_segs);
  if (private_mempool_ != nullptr) {
    Packet* copy = pool.CopyChain(packet);
    pool.CountToDriver(packet->nb_segs);
    rte_pktmbuf_free(packet);
    if (copy == nullptr) ++counters->rx_no_memory;
    packet = copy;
    if (packet == nullptr) return nullptr;
  }
  if ((packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE) {
    if (FromDriver(packet) == VnetVerdict::kBad) {
      ++counters->rx_bad_frames;
      pool.Free(packet);
      return nullptr;
    }
  } else {
    // No transmit wish may survive from the sender on the other end of a ring.
    packet->ol_flags &= RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
    packet->tx_offload = 0;
  }
  ++counters->rx_packets;
  counters->rx_bytes += packet->pkt_len;
  if ((packet->ol_flags & RTE_MBUF_F_RX_LRO) != 0) ++counters->rx_super_frames;
  return packet;
}

int DpdkEthdevPort::RxBurst(int queue, PacketPool& pool, std::span<Packet*> out) {
  const auto room = static_cast<uint16_t>(std::min<size_t>(out.size(), limits::kRxBurst));
  const uint16_t got = rte_eth_rx_burst(port_, queue, out.data(), room);
  int kept = 0;
  for (uint16_t i = 0; i < got; ++i) {
    Packet* packet = Received(out[i], pool, &rx_slots_[queue].counters);
    if (packet != nullptr) out[kept++] = packet;
  }
  return kept;
}

int DpdkEthdevPort::TxBurst(int queue, PacketPool& pool, std::span<Packet*> packets) {
  PortCounters* counters = &tx_slots_[queue].counters;
  const auto device_queue = static_cast<uint16_t>(queue % queue_count_);
  if (tx_locks_.empty()) return Send(device_queue, pool, packets, counters);
  return tx_locks_[device_queue]->Run([&] { return Send(device_queue, pool, packets, counters); });
}

// A vhost-user socket that nobody is connected to.
bool DpdkEthdevPort::NobodyListens() const {
  return device_.kind == DeviceKind::kVhost && state() != PortState::kUp;
}

int DpdkEthdevPort::Send(uint16_t queue, PacketPool& pool, std::span<Packet*> packets,
                         PortCounters* counters) {
  size_t done = 0;
  while (done < packets.size()) {
    // The run [done, ready) has passed the driver's own preparation (pseudo-header sums as it wants
    // them); the packet at `ready`, if the run ends early, has not and is dropped.
    const size_t end = std::min(packets.size(), done + limits::kTxBurst);
    size_t ready = done;
    for (; ready < end; ++ready) {
      Packet* sendable = MakeSendable(tx_rules_, pool, packets[ready]);
      if (sendable == nullptr) break;
      packets[ready] = sendable;
    }
    const auto wanted = static_cast<uint16_t>(ready - done);
    const uint16_t prepared = rte_eth_tx_prepare(port_, queue, &packets[done], wanted);
    uint32_t bytes[limits::kTxBurst];
    uint16_t segments[limits::kTxBurst];
    for (uint16_t i = 0; i < prepared; ++i) {
      bytes[i] = packets[done + i]->pkt_len;
      segments[i] = packets[done + i]->nb_segs;
      if ((packets[done + i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) ++counters->tx_super_frames;
    }
    const uint16_t sent = rte_eth_tx_burst(port_, queue, &packets[done], prepared);
    for (uint16_t i = 0; i < sent; ++i) {
      ++counters->tx_packets;
      counters->tx_bytes += bytes[i];
      pool.CountToDriver(segments[i]);
    }
    done += sent;
    if (sent < prepared && NobodyListens()) {
      // Kept, they would keep the worker awake until somebody comes.
      counters->tx_errors += packets.size() - done;
      while (done < packets.size()) pool.Free(packets[done++]);
      break;
    }
    if (sent < prepared) {
      ++counters->tx_full;
      break;
    }
    if (prepared < wanted || ready < end) {
      ++counters->tx_errors;
      pool.Free(packets[done++]);
    }
  }
  return static_cast<int>(done);
}

PortState DpdkEthdevPort::state() const {
  if (!open_) return PortState::kGone;
  if (device_.kind == DeviceKind::kAfXdp) {  // its driver's link status never changes
    const absl::StatusOr<int> index = InterfaceIndex(device_.target);
    return index.ok() && *index == netdev_index_ ? PortState::kUp : PortState::kGone;
  }
  rte_eth_link link;
  if (rte_eth_link_get_nowait(port_, &link) != 0) return PortState::kGone;
  if (link.link_status == RTE_ETH_LINK_UP) return PortState::kUp;
  // A virtio-user client never connects again.
  return device_.kind == DeviceKind::kVirtio ? PortState::kGone : PortState::kDown;
}

void DpdkEthdevPort::Close() {
  if (!open_) return;
  open_ = false;
  socket_ = -1;
  TakeDownWake();
  // Nothing can be done about a driver that fails here; what it holds is lost, not wrong.
  static_cast<void>(rte_eth_dev_stop(port_));
  static_cast<void>(rte_eth_dev_close(port_));
  static_cast<void>(rte_eal_hotplug_remove(bus_.c_str(), instance_.c_str()));
  if (private_mempool_ != nullptr) rte_mempool_free(private_mempool_);
  private_mempool_ = nullptr;
  if (device_.kind != DeviceKind::kRing) return;
  const std::string names[] = {RingName(device_.target, "a"), RingName(device_.target, "b")};
  for (const std::string& name : names) {
    if (DeviceExists(Cat("net_ring_", name))) return;  // the other end still uses both
  }
  for (const std::string& name : names) {
    rte_ring* ring = rte_ring_lookup(name.c_str());
    if (ring == nullptr) continue;
    void* waiting = nullptr;
    while (rte_ring_dequeue(ring, &waiting) == 0) rte_pktmbuf_free(static_cast<Packet*>(waiting));
    rte_ring_free(ring);
  }
}

}  // namespace meltemi::nic
