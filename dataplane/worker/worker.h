// Worker: one poll-mode core of the node plane. Turn() is the data plane on one screen.
//
// Owns: Ip, Tcp, the L7 engine, the timer wheel, and the pipes that join one TCP connection to one
// L7 connection. Borrows: ports (closed by the control thread after every worker has let go), the
// packet pool, mailboxes, the snapshot slot. Must not know: clocks, sockets, threads. `now` is
// given; the same function runs in the simulator. Thread: its own. Other threads reach it by mail
// only (dataplane/shared). Bounds: limits.h "Worker"; a full mailbox or port queue is counted and
// drops the packet.
#ifndef MELTEMI_DATAPLANE_WORKER_WORKER_H_
#define MELTEMI_DATAPLANE_WORKER_WORKER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/ip/ip.h"
#include "dataplane/packet/packet_pool.h"
#include "dataplane/shared/snapshot_slot.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/worker/counters.h"
#include "dataplane/worker/mail.h"
#include "dataplane/worker/pipes.h"
#include "dataplane/worker/port_set.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"
#include "l7/engine/engine.h"

namespace meltemi::worker {

struct WorkerOptions {
  int index = 0;         // this worker
  int worker_count = 1;  // of the node: the symmetric hash modulo this names the owner
  uint64_t seed = 0;     // of its Prng
  tcp::TcpOptions tcp;
  engine::EngineOptions engine;
};

// What the worker is wired to. `peers[i]` carries mail to worker i (null for itself),
// `from_peers[i]` from worker i.
struct WorkerLinks {
  packet::PacketPool* pool = nullptr;
  shared::SnapshotSlot* snapshots = nullptr;
  MailIn* mail_in = nullptr;    // from the control thread and from peers
  MailOut* mail_out = nullptr;  // to the control thread
  std::vector<PeerLink*> peers;
  std::vector<PeerLink*> from_peers;
};

class Worker {
 public:
  Worker(const WorkerOptions& options, const WorkerLinks& links, Instant now);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One round. Returns when the next timer is due; busy() tells whether anything was done.
  Instant Turn(Instant now);

  bool busy() const { return busy_; }
  // The runner measures turns with the cycle counter and tells what they cost.
  void AddCycles(uint64_t cycles);
  void CountSleep() { ++counters_.sleeps; }
  bool stopped() const { return stopped_; }
  // Nothing waits from other workers.
  bool PeersEmpty() const;

  PortSet& ports() { return ports_; }
  const PortSet& ports() const { return ports_; }
  const WorkerCounters& counters() const { return counters_; }
  const ip::Ip& ip() const { return ip_; }
  const tcp::Tcp& tcp() const { return tcp_; }
  const engine::Engine& engine() const { return engine_; }

 private:
  void TakeSnapshot(Instant now);
  void ReadMail(Instant now);
  void OnMail(Mail& mail, Instant now);
  void AttachToPort(const PortAttachment& attachment);
  void DetachFromPort(ip::PortId id, Instant now);
  void FillReport(StatsReport* report);

  void Steer(Instant now);
  void HandOverSegments();
  void TakePeerMail(Instant now);
  void ShareNeighbours();
  void TakeIcmpErrors(Instant now);
  void DecideUnmatched(Instant now);
  bool Accepts(const ip::Segment& segment, uint32_t* listener) const;
  void Deliver(Instant now);
  void OnTcpEvent(tcp::TcpEvent& event, Instant now);
  void OnAccepted(TcpId tcp, Instant now);
  Instant FireTimers(Instant now);
  void RunActions(Instant now);
  void Run(engine::Action& action, Instant now);
  void Connect(const engine::Action& action, Instant now);
  void Transmit(Instant now);
  void HandOverRecords();
  void Publish(Instant now);

  const WorkerOptions options_;
  const WorkerLinks links_;
  Prng prng_;
  TimerWheel timers_;
  ip::Ip ip_;
  tcp::Tcp tcp_;
  engine::Engine engine_;
  PortSet ports_;
  Pipes pipes_;
  const config::Snapshot* snapshot_ = nullptr;
  WorkerCounters counters_;
  bool busy_ = false;
  bool stopped_ = false;

  // Scratch of one turn, kept for its capacity.
  std::vector<ip::RxPacket> rx_;
  std::vector<ip::Segment> segments_;
  std::vector<tcp::SegmentIn> tcp_in_;
  std::vector<tcp::SegmentIn> unmatched_;
  std::vector<tcp::TcpEvent> events_;
  std::vector<tcp::TcpEvent> delivering_;
  std::vector<engine::Action> running_;
  std::vector<tcp::SegmentOut> out_;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_WORKER_H_
