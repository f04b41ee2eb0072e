#include "dataplane/node.h"

#include <poll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "control/common/log.h"
#include "dataplane/bootstrap_change.h"
#include "dataplane/connection_bounds.h"
#include "dataplane/nic/make_port.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using control::common::Level;
using control::common::Log;

constexpr int kControlPeriodMs = 20;   // how often access records are collected
constexpr int kReleasePeriodMs = 1;    // while workers let go of a port
constexpr int kNewsReadsPerTurn = 16;  // of NetlinkWatch

template <typename T>
T RandomValue() {
  T value{};
  CHECK(getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value)));
  return value;
}

ClockReading ReadClocks() {
  ClockReading reading;
  timespec wall{};
  reading.before = worker::MonotonicNow();
  clock_gettime(CLOCK_REALTIME, &wall);  // absl's clock learns of a step only after a while
  reading.after = worker::MonotonicNow();
  reading.unix_nanos = int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec;
  return reading;
}

// The second number of statm, in pages.
std::optional<uint64_t> ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  if (!(in >> size >> resident)) return std::nullopt;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void UseTcpOptions(const agent::Bootstrap& bootstrap, tcp::TcpOptions* options) {
  options->congestion =
      bootstrap.new_reno ? tcp::CongestionAlgorithm::kNewReno : tcp::CongestionAlgorithm::kCubic;
  options->keepalive = worker::KeepaliveOf(bootstrap.tcp_keepalive);
}

}  // namespace

struct Node::WorkerSlot {
  explicit WorkerSlot(packet::PacketPool* pool) : pool(pool) {}
  packet::PacketPool* const pool;
  worker::MailIn mail{limits::kMailboxSlots};
  worker::MailOut out;
  shared::Doorbell bell;
  std::vector<std::unique_ptr<worker::PeerLink>> from_peers;  // [i]: from worker i
  std::unique_ptr<worker::Worker> worker;
  std::unique_ptr<worker::Runner> runner;
  std::thread thread;
};

Node::Node(const agent::Bootstrap& bootstrap)
    : bootstrap_(bootstrap), snapshots_(bootstrap.workers), wall_clock_(ReadClocks()) {}

Node::~Node() {
  for (auto& slot : workers_) {
    SendMail(slot->worker != nullptr ? static_cast<int>(&slot - workers_.data()) : 0,
             worker::StopWorker{});
  }
  for (auto& slot : workers_) {
    if (slot->thread.joinable()) slot->thread.join();
  }
  for (auto& slot : workers_) slot->worker.reset();
  handshakes_.reset();
  // Segments that were still on their way between workers.
  for (auto& slot : workers_) {
    for (auto& link : slot->from_peers) {
      worker::PeerMail mail;
      while (link != nullptr && link->mail.Pop(&mail)) {
        if (mail.segment.packet != nullptr) slot->pool->Free(mail.segment.packet);
      }
    }
  }
  if (ports_ != nullptr) ports_->CloseAll();
}

absl::Status Node::Start() {
  std::vector<std::string> devices;
  for (const agent::PortConfig& config : bootstrap_.ports) devices.push_back(config.device);
  auto pools =
      nic::PacketPools::Create(devices, {.workers = bootstrap_.workers,
                                         .memory_mb = static_cast<int>(bootstrap_.memory_mb),
                                         .hugepages = bootstrap_.hugepages});
  if (!pools.ok()) return pools.status();
  pools_ = *std::move(pools);
  CreateWorkers();
  ports_ = std::make_unique<PortKeeper>(PortKeeper::Options{
      .node = bootstrap_.node.id(),
      .workers = bootstrap_.workers,
      .pools = pools_->dpdk(),
      .open = nic::MakePort,
      .send = [this](int worker, worker::Mail&& mail) { SendMail(worker, std::move(mail)); }});
  // Before the ports are opened: nothing that happens after is missed.
  if (auto news = nic::NetlinkWatch::Open(); news.ok()) {
    news_.emplace(*std::move(news));
  } else {
    Log(Level::kWarning, "no news of network devices, looking at them every second",
        {{"error", std::string(news.status().message())}});
  }
  // Before the ports too: more may be said about them than a mailbox holds.
  for (auto& slot : workers_) {
    slot->thread = std::thread([runner = slot->runner.get()] { runner->Run(); });
  }
  ports_->Use(bootstrap_, worker::MonotonicNow());
  return absl::OkStatus();
}

