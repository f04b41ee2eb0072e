// Runner: the thread of one worker. Turns as long as there is work, spins a while when there is
// none (adaptive, 0 to busy_poll_max), then sleeps in epoll on the ports, the doorbell and the next
// timer. Before it sleeps it arms what wakes it and turns once more: what came before that is seen
// then, what comes after wakes it. A port that wakes nobody (a NIC's) is polled; after a
// millisecond without work it is polled between naps, of an eighth of the idle time so far and
// nap_max at most.
//
// Owns the epoll set. Thread: its own; the only place of the data plane's packet path that reads a
// clock. Cold ports (PortSet) are found by epoll: an idle pod costs nothing.
#ifndef MELTEMI_DATAPLANE_WORKER_RUNNER_H_
#define MELTEMI_DATAPLANE_WORKER_RUNNER_H_

#include <cstdint>

#include "dataplane/shared/doorbell.h"
#include "dataplane/worker/worker.h"
#include "l7/base/time.h"

namespace meltemi::worker {

// CLOCK_MONOTONIC.
Instant MonotonicNow();

struct RunnerOptions {
  int cpu = -1;  // -1: not pinned
  Duration busy_poll_max = Duration::Micros(200);
  Duration nap_max = Duration::Millis(4);  // zero: ports that wake nobody are polled for ever
};

class Runner {
 public:
  Runner(const RunnerOptions& options, Worker* worker, shared::Doorbell* bell);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // The thread's body: until the worker has been told to stop.
  void Run();

 private:
  Instant Turn(Instant now);
  void RebuildEpoll();
  void Poll(Duration timeout, Instant now);
  void Sleep(Duration longest);
  void ArmPorts();
  void DisarmPorts();
  void Adapt(Duration slept);
  bool AllPortsWake() const;

  const RunnerOptions options_;
  Worker* const worker_;
  shared::Doorbell* const bell_;
  int epoll_ = -1;
  uint64_t ports_version_ = UINT64_MAX;
  bool can_sleep_ = false;  // every port of this version can wake us
  Duration spin_;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_RUNNER_H_
