// PortSet: the ports of one worker. Receives from the hot ones, sends what IP has queued.
//
// A port is hot while it has given packets within kHotSpan; cold ones are woken by the runner's
// epoll (MarkHot), so a hundred idle pods cost nothing. A port whose event descriptor tells
// nothing while the worker is awake, or that has none, is always hot. Thread: the worker's (the
// runner's epoll is on the same thread). Bound: a port that does not take packets keeps at most
// kTxQueueMax waiting; more are dropped, counted.
#ifndef MELTEMI_DATAPLANE_WORKER_PORT_SET_H_
#define MELTEMI_DATAPLANE_WORKER_PORT_SET_H_

#include <array>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "dataplane/packet/packet_pool.h"
#include "dataplane/worker/counters.h"
#include "dataplane/worker/mail.h"
#include "l7/base/time.h"

namespace meltemi::worker {

class PortSet {
 public:
  static constexpr Duration kHotSpan = Duration::Millis(1);
  static constexpr size_t kTxQueueMax = 4096;

  struct Entry {
    PortAttachment attachment;
    bool attached = false;
    bool hot = false;
    bool has_event = false;  // wakes a worker that sleeps
    bool can_cool = false;   // and finds a cold port of a worker that does not
    Instant last_seen;
  };

  void Attach(const PortAttachment& attachment);
  // Gives the queued packets back to the pool; the port is not touched after this.
  void Detach(ip::PortId id, ip::Ip* ip, packet::PacketPool* pool);

  // At most limits::kRxBurst packets per hot port.
  void RxBurst(packet::PacketPool* pool, Instant now, std::vector<ip::RxPacket>* out);
  // Sends what waits in ip->tx(). Returns whether anything was sent.
  bool TxBurst(ip::Ip* ip, packet::PacketPool* pool, WorkerCounters* counters);

  void MarkHot(ip::PortId id, Instant now);
  void MarkAllHot(Instant now);
  bool AnyTxWaiting(ip::Ip* ip);

  // The pod port behind which `address` lives; null when it is not a local pod's.
  const Entry* FindByPodAddress(const IpAddr& address) const;

  // The gateway whose address it is, an own one of an uplink; or null.
  const config::Workload* FindGateway(const IpAddr& address) const;

  const std::vector<Entry>& entries() const { return entries_; }
  // Grows whenever the set of ports changes: the runner rebuilds its epoll set then.
  uint64_t version() const { return version_; }

 private:
  std::vector<Entry> entries_;  // by PortId
  std::vector<ip::PortId> hot_;
  absl::flat_hash_map<IpAddr, ip::PortId> pods_;
  absl::flat_hash_map<IpAddr, const config::Workload*> gateways_;
  uint64_t version_ = 0;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_PORT_SET_H_
