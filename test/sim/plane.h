// Plane: a node plane of N real workers on one thread, without the threads, clocks and descriptors
// of dataplane/node.h. What Node does with mail, links and ports is done here the same way.
//
// Owns the workers, their pools, mailboxes and the snapshot slot; borrows ports. Single thread.
#ifndef MELTEMI_TEST_SIM_PLANE_H_
#define MELTEMI_TEST_SIM_PLANE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/shared/latest.h"
#include "dataplane/shared/snapshot_slot.h"
#include "dataplane/tls/context_table.h"
#include "dataplane/tls/synchronous_handshakes.h"
#include "dataplane/worker/testing/memory_port.h"
#include "dataplane/worker/worker.h"
#include "l7/base/limits.h"

namespace meltemi::sim {

struct PlaneOptions {
  int workers = 1;
  uint64_t seed = 1;
  uint32_t conn_count_max = 4096;
  uint32_t l7_conn_count_max = 8192;
  uint32_t syn_queue_max = limits::kTcpSynQueueMax;
  uint64_t tcp_memory_bytes_max = limits::kTcpMemoryBytesMax;
  int memory_mb = 0;  // packets of all workers, and TCP's part of it as in Node; 0: without end
  Duration time_wait = Duration::Seconds(60);
  Duration turn_time = Duration::Micros(2);  // what a turn costs on the virtual clock
  worker::Probe* probe = nullptr;            // around every turn
  bool tls = false;                          // handshakes are computed when they are taken back
  uint32_t tls_expanded_keys = limits::kTlsExpandedKeys;
  WallClock wall_clock;        // certificates have dates
  size_t record_slots = 1024;  // access records of one turn
  bool check_turns = false;    // what must hold between turns (invariants.h), after each one
};

struct PlanePort {
  std::string name;
  worker::MemoryPort* port = nullptr;
  ip::PortOptions ip;  // what the port's capabilities say is filled in
  const config::Workload* workload = nullptr;
};

class Plane {
 public:
  Plane(const PlaneOptions& options, Instant now);
  ~Plane();
  Plane(const Plane&) = delete;

  ip::PortId AddPort(const PlanePort& port);
  void Detach(ip::PortId id);
  void Attach(ip::PortId id);  // again, after Detach was answered by every worker
  bool detached(ip::PortId id) const { return ports_[id].releases == options_.workers; }
  void SetRoutes(const std::vector<ip::Route>& routes);
  void Publish(std::unique_ptr<const config::Snapshot> snapshot);
  void Drain();
  void SetWallClock(WallClock clock);
  // The TLS contexts that listeners and clusters of snapshots name.
  void SetTls(std::vector<tls::ContextEntry> entries) {
    tls_contexts_.Set(tls::MakeContextTable(std::move(entries)));
  }
  // Snapshots that are still kept, after freeing what nobody uses.
  size_t KeptSnapshots() { return snapshots_.Reclaim(); }

  // The worker does not turn until then, as one whose core is taken away.
  void Stall(int worker, Instant until) {
    slots_[worker]->free_at = std::max(slots_[worker]->free_at, until);
  }

  // Turns every worker that is due or has something to do.
  void Run(Instant now);
  // When the next worker is due, if nothing arrives before.
  Instant NextAt() const;

  const PlaneOptions& options() const { return options_; }
  int workers() const { return options_.workers; }
  worker::Worker& worker(int i) { return *slots_[i]->worker; }
  const worker::Worker& worker(int i) const { return *slots_[i]->worker; }
  const packet::PacketPool& pool(int i) const { return slots_[i]->pool; }
  const worker::PortAttachment& attachment(ip::PortId id) const { return ports_[id].attachment; }
  const std::vector<telemetry::AccessRecord>& records() const { return records_; }

  // Of all workers.
  worker::WorkerCounters WorkerTotals() const;
  tcp::TcpCounters TcpTotals() const;
  tls::TlsCounters TlsTotals() const;
  uint32_t tls_sessions() const;
  engine::EngineCounters EngineTotals() const;
  ip::IpCounters IpTotals() const;
  int64_t packets_outstanding() const;
  uint32_t tcp_connections() const;
  uint32_t l7_connections() const;
  uint32_t exchanges() const;
  uint64_t pool_failures() const;
  // Every counter of every worker, as one number: equal runs have equal ones.
  uint64_t CounterHash() const;

 private:
  struct Slot {
    Slot(const packet::SegmentCounts& counts, packet::HeapPacketStore* store, size_t record_slots)
        : pool(counts, store), out{.records = worker::RecordBox{record_slots}} {}
    packet::HeapPacketPool pool;
    tls::SynchronousHandshakes handshakes;
    worker::MailIn mail{limits::kMailboxSlots};
    worker::MailOut out;
    std::vector<std::unique_ptr<worker::PeerLink>> from_peers;  // [i]: from worker i
    std::unique_ptr<worker::Worker> worker;
    Instant next_at;  // due
    Instant free_at;  // its last turn has ended
  };
  struct PortSlot {
    PlanePort port;
    worker::PortAttachment attachment;  // of worker 0
    int releases = 0;                   // workers that have let go of it
  };
  bool HasInput(const Slot& slot) const;
  void Turn(Slot* slot, Instant now);
  void ReadReplies(Slot* slot);
  void SendMail(int worker, worker::Mail mail);

  const PlaneOptions options_;
  packet::HeapPacketStore store_;  // outlives the pools
  cluster::Directory board_;       // all workers run on one thread
  shared::SnapshotSlot snapshots_;
  shared::Latest<tls::ContextTableRef> tls_contexts_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<PortSlot> ports_;
  std::vector<telemetry::AccessRecord> records_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_PLANE_H_
