// Port: packets in, packets out. One interface for pod ports (AF_PACKET, TAP) and ethdev ports
// (DPDK).
//
// Thread: RxBurst and TxBurst on the worker that owns the queue; everything else on the control
// thread, and Close only after every worker has let go of the port (LetGo; dataplane/worker,
// ports). A virtual call per burst, never per packet. A port never sleeps.
#ifndef MELTEMI_DATAPLANE_NIC_PORT_H_
#define MELTEMI_DATAPLANE_NIC_PORT_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "dataplane/packet/packet.h"
#include "dataplane/packet/packet_pool.h"
#include "l7/base/counter.h"

namespace meltemi::nic {

using MacAddr = std::array<uint8_t, 6>;

struct PortCaps {
  bool tx_checksum = false;      // completes TCP and UDP checksums (IPv4 and IPv6)
  bool tx_segmentation = false;  // takes TCP super-frames up to super_frame_bytes_max
  bool tx_chains = false;        // takes multi-segment and indirect mbufs; else linear ones only
  uint32_t super_frame_bytes_max = 0;
  uint16_t segment_bytes_min = 0;  // of a super-frame's segments (MSS); it refuses smaller ones
  int rx_queues = 1;               // with symmetric RSS when above 1
  int tx_queues = 1;               // one number per worker that sends
  bool thread_safe_tx = false;  // any worker may call TxBurst at the same time (one kernel socket)
  // event_fd tells of packets that come after ArmWake, once each, and of nothing else: poll once
  // more after arming, and always while awake. Else it is readable as long as packets wait.
  bool armed_wake = false;
};

enum class PortState : uint8_t {
  kUp,
  kDown,
  kGone,  // the device was deleted, or is another's now; never comes back
};

#define MELTEMI_PORT_COUNTERS(C)                                                               \
  C(rx_packets, "packets", "packets received (a super-frame is one)")                          \
  C(rx_bytes, "bytes", "bytes received, with link headers")                                    \
  C(rx_super_frames, "packets", "received packets that were super-frames (GSO/LRO)")           \
  C(rx_no_memory, "packets", "packets not received because the packet pool was exhausted")     \
  C(rx_bad_frames, "packets", "packets the kernel or driver handed over damaged or truncated") \
  C(tx_packets, "packets", "packets sent (a super-frame is one)")                              \
  C(tx_bytes, "bytes", "bytes sent, with link headers")                                        \
  C(tx_super_frames, "packets", "sent packets that were super-frames (GSO/TSO)")               \
  C(tx_full, "calls", "times the port took fewer packets than offered")                        \
  C(tx_errors, "packets", "packets the kernel or driver refused and that were dropped")
MELTEMI_COUNTER_TABLE(PortCounters, "meltemi_port", MELTEMI_PORT_COUNTERS)

class Port {
 public:
  virtual ~Port() = default;

  // At most out.size() packets, newest last. Returns how many.
  virtual int RxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> out) = 0;
  // Sends the first n packets and owns them; returns n. The caller keeps the rest.
  virtual int TxBurst(int queue, packet::PacketPool& pool, std::span<packet::Packet*> packets) = 0;

  // A descriptor that polls readable when packets wait, for epoll; -1: the port must be polled.
  virtual int event_fd(int queue) const = 0;
  // For caps().armed_wake: before the worker sleeps, and after.
  virtual void ArmWake(int queue) { (void)queue; }
  virtual void DisarmWake(int queue) { (void)queue; }

  // The worker will not receive for a while, or never again: gives back the packets of `pool` that
  // the port keeps ready to receive into.
  virtual void LetGo(int queue, packet::PacketPool& pool) {
    (void)queue;
    (void)pool;
  }

  virtual PortCaps caps() const = 0;
  virtual PortState state() const = 0;
  virtual MacAddr mac() const = 0;  // the device's own; zero: the caller chooses
  // The rx_ ones of a receive queue, the tx_ ones of a transmit queue: read by the worker that has
  // it.
  virtual const PortCounters& rx_counters(int queue) const = 0;
  virtual const PortCounters& tx_counters(int queue) const = 0;
  virtual void Close() = 0;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_PORT_H_
