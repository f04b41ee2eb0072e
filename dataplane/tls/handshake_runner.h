// HandshakeRunner: where handshakes are computed, off the workers. One per worker.
//
// A Handshake is owned by whoever holds it: given to the runner, and taken back after one trip (it
// has used all its input and needs more, or has ended). Two of them exist: HandshakeThreads
// (handshake_threads.h) and, for tests and simulations, SynchronousHandshakes, which runs a
// handshake when it is taken back. Thread: the worker's, for both calls.
#ifndef MELTEMI_DATAPLANE_TLS_HANDSHAKE_RUNNER_H_
#define MELTEMI_DATAPLANE_TLS_HANDSHAKE_RUNNER_H_

#include <memory>

namespace meltemi::tls {

class Handshake;

class HandshakeRunner {
 public:
  // False and `handshake` untouched when no thread can take one now.
  virtual bool Submit(std::unique_ptr<Handshake>& handshake) = 0;
  // Null when none has come back.
  virtual std::unique_ptr<Handshake> Take() = 0;

 protected:
  HandshakeRunner() = default;
  virtual ~HandshakeRunner();
  HandshakeRunner(const HandshakeRunner&) = delete;
  HandshakeRunner& operator=(const HandshakeRunner&) = delete;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_HANDSHAKE_RUNNER_H_
