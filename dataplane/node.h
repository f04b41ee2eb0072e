// Node: the node plane as a whole, on the control thread. Starts workers, hears of devices by
// netlink, takes another bootstrap file when asked to, carries statistics from the workers to
// whoever asks.
//
// Owns: ports (PortKeeper), packet pools, workers and their threads, those of TLS handshakes.
// Thread: the control thread (Start, Run); Stop, Reload and CollectStats may be called from any
// thread.
#ifndef MELTEMI_DATAPLANE_NODE_H_
#define MELTEMI_DATAPLANE_NODE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/nic/netlink_watch.h"
#include "dataplane/nic/packet_pools.h"
#include "dataplane/overload_watch.h"
#include "dataplane/port_keeper.h"
#include "dataplane/shared/doorbell.h"
#include "dataplane/shared/latest.h"
#include "dataplane/shared/locked_board.h"
#include "dataplane/shared/snapshot_slot.h"
#include "dataplane/tls/context_table.h"
#include "dataplane/tls/handshake_threads.h"
#include "dataplane/wall_clock_watch.h"
#include "dataplane/worker/mail.h"
#include "dataplane/worker/runner.h"
#include "dataplane/worker/worker.h"

namespace meltemi {

struct ReloadStatus {
  uint64_t applied = 0, refused = 0;
  std::string last_error;  // "" after one that was applied
};

struct NodeStats {
  std::vector<std::unique_ptr<worker::StatsReport>> workers;
  std::vector<PortStatus> ports;
  ReloadStatus reloads;
  uint64_t wall_clock_steps = 0;
  std::vector<telemetry::Sample> overload;
};

class Node {
 public:
  // Called on the control thread.
  struct Hooks {
    std::function<void(const telemetry::AccessRecord&)> on_record;     // each access record
    std::function<absl::StatusOr<agent::Bootstrap>()> load;            // the file, after Reload
    std::function<void(const agent::Bootstrap& running)> on_reloaded;  // it is in force
  };

  explicit Node(const agent::Bootstrap& bootstrap);
  ~Node();

  // Opens the ports and starts the workers.
  absl::Status Start();
  // The control loop; returns after Stop.
  void Run(const Hooks& hooks);
  void Stop();
  // Asks for the bootstrap file to be read again: what differs in ports, workloads and routes is
  // applied, all of it or nothing.
  void Reload();

  shared::SnapshotSlot* snapshots() { return &snapshots_; }
  shared::Latest<tls::ContextTableRef>* tls_contexts() { return &tls_contexts_; }
  // Any thread. What the workers answer within a second.
  NodeStats CollectStats();

 private:
  struct WorkerSlot;

  void CreateWorkers();
  void SendMail(int worker, worker::Mail&& mail);
  void ReadReplies(const Hooks& hooks, Instant now);
  void WatchPorts(Instant now);
  void WatchWallClock();
  void WatchOverload(Instant now);
  void ReloadIfAsked(const Hooks& hooks, Instant now);
  absl::Status Apply(absl::StatusOr<agent::Bootstrap> next, Instant now);
  void ServeStatsRequests();
  void WaitForWork();

  agent::Bootstrap bootstrap_;                           // what runs
  shared::LockedBoard board_;                            // outlives the workers
  std::unique_ptr<shared::OverloadSlot> overload_slot_;  // outlives the workers
  std::optional<OverloadWatch> overload_;                // absent: no overload manager
  shared::SnapshotSlot snapshots_;
  shared::Latest<tls::ContextTableRef> tls_contexts_;
  std::unique_ptr<nic::PacketPools> pools_;
  std::unique_ptr<PortKeeper> ports_;
  std::optional<nic::NetlinkWatch> news_;  // absent: the ports' devices are looked at every second
  WallClockWatch wall_clock_;
  std::vector<std::unique_ptr<WorkerSlot>> workers_;
  std::unique_ptr<tls::HandshakeThreads> handshakes_;  // ended between workers and their slots
  shared::Doorbell wake_;                              // the control thread's own
  std::atomic<bool> stopping_{false}, reload_wanted_{false};

  absl::Mutex mutex_;
  int stats_wanted_ ABSL_GUARDED_BY(mutex_) = 0;  // requests not yet sent to the workers
  int reports_due_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stats_round_ ABSL_GUARDED_BY(mutex_) = 0;  // rounds finished
  using Reports = std::vector<std::unique_ptr<worker::StatsReport>>;
  Reports reports_ ABSL_GUARDED_BY(mutex_);   // of the round under way
  Reports finished_ ABSL_GUARDED_BY(mutex_);  // of the last one that all workers answered
  std::vector<PortStatus> port_status_ ABSL_GUARDED_BY(mutex_);
  ReloadStatus reloads_ ABSL_GUARDED_BY(mutex_);
  uint64_t wall_clock_steps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<telemetry::Sample> overload_samples_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_NODE_H_
