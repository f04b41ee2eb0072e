#include "test/sim/plane.h"

#include <algorithm>
#include <utility>

#include "l7/base/limits.h"
#include "test/sim/invariants.h"

namespace meltemi::sim {
namespace {

constexpr size_t kRecordsKept = 100'000;

template <typename Counters>
void Mix(const Counters& counters, uint64_t* hash) {
  for (const uint64_t value : counters.Values()) *hash = (*hash ^ value) * 0x100000001b3;
}

}  // namespace

Plane::Plane(const PlaneOptions& options, Instant now)
    : options_(options), snapshots_(options.workers) {
  const int n = options.workers;
  const uint64_t memory = (static_cast<uint64_t>(options.memory_mb) << 20) / n;
  const packet::SegmentCounts counts =
      memory > 0 ? packet::SplitMemory(memory)
                 : packet::SegmentCounts{UINT32_MAX, UINT32_MAX, UINT32_MAX};
  if (memory > 0) store_.Share(counts, static_cast<uint32_t>(n));
  for (int i = 0; i < n; ++i)
    slots_.push_back(std::make_unique<Slot>(counts, &store_, options.record_slots));
  for (int i = 0; i < n; ++i) {
    for (int k = 0; k < n; ++k) {
      slots_[i]->from_peers.push_back(k == i ? nullptr : std::make_unique<worker::PeerLink>());
    }
  }
  for (int i = 0; i < n; ++i) {
    Slot& slot = *slots_[i];
    worker::WorkerOptions worker{
        .index = i, .worker_count = n, .seed = options.seed * 1000 + static_cast<uint64_t>(i)};
    worker.tcp.isn_key[0] = static_cast<uint8_t>(options.seed);
    worker.tcp.conn_count_max = options.conn_count_max;
    worker.tcp.syn_queue_max = options.syn_queue_max;
    worker.tcp.memory_bytes_max = memory > 0 ? memory / 5 * 2 : options.tcp_memory_bytes_max;
    worker.tcp.time_wait = options.time_wait;
    worker.engine = {.conn_count_max = options.l7_conn_count_max,
                     .exchange_count_max = options.conn_count_max,
                     .wall_clock = options.wall_clock,
                     .board = &board_,
                     .checks_health = i == 0};
    worker::WorkerLinks links{
        .pool = &slot.pool, .snapshots = &snapshots_, .mail_in = &slot.mail, .mail_out = &slot.out};
    worker.tls.expanded_key_count_max = options.tls_expanded_keys;
    if (options.tls) {
      links.handshakes = &slot.handshakes;
      links.tls_contexts = &tls_contexts_;
    }
    for (int k = 0; k < n; ++k) {
      links.peers.push_back(k == i ? nullptr : slots_[k]->from_peers[i].get());
      links.from_peers.push_back(slot.from_peers[k].get());
    }
    slot.worker = std::make_unique<worker::Worker>(worker, links, now);
  }
}

Plane::~Plane() {
  for (auto& slot : slots_) slot->worker.reset();
  for (auto& slot : slots_) {
    for (auto& link : slot->from_peers) {
      worker::PeerMail mail;
      while (link != nullptr && link->mail.Pop(&mail)) {
        if (mail.segment.packet != nullptr) slot->pool.Free(mail.segment.packet);
      }
    }
  }
}

void Plane::SendMail(int worker, worker::Mail mail) {
  CHECK(slots_[worker]->mail.Push(std::move(mail)));
}

ip::PortId Plane::AddPort(const PlanePort& port) {
  const auto id = static_cast<ip::PortId>(ports_.size());
  ports_.push_back({.port = port});
  Attach(id);
  return id;
}

// Node::AttachEverywhere.
void Plane::Attach(ip::PortId id) {
  PortSlot& slot = ports_[id];
  slot.releases = 0;
  const nic::PortCaps caps = slot.port.port->caps();
  slot.port.ip.tx_checksum = caps.tx_checksum;
  slot.port.ip.tx_segmentation = caps.tx_segmentation;
  slot.port.ip.super_frame_bytes_max = caps.super_frame_bytes_max;
  slot.port.ip.segment_bytes_min = caps.segment_bytes_min;
  const int n = options_.workers;
  for (int i = 0; i < n; ++i) {
    worker::PortAttachment a{.id = id,
                             .name = slot.port.name,
                             .port = slot.port.port,
                             .ip = slot.port.ip,
                             .rx_queue = caps.rx_queues >= n ? i : (id % n == i ? 0 : -1),
                             .tx_queue = std::min(i, caps.tx_queues - 1),
                             .workload = slot.port.workload};
    if (i == 0) slot.attachment = a;
    SendMail(i, worker::AttachPort{std::make_unique<worker::PortAttachment>(std::move(a))});
  }
}

void Plane::Detach(ip::PortId id) {
  for (int i = 0; i < options_.workers; ++i) SendMail(i, worker::DetachPort{id});
}

void Plane::SetRoutes(const std::vector<ip::Route>& routes) {
  for (int i = 0; i < options_.workers; ++i) SendMail(i, worker::SetRoutes{routes});
}

void Plane::Publish(std::unique_ptr<const config::Snapshot> snapshot) {
  snapshots_.Publish(std::move(snapshot));
  for (auto& slot : slots_) slot->next_at = slot->free_at;
}

void Plane::Drain() {
  for (int i = 0; i < options_.workers; ++i) SendMail(i, worker::DrainWorker{});
}

void Plane::SetWallClock(WallClock clock) {
  for (int i = 0; i < options_.workers; ++i) SendMail(i, worker::SetWallClock{clock});
}

bool Plane::HasInput(const Slot& slot) const {
  if (!slot.mail.empty() || !slot.worker->InboxEmpty()) return true;
  for (const worker::PortSet::Entry& entry : slot.worker->ports().entries()) {
    const worker::PortAttachment& a = entry.attachment;
    if (!entry.attached || a.rx_queue < 0) continue;
    if (static_cast<worker::MemoryPort*>(a.port)->waiting(a.rx_queue) > 0) return true;
  }
  return false;
}

void Plane::Run(Instant now) {
  for (auto& slot : slots_) {
    if (slot->free_at > now) continue;
    if (slot->next_at <= now || HasInput(*slot)) Turn(slot.get(), now);
  }
}

void Plane::Turn(Slot* slot, Instant now) {
  if (options_.probe != nullptr) options_.probe->Enter();
  const Instant deadline = slot->worker->Turn(now);
  if (options_.probe != nullptr) options_.probe->Leave();
  if (options_.check_turns) CheckTurn(*slot->worker);
  slot->free_at = now + options_.turn_time;
  // As the runner: after a turn that did something comes another one.
  slot->next_at = slot->worker->busy() ? slot->free_at : deadline;
  ReadReplies(slot);
}

void Plane::ReadReplies(Slot* slot) {
  worker::Reply reply;
  while (slot->out.replies.Pop(&reply)) {
    if (auto* released = std::get_if<worker::PortReleased>(&reply)) {
      ++ports_[released->id].releases;
    }
  }
  telemetry::AccessRecord record;
  while (slot->out.records.Pop(&record)) {
    if (records_.size() < kRecordsKept) records_.push_back(std::move(record));
  }
}

Instant Plane::NextAt() const {
  Instant next = Instant::Never();
  for (const auto& slot : slots_) {
    const Instant due = HasInput(*slot) ? slot->free_at : slot->next_at;
    next = std::min(next, std::max(due, slot->free_at));
  }
  return next;
}

worker::WorkerCounters Plane::WorkerTotals() const {
  worker::WorkerCounters total;
  for (const auto& slot : slots_) total.Add(slot->worker->counters());
  return total;
}

tcp::TcpCounters Plane::TcpTotals() const {
  tcp::TcpCounters total;
  for (const auto& slot : slots_) total.Add(slot->worker->tcp().counters());
  return total;
}

tls::TlsCounters Plane::TlsTotals() const {
  tls::TlsCounters total;
  for (const auto& slot : slots_) total.Add(slot->worker->tls()->counters());
  return total;
}

uint32_t Plane::tls_sessions() const {
  uint32_t sum = 0;
  for (const auto& slot : slots_) sum += slot->worker->tls()->session_count();
  return sum;
}

engine::EngineCounters Plane::EngineTotals() const {
  engine::EngineCounters total;
  for (const auto& slot : slots_) total.Add(slot->worker->engine().counters());
  return total;
}

ip::IpCounters Plane::IpTotals() const {
  ip::IpCounters total;
  for (const auto& slot : slots_) total.Add(slot->worker->ip().counters());
  return total;
}

int64_t Plane::packets_outstanding() const {
  int64_t sum = 0;
  for (const auto& slot : slots_) sum += slot->pool.outstanding();
  return sum;
}

uint32_t Plane::tcp_connections() const {
  uint32_t sum = 0;
  for (const auto& slot : slots_) sum += slot->worker->tcp().conn_count();
  return sum;
}

uint32_t Plane::l7_connections() const {
  uint32_t sum = 0;
  for (const auto& slot : slots_) sum += slot->worker->engine().conn_count();
  return sum;
}

uint32_t Plane::exchanges() const {
  uint32_t sum = 0;
  for (const auto& slot : slots_) sum += slot->worker->engine().exchange_count();
  return sum;
}

uint64_t Plane::pool_failures() const {
  uint64_t sum = 0;
  for (const auto& slot : slots_) sum += slot->pool.counters().alloc_failures;
  return sum;
}

uint64_t Plane::CounterHash() const {
  uint64_t hash = 0xcbf29ce484222325;
  for (const auto& slot : slots_) {
    Mix(slot->worker->counters(), &hash);
    Mix(slot->worker->ip().counters(), &hash);
    Mix(slot->worker->tcp().counters(), &hash);
    Mix(slot->worker->engine().counters(), &hash);
    Mix(slot->pool.counters(), &hash);
  }
  return hash;
}

}  // namespace meltemi::sim
