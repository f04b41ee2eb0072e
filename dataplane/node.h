// Node: the node plane as a whole, on the control thread. Opens ports, starts workers, watches for
// ports that come and go, carries statistics from the workers to whoever asks.
//
// Owns: ports, packet pools, workers and their threads, those of TLS handshakes. Thread: the
// control thread (Run); CollectStats may be called from any thread.
#ifndef MELTEMI_DATAPLANE_NODE_H_
#define MELTEMI_DATAPLANE_NODE_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/nic/packet_pools.h"
#include "dataplane/nic/port.h"
#include "dataplane/shared/doorbell.h"
#include "dataplane/shared/latest.h"
#include "dataplane/shared/snapshot_slot.h"
#include "dataplane/tls/context_table.h"
#include "dataplane/tls/handshake_threads.h"
#include "dataplane/worker/mail.h"
#include "dataplane/worker/runner.h"
#include "dataplane/worker/worker.h"

namespace meltemi {

struct PortStatus {
  std::string name, device;
  bool attached = false;
  std::string error;  // why it is not attached
  nic::PortCounters counters;
};

struct NodeStats {
  std::vector<std::unique_ptr<worker::StatsReport>> workers;
  std::vector<PortStatus> ports;
};

class Node {
 public:
  using OnRecord = std::function<void(const telemetry::AccessRecord&)>;

  explicit Node(const agent::Bootstrap& bootstrap);
  ~Node();

  // Opens the ports (one that cannot be opened is tried again every second) and starts the workers.
  absl::Status Start();
  // The control loop; returns after Stop. `on_record` is called for each access record.
  void Run(const OnRecord& on_record);
  void Stop();  // any thread, also a signal handler's thread

  shared::SnapshotSlot* snapshots() { return &snapshots_; }
  shared::Latest<tls::ContextTableRef>* tls_contexts() { return &tls_contexts_; }
  // Any thread. What the workers answer within a second.
  NodeStats CollectStats();

 private:
  struct WorkerSlot;
  struct PortSlot {
    agent::PortConfig config;
    std::unique_ptr<nic::Port> port;
    int releases_due = 0;  // workers that still have it, after a detach
    bool detaching = false;
    Instant retry_at;
    std::string error;
    const config::Workload* workload = nullptr;
    nic::PortCounters last_counters;
  };

  void OpenPort(ip::PortId id, Instant now);
  void AttachEverywhere(ip::PortId id);
  void DetachEverywhere(ip::PortId id);
  ip::PortOptions IpOptionsOf(const PortSlot& slot) const;
  std::vector<ip::Route> Routes() const;
  void SendMail(int worker, worker::Mail mail);
  void ReadReplies(const OnRecord& on_record);
  void WatchPorts(Instant now);
  void ServeStatsRequests();

  const agent::Bootstrap& bootstrap_;
  shared::SnapshotSlot snapshots_;
  shared::Latest<tls::ContextTableRef> tls_contexts_;
  std::unique_ptr<nic::PacketPools> pools_;
  std::vector<PortSlot> ports_;
  std::vector<std::unique_ptr<WorkerSlot>> workers_;
  std::unique_ptr<tls::HandshakeThreads> handshakes_;  // ended between workers and their slots
  shared::Doorbell wake_;                              // the control thread's own
  std::atomic<bool> stopping_{false};

  absl::Mutex mutex_;
  int stats_wanted_ ABSL_GUARDED_BY(mutex_) = 0;  // requests not yet sent to the workers
  int reports_due_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stats_round_ ABSL_GUARDED_BY(mutex_) = 0;  // rounds finished
  using Reports = std::vector<std::unique_ptr<worker::StatsReport>>;
  Reports reports_ ABSL_GUARDED_BY(mutex_);   // of the round under way
  Reports finished_ ABSL_GUARDED_BY(mutex_);  // of the last one that all workers answered
  std::vector<PortStatus> port_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_NODE_H_
