#include "dataplane/tls/handshake_threads.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/tls_end.h"
#include "l7/base/heap_buffer_pool.h"

namespace meltemi::tls {
namespace {

struct Contexts {
  ContextRef server, client;
  Contexts() {
    const TestAuthority root("root");
    ContextOptions common{.trust = {{.pem = root.pem()}}};
    server = *MakeServerContext({.common = common, .certificates = {{{}, root.IssueSpiffe("a")}}});
    client = *MakeClientContext({.common = common, .certificate = root.IssueSpiffe("b")});
  }
};

// A worker: one Tls with clients and servers that talk to each other, asleep on its doorbell while
// the threads have everything.
class Worker {
 public:
  Worker(HandshakeRunner* runner, shared::Doorbell* bell)
      : bell_(bell), timers_(Instant()), tls_(TestOptions(), &pool_, &timers_, runner, Instant()) {}

  void Begin(const Contexts& contexts, uint64_t pairs) {
    for (uint64_t i = 0; i < pairs; ++i) {
      ids_.push_back(tls_.Accept(contexts.server, 2 * i, Instant()));
      ids_.push_back(tls_.Connect(contexts.client, {.sni = "a"}, 2 * i + 1, Instant()));
      CHECK(ids_[2 * i].valid() && ids_[2 * i + 1].valid());
    }
  }
  // Until every end is done. Sleeps where a worker would; hangs (and fails by the test's own
  // timeout) when a doorbell is not rung.
  void Run() {
    while (done_ < ids_.size()) {
      std::vector<TlsEvent> events;
      tls_.Poll(Instant(), &events);
      if (events.empty()) {
        bell_->Arm();
        tls_.Poll(Instant(), &events);
        if (events.empty()) {
          pollfd fd{.fd = bell_->fd(), .events = POLLIN, .revents = 0};
          poll(&fd, 1, -1);
        }
        bell_->Disarm();
      }
      while (!events.empty()) {
        std::vector<TlsEvent> next;
        for (TlsEvent& event : events) OnEvent(&event, &next);
        events = std::move(next);
      }
    }
  }
  const TlsCounters& counters() const { return tls_.counters(); }

 private:
  void OnEvent(TlsEvent* event, std::vector<TlsEvent>* next) {
    switch (event->kind) {
      case TlsEvent::Kind::kWrite: {
        Chain bytes;
        CHECK(AppendCopy(&pool_, event->bytes.ToString(), &bytes));
        tls_.Receive(ids_[event->cookie ^ 1], std::move(bytes), Instant(), next);
        break;
      }
      case TlsEvent::Kind::kHandshakeDone:
        ++done_;
        break;
      case TlsEvent::Kind::kPlain:
      case TlsEvent::Kind::kCloseNotify:
      case TlsEvent::Kind::kTruncated:
      case TlsEvent::Kind::kError:
        CHECK(false);
    }
  }

  shared::Doorbell* bell_;
  HeapBufferPool pool_{16'384};
  TimerWheel timers_;
  Tls tls_;
  std::vector<TlsId> ids_;  // by cookie; a pair differs in the last bit
  size_t done_ = 0;
};

TEST(HandshakeThreads, ShakeHandsForTwoWorkersAtOnce) {
  // Goal: two threads serve two workers; every handshake comes back to the worker it came from.
  const Contexts contexts;
  shared::Doorbell bells[2];
  HandshakeThreads threads(2, {&bells[0], &bells[1]});
  Worker a(threads.runner(0), &bells[0]), b(threads.runner(1), &bells[1]);
  a.Begin(contexts, 20);
  b.Begin(contexts, 20);
  a.Run();
  b.Run();
  EXPECT_EQ(a.counters().handshakes_done, 40u);
  EXPECT_EQ(b.counters().handshakes_done, 40u);
  EXPECT_EQ(a.counters().handshakes_failed + b.counters().handshakes_failed, 0u);
}

TEST(HandshakeThreads, AreJoinedWhileHandshakesAreOut) {
  // Goal: shutdown: what is with the threads is dropped, nothing leaks (asan), nothing hangs.
  const Contexts contexts;
  shared::Doorbell bell;
  auto threads = std::make_unique<HandshakeThreads>(1, std::vector<shared::Doorbell*>{&bell});
  {
    Worker worker(threads->runner(0), &bell);
    worker.Begin(contexts, 10);
  }
  threads.reset();
}

TEST(HandshakeThreads, IdleOnesStop) {
  shared::Doorbell bell;
  HandshakeThreads threads(limits::kTlsHandshakeThreadCountMax, {&bell, nullptr});
  EXPECT_EQ(threads.runner(0)->Take(), nullptr);
  EXPECT_EQ(threads.runner(1)->Take(), nullptr);
}

}  // namespace
}  // namespace meltemi::tls