void Node::CreateWorkers() {
  const int n = bootstrap_.workers;
  // As much as a worker has in large segments (packet::SplitMemory), and less than in small ones:
  // TCP makes its windows smaller before either are used up, whatever the text came in.
  const uint64_t memory_max = (uint64_t{bootstrap_.memory_mb} << 20) / n / 5 * 2;
  if (bootstrap_.overload) {
    overload_slot_ = std::make_unique<shared::OverloadSlot>(n);
    overload_.emplace(*bootstrap_.overload, n, memory_max, overload_slot_.get());
  }
  for (int i = 0; i < n; ++i) workers_.push_back(std::make_unique<WorkerSlot>(&pools_->pool(i)));
  for (int i = 0; i < n; ++i) {
    for (int k = 0; k < n; ++k) {
      workers_[i]->from_peers.push_back(k == i ? nullptr : std::make_unique<worker::PeerLink>());
      if (k != i) workers_[i]->from_peers[k]->bell = &workers_[i]->bell;
    }
  }
  std::vector<shared::Doorbell*> bells;
  for (auto& slot : workers_) bells.push_back(&slot->bell);
  handshakes_ = std::make_unique<tls::HandshakeThreads>(bootstrap_.handshake_threads, bells);
  const ConnectionBounds bounds(bootstrap_.connections_max);
  const auto isn_key = RandomValue<std::array<uint8_t, 16>>();
  for (int i = 0; i < n; ++i) {
    WorkerSlot& slot = *workers_[i];
    worker::WorkerOptions options{.index = i, .worker_count = n, .seed = RandomValue<uint64_t>()};
    options.tcp.isn_key = isn_key;
    options.tcp.conn_count_max = bounds.tcp;
    options.tls.session_count_max = bounds.tls;
    UseTcpOptions(bootstrap_, &options.tcp);
    options.tcp.memory_bytes_max = memory_max;
    options.engine = {.conn_count_max = bounds.l7,
                      .exchange_count_max = bounds.exchanges,
                      .wall_clock = wall_clock_.clock(),
                      .board = &board_,
                      .checks_health = i == 0};
    if (overload_ && bootstrap_.overload->watches(policy::Resource::kConnections)) {
      options.engine.downstream_connections = overload_slot_->connections();
      options.engine.downstream_connections_max =
          static_cast<uint32_t>(bootstrap_.overload->most_of(policy::Resource::kConnections));
    }
    worker::WorkerLinks links{
        .pool = slot.pool, .snapshots = &snapshots_, .mail_in = &slot.mail, .mail_out = &slot.out};
    links.handshakes = handshakes_->runner(i);
    links.tls_contexts = &tls_contexts_;
    links.overload = overload_slot_.get();
    for (int k = 0; k < n; ++k) {
      links.peers.push_back(k == i ? nullptr : workers_[k]->from_peers[i].get());
      links.from_peers.push_back(slot.from_peers[k].get());
    }
    slot.worker = std::make_unique<worker::Worker>(options, links, worker::MonotonicNow());
    const worker::RunnerOptions run{.cpu = bootstrap_.cpus.empty() ? -1 : bootstrap_.cpus[i],
                                    .busy_poll_max = bootstrap_.busy_poll_max,
                                    .nap_max = bootstrap_.idle_nap_max};
    slot.runner = std::make_unique<worker::Runner>(run, slot.worker.get(), &slot.bell);
  }
}

void Node::SendMail(int worker, worker::Mail&& mail) {
  WorkerSlot& slot = *workers_[worker];
  // A worker reads 64 messages a turn: a full box empties at once.
  while (!slot.mail.Push(std::move(mail))) {
    slot.bell.Ring();
    std::this_thread::yield();
  }
  slot.bell.Ring();
}

void Node::Run(const Hooks& hooks) {
  while (!stopping_.load()) {
    const Instant now = worker::MonotonicNow();
    ServeStatsRequests();
    ReadReplies(hooks, now);
    ReloadIfAsked(hooks, now);
    WatchPorts(now);
    WatchWallClock();
    WatchOverload(now);
    WaitForWork();
  }
  for (int i = 0; i < bootstrap_.workers; ++i) SendMail(i, worker::StopWorker{});
  for (auto& slot : workers_) slot->thread.join();
  ReadReplies(hooks, worker::MonotonicNow());
}

void Node::WatchOverload(Instant now) {
  if (!overload_ || !overload_->due(now)) return;
  overload_->Look({.resident_bytes = ResidentBytes(), .cycles = __rdtsc()}, now);
}

void Node::WaitForWork() {
  std::array<pollfd, 2> wanted = {{{.fd = wake_.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = -1, .events = POLLIN, .revents = 0}}};
  if (news_) wanted[1].fd = news_->fd();
  wake_.Arm();
  if (!stopping_.load() && !reload_wanted_.load()) {
    poll(wanted.data(), wanted.size(), ports_->releasing() ? kReleasePeriodMs : kControlPeriodMs);
  }
  wake_.Disarm();
}

void Node::Stop() {
  stopping_.store(true);
  wake_.Ring();
}

void Node::Reload() {
  reload_wanted_.store(true);
  wake_.Ring();
}

void Node::WatchPorts(Instant now) {
  for (int i = 0; news_ && i < kNewsReadsPerTurn; ++i) {
    const nic::LinkNews news = news_->Read();
    if (news.events.empty() && !news.lost) break;
    ports_->OnNews(news, now);
  }
  ports_->Watch(now);
}

