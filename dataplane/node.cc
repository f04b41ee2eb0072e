#include "dataplane/node.h"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "control/common/log.h"
#include "dataplane/nic/make_port.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using control::common::Level;
using control::common::Log;

constexpr Duration kRetryPort = Duration::Seconds(1);
constexpr int kControlPeriodMs = 20;

template <typename T>
T RandomValue() {
  T value{};
  CHECK(getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value)));
  return value;
}

// Deterministic, locally administered: the same port of the same node has the same address after a
// restart.
nic::MacAddr MacOf(const std::string& node, const std::string& port) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : Cat(node, "/", port)) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return {0x02,
          static_cast<uint8_t>(h >> 32),
          static_cast<uint8_t>(h >> 24),
          static_cast<uint8_t>(h >> 16),
          static_cast<uint8_t>(h >> 8),
          static_cast<uint8_t>(h)};
}

WallClock ReadWallClock() {
  return {.offset_nanos = absl::GetCurrentTimeNanos() - worker::MonotonicNow().nanos()};
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
    : bootstrap_(bootstrap), snapshots_(bootstrap.workers) {}

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
  for (PortSlot& slot : ports_) {
    if (slot.port != nullptr) slot.port->Close();
  }
}

absl::Status Node::Start() {
  const int n = bootstrap_.workers;
  std::vector<std::string> devices;
  for (const agent::PortConfig& config : bootstrap_.ports) devices.push_back(config.device);
  auto pools =
      nic::PacketPools::Create(devices, {.workers = n,
                                         .memory_mb = static_cast<int>(bootstrap_.memory_mb),
                                         .hugepages = bootstrap_.hugepages});
  if (!pools.ok()) return pools.status();
  pools_ = *std::move(pools);
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
  const auto isn_key = RandomValue<std::array<uint8_t, 16>>();
  for (int i = 0; i < n; ++i) {
    WorkerSlot& slot = *workers_[i];
    worker::WorkerOptions options{.index = i, .worker_count = n, .seed = RandomValue<uint64_t>()};
    options.tcp.isn_key = isn_key;
    options.tcp.conn_count_max =
        bootstrap_.connections_max == 0 ? limits::kTcpConnCountMax : bootstrap_.connections_max;
    options.engine = {.conn_count_max = limits::kL7ConnCountMax,
                      .exchange_count_max = limits::kExchangeCountMax,
                      .wall_clock = ReadWallClock()};
    worker::WorkerLinks links{
        .pool = slot.pool, .snapshots = &snapshots_, .mail_in = &slot.mail, .mail_out = &slot.out};
    links.handshakes = handshakes_->runner(i);
    links.tls_contexts = &tls_contexts_;
    for (int k = 0; k < n; ++k) {
      links.peers.push_back(k == i ? nullptr : workers_[k]->from_peers[i].get());
      links.from_peers.push_back(slot.from_peers[k].get());
    }
    slot.worker = std::make_unique<worker::Worker>(options, links, worker::MonotonicNow());
    const worker::RunnerOptions run{.cpu = bootstrap_.cpus.empty() ? -1 : bootstrap_.cpus[i],
                                    .busy_poll_max = bootstrap_.busy_poll_max};
    slot.runner = std::make_unique<worker::Runner>(run, slot.worker.get(), &slot.mail, &slot.bell);
  }
  for (const agent::PortConfig& config : bootstrap_.ports) {
    PortSlot& slot = ports_.emplace_back();
    slot.config = config;
    for (const agent::WorkloadConfig& w : bootstrap_.workloads) {
      if (w.port == config.name) slot.workload = &w.workload;
    }
  }
  const Instant now = worker::MonotonicNow();
  for (ip::PortId id = 0; id < ports_.size(); ++id) OpenPort(id, now);
  for (int i = 0; i < n; ++i) SendMail(i, worker::SetRoutes{Routes()});
  for (auto& slot : workers_) {
    slot->thread = std::thread([runner = slot->runner.get()] { runner->Run(); });
  }
  return absl::OkStatus();
}

void Node::SendMail(int worker, worker::Mail mail) {
  WorkerSlot& slot = *workers_[worker];
  // A worker reads 64 messages a turn: a full box empties at once.
  while (!slot.mail.Push(std::move(mail))) {
    slot.bell.Ring();
    std::this_thread::yield();
  }
  slot.bell.Ring();
}

void Node::OpenPort(ip::PortId id, Instant now) {
  PortSlot& slot = ports_[id];
  auto port = nic::MakePort(slot.config.device, {.name = slot.config.name,
                                                 .mtu = slot.config.mtu,
                                                 .workers = bootstrap_.workers,
                                                 .pools = pools_->dpdk()});
  if (!port.ok()) {
    const std::string error(port.status().message());
    if (error != slot.error) {
      Log(Level::kWarning, "port not attached, will try again",
          {{"port", slot.config.name}, {"device", slot.config.device}, {"error", error}});
    }
    slot.error = error;
    slot.retry_at = now + kRetryPort;
    return;
  }
  slot.port = *std::move(port);
  slot.error.clear();
  Log(Level::kInfo, "port attached", {{"port", slot.config.name}, {"device", slot.config.device}});
  AttachEverywhere(id);
}

ip::PortOptions Node::IpOptionsOf(const PortSlot& slot) const {
  ip::PortOptions o;
  o.kind = slot.config.kind == agent::PortRole::kPod ? ip::PortKind::kPod : ip::PortKind::kUplink;
  o.mac = slot.config.mac.value_or(MacOf(bootstrap_.node.id(), slot.config.name));
  o.mtu = slot.config.mtu;
  for (const auto& [own, prefix] : slot.config.addresses) {
    o.own.push_back(own);
    o.addresses.push_back(prefix);
  }
  for (const agent::WorkloadConfig& w : bootstrap_.workloads) {
    if (w.port != slot.config.name) continue;
    o.pod_addresses.insert(o.pod_addresses.end(), w.workload.addresses.begin(),
                           w.workload.addresses.end());
  }
  const nic::PortCaps caps = slot.port->caps();
  o.tx_checksum = caps.tx_checksum;
  o.tx_segmentation = caps.tx_segmentation;
  o.super_frame_bytes_max = caps.super_frame_bytes_max;
  return o;
}

