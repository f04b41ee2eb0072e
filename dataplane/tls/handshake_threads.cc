#include "dataplane/tls/handshake_threads.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "dataplane/shared/mailbox.h"
#include "dataplane/tls/handshake.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

// Between one worker and one thread. Never full: the worker counts what it has out.
struct Lane {
  shared::Mailbox<std::unique_ptr<Handshake>> to_thread{limits::kTlsHandshakesInFlight};
  shared::Mailbox<std::unique_ptr<Handshake>> to_worker{limits::kTlsHandshakesInFlight};
  shared::Doorbell* worker_bell = nullptr;
};

}  // namespace

class HandshakeThreads::Thread {
 public:
  explicit Thread(const std::vector<shared::Doorbell*>& worker_bells) {
    for (shared::Doorbell* bell : worker_bells) {
      lanes_.push_back(std::make_unique<Lane>());
      lanes_.back()->worker_bell = bell;
    }
    thread_ = std::thread([this] { Loop(); });
    pthread_setname_np(thread_.native_handle(), "tls-handshakes");  // top -H, and bench/
  }
  ~Thread() {
    CHECK(stop_.Push(true));
    bell_.Ring();
    thread_.join();
  }

  // Worker side.
  Lane& lane(int worker) { return *lanes_[worker]; }
  void Ring() { bell_.Ring(); }

 private:
  void Loop() {
    bool stop = false;
    while (!stop_.Pop(&stop)) {
      if (RunOneOfEach()) continue;
      bell_.Arm();
      if (AllEmpty()) {
        pollfd fd{.fd = bell_.fd(), .events = POLLIN, .revents = 0};
        (void)poll(&fd, 1, -1);  // interrupted: looks again
      }
      bell_.Disarm();
    }
  }

  // One handshake of every worker, so that a storm at one does not starve the others.
  bool RunOneOfEach() {
    bool ran = false;
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      std::unique_ptr<Handshake> handshake;
      if (!lane->to_thread.Pop(&handshake)) continue;
      handshake->Run(&certificates_);
      CHECK(lane->to_worker.Push(std::move(handshake)));
      if (lane->worker_bell != nullptr) lane->worker_bell->Ring();
      ran = true;
    }
    return ran;
  }

  bool AllEmpty() const {
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      if (!lane->to_thread.empty()) return false;
    }
    return stop_.empty();
  }

  shared::Doorbell bell_;
  shared::Mailbox<bool> stop_{1};
  std::vector<std::unique_ptr<Lane>> lanes_;  // by worker
  PeerCertificates certificates_;             // the thread's own
  std::thread thread_;
};

class HandshakeThreads::Runner final : public HandshakeRunner {
 public:
  Runner(int worker, const std::vector<std::unique_ptr<Thread>>& threads) : worker_(worker) {
    for (const std::unique_ptr<Thread>& thread : threads) outs_.push_back({thread.get(), 0});
  }
  ~Runner() override = default;

  // To the thread with the least of ours.
  bool Submit(std::unique_ptr<Handshake>& handshake) override {
    Out* least = &outs_.front();
    for (Out& out : outs_) {
      if (out.count < least->count) least = &out;
    }
    if (least->count >= limits::kTlsHandshakesInFlight) return false;
    CHECK(least->thread->lane(worker_).to_thread.Push(std::move(handshake)));
    ++least->count;
    least->thread->Ring();
    return true;
  }

  std::unique_ptr<Handshake> Take() override {
    for (size_t i = 0; i < outs_.size(); ++i) {
      Out& out = outs_[next_];
      next_ = next_ + 1 == outs_.size() ? 0 : next_ + 1;
      std::unique_ptr<Handshake> handshake;
      if (out.thread->lane(worker_).to_worker.Pop(&handshake)) {
        --out.count;
        return handshake;
      }
    }
    return nullptr;
  }
  bool ready() const override {
    return std::any_of(outs_.begin(), outs_.end(), [this](const Out& out) {
      return !out.thread->lane(worker_).to_worker.empty();
    });
  }

 private:
  struct Out {
    Thread* thread = nullptr;
    uint32_t count = 0;  // of ours, there or on the way
  };
  const int worker_;
  std::vector<Out> outs_;
  size_t next_ = 0;
};

HandshakeThreads::HandshakeThreads(int thread_count,
                                   const std::vector<shared::Doorbell*>& worker_bells) {
  CHECK(thread_count > 0 && thread_count <= limits::kTlsHandshakeThreadCountMax);
  for (int i = 0; i < thread_count; ++i) {
    threads_.push_back(std::make_unique<Thread>(worker_bells));
  }
  for (size_t i = 0; i < worker_bells.size(); ++i) {
    runners_.push_back(std::make_unique<Runner>(static_cast<int>(i), threads_));
  }
}

HandshakeThreads::~HandshakeThreads() = default;

HandshakeRunner* HandshakeThreads::runner(int worker) { return runners_[worker].get(); }

}  // namespace meltemi::tls
