#include "dataplane/worker/runner.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>

namespace meltemi::worker {
namespace {

constexpr uint64_t kBell = UINT64_MAX;
constexpr int kTurnsPerPoll = 64;  // under load: how often cold ports are looked at
constexpr Duration kSleepMax = Duration::Seconds(1);
constexpr Duration kNapAfter = Duration::Millis(1);
constexpr int64_t kNapShare = 8;  // a nap is an eighth of the idle time so far

}  // namespace

Instant MonotonicNow() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant::FromNanos(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

Runner::Runner(const RunnerOptions& options, Worker* worker, shared::Doorbell* bell)
    : options_(options),
      worker_(worker),
      bell_(bell),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      spin_(std::min(Duration::Micros(50), options.busy_poll_max)) {
  CHECK(epoll_ >= 0);
}

Runner::~Runner() { close(epoll_); }

void Runner::Run() {
  if (options_.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options_.cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set),
                           &set);  // best effort: a missing CPU is no error
  }
  Instant now = MonotonicNow();
  Instant idle_since = now;
  int turns = 0;
  while (!worker_->stopped()) {
    const Instant deadline = Turn(now);
    if (worker_->ports().version() != ports_version_) RebuildEpoll();
    now = MonotonicNow();
    if (worker_->busy()) idle_since = now;
    const bool may_nap = !options_.nap_max.zero() && now - idle_since >= kNapAfter;
    if (deadline <= now || now - idle_since < spin_ || worker_->busy() ||
        (!can_sleep_ && !may_nap)) {
      if (++turns % kTurnsPerPoll == 0) Poll(Duration(), now);
      continue;
    }
    if (!can_sleep_) {
      Sleep(std::min((now - idle_since) / kNapShare, options_.nap_max));
      now = MonotonicNow();
      continue;
    }
    Sleep(kSleepMax);
    const Instant woke = MonotonicNow();
    Adapt(woke - now);
    now = idle_since = woke;
  }
}

Instant Runner::Turn(Instant now) {
  const uint64_t start = __rdtsc();
  const Instant deadline = worker_->Turn(now);
  worker_->AddCycles(__rdtsc() - start);
  return deadline;
}

// Ports without an event descriptor (drivers) must be polled: then there is no sleeping.
bool Runner::AllPortsWake() const {
  for (const PortSet::Entry& entry : worker_->ports().entries()) {
    if (entry.attached && entry.attachment.rx_queue >= 0 && !entry.has_event) return false;
  }
  return true;
}

void Runner::ArmPorts() {
  for (const PortSet::Entry& entry : worker_->ports().entries()) {
    if (entry.has_event && !entry.can_cool) {
      entry.attachment.port->ArmWake(entry.attachment.rx_queue);
    }
  }
}

void Runner::DisarmPorts() {
  for (const PortSet::Entry& entry : worker_->ports().entries()) {
    if (entry.has_event && !entry.can_cool) {
      entry.attachment.port->DisarmWake(entry.attachment.rx_queue);
    }
  }
}

void Runner::Sleep(Duration longest) {
  bell_->Arm();
  ArmPorts();
  const Instant deadline = Turn(MonotonicNow());
  if (!worker_->busy()) {
    const Instant now = MonotonicNow();
    const Duration wait = deadline.never() ? longest : std::min(deadline - now, longest);
    if (wait > Duration()) {
      worker_->CountSleep();
      Poll(wait, now);
    }
  }
  DisarmPorts();
  bell_->Disarm();
}

// Work that comes soon after falling asleep was worth spinning for.
void Runner::Adapt(Duration slept) {
  if (options_.busy_poll_max.zero()) return;
  if (slept < spin_ * 2) {
    spin_ = std::min(spin_ * 2, options_.busy_poll_max);
  } else {
    spin_ = std::max(spin_ / 2, Duration::Micros(1));
  }
}

void Runner::Poll(Duration timeout, Instant now) {
  std::array<epoll_event, 64> events;
  const timespec wait = {.tv_sec = timeout.nanos() / 1'000'000'000,
                         .tv_nsec = timeout.nanos() % 1'000'000'000};
  const int n = epoll_pwait2(epoll_, events.data(), events.size(), &wait, nullptr);
  for (int i = 0; i < n; ++i) {
    if (events[i].data.u64 == kBell) continue;
    const auto id = static_cast<ip::PortId>(events[i].data.u64);
    if (events[i].events & (EPOLLERR | EPOLLHUP)) {
      // Of a device that is gone it would be reported for ever: the control thread hears of the
      // port's end by netlink. A device that is only down is read, which takes the error away.
      const PortSet::Entry& entry = worker_->ports().entries()[id];
      if (entry.attachment.port->state() == nic::PortState::kGone) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, entry.attachment.port->event_fd(entry.attachment.rx_queue),
                  nullptr);
        continue;
      }
    }
    worker_->ports().MarkHot(id, now);
  }
}

void Runner::RebuildEpoll() {
  ports_version_ = worker_->ports().version();
  can_sleep_ = AllPortsWake();
  close(epoll_);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_ >= 0);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kBell}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_->fd(), &event);
  for (ip::PortId id = 0; id < worker_->ports().entries().size(); ++id) {
    const PortSet::Entry& entry = worker_->ports().entries()[id];
    if (!entry.attached || !entry.has_event) continue;
    const uint32_t events = entry.can_cool ? EPOLLIN : EPOLLIN | EPOLLET;
    event = {.events = events, .data = {.u64 = id}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, entry.attachment.port->event_fd(entry.attachment.rx_queue),
              &event);
  }
}

}  // namespace meltemi::worker