void Node::AttachEverywhere(ip::PortId id) {
  PortSlot& slot = ports_[id];
  const nic::PortCaps caps = slot.port->caps();
  const int n = bootstrap_.workers;
  for (int i = 0; i < n; ++i) {
    auto a = std::make_unique<worker::PortAttachment>();
    a->id = id;
    a->name = slot.config.name;
    a->port = slot.port.get();
    a->ip = IpOptionsOf(slot);
    // As many receive queues as workers: one each. Else one worker receives and shares out.
    a->rx_queue = caps.rx_queues >= n ? i : (id % n == i ? 0 : -1);
    a->tx_queue = std::min(i, caps.tx_queues - 1);
    a->workload = slot.workload;
    SendMail(i, worker::AttachPort{std::move(a)});
  }
}

void Node::DetachEverywhere(ip::PortId id) {
  PortSlot& slot = ports_[id];
  Log(Level::kWarning, "port lost, detaching",
      {{"port", slot.config.name}, {"device", slot.config.device}});
  slot.detaching = true;
  slot.releases_due = bootstrap_.workers;
  for (int i = 0; i < bootstrap_.workers; ++i) SendMail(i, worker::DetachPort{id});
}

std::vector<ip::Route> Node::Routes() const {
  std::vector<ip::Route> routes;
  const auto id_of = [this](const std::string& name) {
    for (size_t i = 0; i < bootstrap_.ports.size(); ++i) {
      if (bootstrap_.ports[i].name == name) return static_cast<ip::PortId>(i);
    }
    return ip::kNoPort;
  };
  for (ip::PortId id = 0; id < bootstrap_.ports.size(); ++id) {
    if (bootstrap_.ports[id].kind != agent::PortRole::kUplink) continue;
    for (const auto& [own, prefix] : bootstrap_.ports[id].addresses) {
      routes.push_back({.prefix = prefix, .port = id, .via = std::nullopt});
    }
  }
  for (const agent::RouteConfig& r : bootstrap_.routes) {
    routes.push_back({.prefix = r.prefix, .port = id_of(r.port), .via = r.via});
  }
  for (const agent::WorkloadConfig& w : bootstrap_.workloads) {
    if (w.port.empty()) continue;
    for (const IpAddr& a : w.workload.addresses) {
      const auto bits = static_cast<uint8_t>(a.v4() ? 32 : 128);
      routes.push_back({.prefix = {a, bits}, .port = id_of(w.port), .via = std::nullopt});
    }
  }
  return routes;
}

void Node::Run(const OnRecord& on_record) {
  while (!stopping_.load()) {
    const Instant now = worker::MonotonicNow();
    ServeStatsRequests();
    ReadReplies(on_record);
    WatchPorts(now);
    pollfd p{.fd = wake_.fd(), .events = POLLIN, .revents = 0};
    wake_.Arm();
    if (!stopping_.load()) poll(&p, 1, kControlPeriodMs);
    wake_.Disarm();
  }
  for (int i = 0; i < bootstrap_.workers; ++i) SendMail(i, worker::StopWorker{});
  for (auto& slot : workers_) slot->thread.join();
  ReadReplies(on_record);
}

void Node::Stop() {
  stopping_.store(true);
  wake_.Ring();
}

// A port whose device has gone is taken from the workers; it is opened again when it returns.
void Node::WatchPorts(Instant now) {
  for (ip::PortId id = 0; id < ports_.size(); ++id) {
    PortSlot& slot = ports_[id];
    if (slot.port == nullptr) {
      if (!slot.detaching && now >= slot.retry_at) OpenPort(id, now);
    } else if (!slot.detaching && slot.port->state() == nic::PortState::kGone) {
      DetachEverywhere(id);
    }
  }
}

void Node::ReadReplies(const OnRecord& on_record) {
  for (auto& slot : workers_) {
    worker::Reply reply;
    while (slot->out.replies.Pop(&reply)) {
      if (auto* released = std::get_if<worker::PortReleased>(&reply)) {
        PortSlot& port = ports_[released->id];
        if (--port.releases_due == 0) {
          port.port->Close();
          port.port.reset();
          port.detaching = false;
          port.retry_at = worker::MonotonicNow() + kRetryPort;
        }
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
    while (slot->out.records.Pop(&record)) on_record(record);
  }
}

void Node::ServeStatsRequests() {
  {
    absl::MutexLock lock(&mutex_);
    if (stats_wanted_ == 0 || reports_due_ > 0) return;
    stats_wanted_ = 0;
    reports_.clear();
    reports_due_ = bootstrap_.workers;
    port_status_.clear();
    for (const PortSlot& slot : ports_) {
      port_status_.push_back({.name = slot.config.name,
                              .device = slot.config.device,
                              .attached = slot.port != nullptr && !slot.detaching,
                              .error = slot.error,
                              .counters = {}});
    }
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
  std::sort(stats.workers.begin(), stats.workers.end(),
            [](const auto& a, const auto& b) { return a->worker < b->worker; });
  for (const auto& report : stats.workers) {
    for (size_t i = 0; i < report->ports.size() && i < stats.ports.size(); ++i) {
      stats.ports[i].counters.Add(report->ports[i]);
    }
  }
  return stats;
}

}  // namespace meltemi
