// Goal: a worker that may sleep finds what comes to any of its ports: beside a port that must be
// polled, and when it comes at the very moment of falling asleep. Method: a real runner on the
// test's own thread, over ports that do something when they are looked at.
#include "dataplane/worker/runner.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"

namespace meltemi::worker {
namespace {

class LookedAt final : public nic::Port {
 public:
  struct Options {
    int event_fd = -1;
    bool armed_wake = false;
    std::function<void()> on_receive = [] {}, on_arm = [] {}, on_let_go = [] {};
  };
  explicit LookedAt(Options options) : options_(std::move(options)) {}

  int RxBurst(int, packet::PacketPool&, std::span<packet::Packet*>) override {
    options_.on_receive();
    return 0;
  }
  int TxBurst(int, packet::PacketPool&, std::span<packet::Packet*>) override { return 0; }
  int event_fd(int) const override { return options_.event_fd; }
  void ArmWake(int) override { options_.on_arm(); }
  void LetGo(int, packet::PacketPool&) override { options_.on_let_go(); }
  nic::PortCaps caps() const override { return {.armed_wake = options_.armed_wake}; }
  nic::PortState state() const override { return nic::PortState::kUp; }
  nic::MacAddr mac() const override { return {}; }
  const nic::PortCounters& rx_counters(int) const override { return counters_; }
  const nic::PortCounters& tx_counters(int) const override { return counters_; }
  void Close() override {}

 private:
  const Options options_;
  const nic::PortCounters counters_;
};

class RunnerTest : public ::testing::Test {
 protected:
  ~RunnerTest() override { close(event_fd_); }

  // Runs until something calls Stop; returns how often the worker slept.
  uint64_t Run(std::vector<LookedAt*> ports, Duration nap_max = Duration()) {
    Worker worker({},
                  {.pool = &pool_,
                   .snapshots = &snapshots_,
                   .mail_in = &mail_,
                   .mail_out = &out_,
                   .peers = {nullptr},
                   .from_peers = {nullptr}},
                  MonotonicNow());
    worker_ = &worker;
    ip::PortId id = 0;
    for (LookedAt* port : ports) {
      auto a = std::make_unique<PortAttachment>();
      a->id = id++;
      a->name = "port";
      a->port = port;
      a->rx_queue = 0;
      mail_.Push(AttachPort{std::move(a)});
    }
    Runner({.busy_poll_max = Duration(), .nap_max = nap_max}, &worker, &bell_).Run();
    return sleeps();
  }
  void Stop() {
    mail_.Push(StopWorker{});
    bell_.Ring();
  }
  uint64_t sleeps() const { return worker_->counters().sleeps; }
  void Wake() { ASSERT_EQ(eventfd_write(event_fd_, 1), 0); }

  const int event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  packet::HeapPacketPool pool_;
  shared::SnapshotSlot snapshots_{1};
  MailIn mail_{limits::kMailboxSlots};
  MailOut out_;
  shared::Doorbell bell_;
  const Worker* worker_ = nullptr;  // while it runs
};

TEST_F(RunnerTest, QuietPortIsFoundBesideOneThatMustBePolled) {
  int turns_since = -1;  // the quiet port had news; before: it had none
  bool found = false;
  LookedAt quiet({.event_fd = event_fd_,
                  .on_receive =
                      [&] {
                        if (turns_since < 0 || found) return;
                        found = true;
                        Stop();
                      },
                  .on_let_go =
                      [&] {
                        if (turns_since >= 0) return;
                        turns_since = 0;
                        Wake();
                      }});
  LookedAt polled({.on_receive = [&] {
    if (turns_since >= 0 && ++turns_since == 100'000) Stop();
  }});
  EXPECT_EQ(Run({&quiet, &polled}), 0u) << "what is polled does not wake";
  EXPECT_TRUE(found) << "not looked at within " << turns_since << " turns";
}

TEST_F(RunnerTest, WhatMustBePolledIsPolledBetweenNaps) {
  int looks = 0;
  int looks_since_nap = 0;
  LookedAt polled({.on_receive = [&] {
    if (sleeps() > 0) ++looks_since_nap;
    if (++looks == 100'000'000 || looks_since_nap == 20) Stop();
  }});
  // Two turns for each nap: one before it, one after.
  EXPECT_GE(Run({&polled}, Duration::Micros(100)), 8u);
  EXPECT_GE(looks_since_nap, 20) << "never looked at again after a nap";
}

// The driver tells only of what comes after arming.
TEST_F(RunnerTest, WhatComesBeforeArmingIsSeenBeforeSleeping) {
  bool armed = false;
  uint64_t sleeps_when_seen = 0;
  LookedAt port({.event_fd = event_fd_,
                 .armed_wake = true,
                 .on_receive =
                     [&] {
                       if (!std::exchange(armed, false)) return;
                       sleeps_when_seen = sleeps();
                       Stop();
                     },
                 .on_arm = [&] { armed = true; }});
  EXPECT_GE(Run({&port}), 1u) << "never armed";
  EXPECT_EQ(sleeps_when_seen, 0u);
}

}  // namespace
}  // namespace meltemi::worker