void Node::WatchWallClock() {
  const std::optional<WallClock> set = wall_clock_.Look(ReadClocks());
  if (!set) return;
  for (int i = 0; i < bootstrap_.workers; ++i) SendMail(i, worker::SetWallClock{*set});
  {
    absl::MutexLock lock(&mutex_);
    wall_clock_steps_ = wall_clock_.steps();
  }
  Log(Level::kWarning, "the time of day was set", {{"steps", std::to_string(wall_clock_.steps())}});
}

void Node::ReloadIfAsked(const Hooks& hooks, Instant now) {
  if (!reload_wanted_.exchange(false)) return;
  const absl::Status status = Apply(hooks.load(), now);
  {
    absl::MutexLock lock(&mutex_);
    reloads_.last_error = std::string(status.message());
    ++(status.ok() ? reloads_.applied : reloads_.refused);
  }
  if (!status.ok()) {
    Log(Level::kError, "bootstrap file refused, nothing changed",
        {{"error", std::string(status.message())}});
    return;
  }
  Log(Level::kInfo, "bootstrap file applied",
      {{"ports", std::to_string(bootstrap_.ports.size())},
       {"workloads", std::to_string(bootstrap_.workloads.size())},
       {"routes", std::to_string(bootstrap_.routes.size())}});
  hooks.on_reloaded(bootstrap_);
}

absl::Status Node::Apply(absl::StatusOr<agent::Bootstrap> next, Instant now) {
  if (!next.ok()) return next.status();
  const absl::Status allowed = CheckReload(bootstrap_, *next);
  if (!allowed.ok()) return allowed;
  if (pools_->dpdk().empty() && NeedsDpdkMemory(*next)) {
    return absl::FailedPreconditionError(
        "meltemi.ports: the first port that DPDK drives needs its memory from the start: restart");
  }
  if (ports_->WouldOverflow(*next)) {
    return absl::ResourceExhaustedError(
        "meltemi.ports: too many together with those that are being taken away: try again");
  }
  bootstrap_ = *std::move(next);
  ports_->Use(bootstrap_, now);
  return absl::OkStatus();
}

void Node::ReadReplies(const Hooks& hooks, Instant now) {
  for (auto& slot : workers_) {
    worker::Reply reply;
    while (slot->out.replies.Pop(&reply)) {
      if (auto* released = std::get_if<worker::PortReleased>(&reply)) {
        ports_->OnReleased(released->id, now);
      } else if (auto* filled = std::get_if<worker::StatsFilled>(&reply)) {
        absl::MutexLock lock(&mutex_);
        reports_.push_back(std::move(filled->report));
        if (--reports_due_ == 0) {
          ++stats_round_;
          finished_ = std::exchange(reports_, {});
        }
      }
    }
    telemetry::AccessRecord record;
    while (slot->out.records.Pop(&record)) hooks.on_record(record);
  }
}

void Node::ServeStatsRequests() {
  {
    absl::MutexLock lock(&mutex_);
    if (stats_wanted_ == 0 || reports_due_ > 0) return;
    stats_wanted_ = 0;
    reports_.clear();
    reports_due_ = bootstrap_.workers;
    port_status_ = ports_->Statuses();
    if (overload_) overload_samples_ = overload_->Samples();
  }
  for (int i = 0; i < bootstrap_.workers; ++i) {
    SendMail(i, worker::WantStats{std::make_unique<worker::StatsReport>()});
  }
}

NodeStats Node::CollectStats() {
  NodeStats stats;
  absl::MutexLock lock(&mutex_);
  ++stats_wanted_;
  // A round that is under way may have been asked before what the caller did last: wait for the
  // next.
  const uint64_t want = stats_round_ + (reports_due_ > 0 ? 2 : 1);
  wake_.Ring();
  const auto done = [this, want]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stats_round_ >= want; };
  const bool whole = mutex_.AwaitWithTimeout(absl::Condition(&done), absl::Seconds(1));
  // Copies: others may have waited for the same round.
  for (const auto& report : whole ? finished_ : reports_) {
    stats.workers.push_back(std::make_unique<worker::StatsReport>(*report));
  }
  stats.ports = port_status_;
  stats.reloads = reloads_;
  stats.wall_clock_steps = wall_clock_steps_;
  stats.overload = overload_samples_;
  std::sort(stats.workers.begin(), stats.workers.end(),
            [](const auto& a, const auto& b) { return a->worker < b->worker; });
  for (const auto& report : stats.workers) {
    for (size_t i = 0; i < report->ports.size() && i < stats.ports.size(); ++i) {
      stats.ports[i].counters.Add(report->ports[i]);
    }
  }
  std::erase_if(stats.ports, [](const PortStatus& port) { return port.name.empty(); });
  return stats;
}

}  // namespace meltemi
