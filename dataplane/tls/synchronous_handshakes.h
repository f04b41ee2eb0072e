// SynchronousHandshakes: a HandshakeRunner that runs a handshake when it is taken back, on the
// caller's thread: for tests and simulations, which have one thread and a virtual clock. Not for
// production: a handshake costs a worker a million cycles.
#ifndef MELTEMI_DATAPLANE_TLS_SYNCHRONOUS_HANDSHAKES_H_
#define MELTEMI_DATAPLANE_TLS_SYNCHRONOUS_HANDSHAKES_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "dataplane/tls/handshake.h"
#include "dataplane/tls/handshake_runner.h"

namespace meltemi::tls {

class SynchronousHandshakes final : public HandshakeRunner {
 public:
  // As many as a thread's mailbox would hold.
  explicit SynchronousHandshakes(size_t capacity = limits::kTlsHandshakesInFlight)
      : capacity_(capacity) {}
  ~SynchronousHandshakes() override = default;

  bool Submit(std::unique_ptr<Handshake>& handshake) override {
    if (waiting_.size() >= capacity_) return false;
    waiting_.push_back(std::move(handshake));
    return true;
  }
  std::unique_ptr<Handshake> Take() override {
    if (waiting_.empty() || paused_) return nullptr;
    std::unique_ptr<Handshake> handshake = std::move(waiting_.front());
    waiting_.pop_front();
    handshake->Run(&certificates_);
    return handshake;
  }
  bool ready() const override { return !waiting_.empty() && !paused_; }
  // Tests: threads that are busy with something else.
  void set_paused(bool paused) { paused_ = paused; }
  size_t waiting() const { return waiting_.size(); }

 private:
  const size_t capacity_;
  std::deque<std::unique_ptr<Handshake>> waiting_;
  PeerCertificates certificates_;
  bool paused_ = false;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_SYNCHRONOUS_HANDSHAKES_H_
