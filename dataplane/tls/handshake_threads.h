// HandshakeThreads: the threads that compute handshakes for all workers (a handshake is about a
// million cycles; a worker's turn is a few thousand).
//
// Owns: the threads, a lane of two mailboxes for each pair of worker and thread, each thread's
// PeerCertificates. Started and joined by the thread that owns this object; runner(i) belongs
// to worker i. An idle thread sleeps on its doorbell; a finished handshake rings the worker's.
// Bound: limits::kTlsHandshakesInFlight per lane; a worker that has as many out is told "not now".
#ifndef MELTEMI_DATAPLANE_TLS_HANDSHAKE_THREADS_H_
#define MELTEMI_DATAPLANE_TLS_HANDSHAKE_THREADS_H_

#include <memory>
#include <vector>

#include "dataplane/shared/doorbell.h"
#include "dataplane/tls/handshake_runner.h"

namespace meltemi::tls {

class HandshakeThreads {
 public:
  // One entry per worker: its doorbell, borrowed; null for one that only polls.
  HandshakeThreads(int thread_count, const std::vector<shared::Doorbell*>& worker_bells);
  // Handshakes on their way are dropped. The workers have stopped before.
  ~HandshakeThreads();
  HandshakeThreads(const HandshakeThreads&) = delete;
  HandshakeThreads& operator=(const HandshakeThreads&) = delete;

  HandshakeRunner* runner(int worker);

 private:
  class Thread;
  class Runner;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::unique_ptr<Runner>> runners_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_HANDSHAKE_THREADS_H_
