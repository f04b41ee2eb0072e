// The worker's mail: from the control thread, and between workers.
#include <utility>

#include "dataplane/ip/merge.h"
#include "dataplane/worker/worker.h"
#include "l7/base/limits.h"

namespace meltemi::worker {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

template <typename Counters>
void AddTable(const Counters& counters, StatsReport* report) {
  const auto values = counters.Values();
  report->tables.emplace_back(Counters::kPrefix,
                              std::vector<uint64_t>(values.begin(), values.end()));
}

}  // namespace

void Worker::ReadMail(Instant now) {
  Mail mail;
  for (int i = 0; i < limits::kMailPerTurn && links_.mail_in->Pop(&mail); ++i) {
    busy_ = true;
    ++counters_.mail_read;
    OnMail(mail, now);
  }
}

void Worker::OnMail(Mail& mail, Instant now) {
  std::visit(Overloaded{
                 [](std::monostate) {},
                 [this](AttachPort& m) { AttachToPort(*m.attachment); },
                 [this, now](DetachPort& m) { DetachFromPort(m.id, now); },
                 [this](SetRoutes& m) { ip_.SetRoutes(std::move(m.routes)); },
                 [this](WantStats& m) {
                   FillReport(m.report.get());
                   links_.mail_out->replies.Push(StatsFilled{std::move(m.report)});
                 },
                 [this](SetWallClock& m) {
                   engine_.SetWallClock(m.clock);
                   if (tls_ != nullptr) tls_->SetWallClock(m.clock);
                 },
                 [this, now](DrainWorker&) { engine_.Drain(now); },
                 [this](StopWorker&) { stopped_ = true; },
             },
             mail);
}

void Worker::AttachToPort(const PortAttachment& attachment) {
  ports_.Attach(attachment);
  ip_.AddPort(attachment.id, attachment.ip);
}

void Worker::DetachFromPort(ip::PortId id, Instant now) {
  if (id < ports_.entries().size() && ports_.entries()[id].attached) {
    // Only this port's own connections die with it.
    const std::vector<IpAddr> pods = ports_.entries()[id].attachment.ip.pod_addresses;
    ports_.Detach(id, &ip_, links_.pool);
    ip_.RemovePort(id);
    for (const IpAddr& address : pods) tcp_.AbortAddress(address, now, &events_);
    Deliver(now);
  }
  links_.mail_out->replies.Push(PortReleased{id});
}

// Decides for each TCP segment which worker owns its connection: the symmetric hash. What comes
// from other workers joins what is ours.
void Worker::Steer(Instant now) {
  (void)now;
  if (options_.worker_count > 1) {
    HandOver(&segments_, PeerMail::Kind::kSegment, &counters_.segments_handed_over,
             &counters_.drop_peer_full);
    HandOver(&ip_.datagrams(), PeerMail::Kind::kDatagram, &udp_.counters().handed_over,
             &udp_.counters().drop_peer_full);
    TakePeerMail(now);
  }
  counters_.segments_merged += ip::Merge(&segments_);
  tcp_in_.clear();
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    const ip::Segment& s = segments_[i];
    tcp_in_.push_back({.packet = s.packet,
                       .source = s.source,
                       .destination = s.destination,
                       .ecn = s.ecn,
                       .checksum_trusted = s.checksum_trusted,
                       .parts = s.parts,
                       .part_bytes = s.part_bytes,
                       .tag = i});
  }
}

// What another worker owns goes to it; what is ours stays.
void Worker::HandOver(std::vector<ip::Segment>* packets, PeerMail::Kind kind, uint64_t* handed_over,
                      uint64_t* dropped) {
  size_t kept = 0;
  for (ip::Segment& packet : *packets) {
    const int owner = SymmetricHash(packet.source, packet.destination) % options_.worker_count;
    if (owner == options_.index) {
      (*packets)[kept++] = packet;
      continue;
    }
    PeerLink& peer = *links_.peers[owner];
    if (peer.mail.Push({.kind = kind, .segment = packet})) {
      ++*handed_over;
      if (peer.bell != nullptr) peer.bell->Ring();
    } else {
      ++*dropped;
      links_.pool->Free(packet.packet);
    }
  }
  packets->resize(kept);
}

void Worker::TakePeerMail(Instant now) {
  for (PeerLink* from : links_.from_peers) {
    PeerMail mail;
    for (int i = 0; from != nullptr && i < limits::kPeerMailPerTurn && from->mail.Pop(&mail); ++i) {
      busy_ = true;
      switch (mail.kind) {
        case PeerMail::Kind::kSegment:
          segments_.push_back(mail.segment);
          break;
        case PeerMail::Kind::kDatagram:
          ip_.datagrams().push_back(mail.segment);
          break;
        case PeerMail::Kind::kNeighbour:
          ip_.LearnNeighbour(mail.neighbour, now);
          break;
        case PeerMail::Kind::kIcmpError:
          ip_.icmp_errors().push_back(mail.icmp);
          break;
      }
    }
  }
}

// What ARP and ND told this worker, for the others: each sends on its own.
void Worker::ShareNeighbours() {
  for (const ip::Neighbour& neighbour : ip_.learned()) {
    for (PeerLink* peer : links_.peers) {
      if (peer == nullptr) continue;
      PeerMail mail{.kind = PeerMail::Kind::kNeighbour, .segment = {}, .neighbour = neighbour};
      peer->mail.Push(std::move(mail));  // full: that worker asks for itself
      if (peer->bell != nullptr) peer->bell->Ring();
    }
  }
  ip_.learned().clear();
}

bool Worker::InboxEmpty() const {
  if (links_.handshakes != nullptr && links_.handshakes->ready()) return false;
  for (const PeerLink* from : links_.from_peers) {
    if (from != nullptr && !from->mail.empty()) return false;
  }
  return true;
}

void Worker::FollowOverload() {
  links_.overload->Publish(options_.index, counters_.busy_cycles, tcp_.memory_bytes());
  const auto actions = policy::OverloadActions::FromBits(links_.overload->actions());
  if (actions.bits() == overload_.bits()) return;
  overload_ = actions;
  engine_.SetOverload(actions);
}

void Worker::AppendStages(std::vector<telemetry::Sample>* out) const {
  for (int i = 0; i < kStageCount; ++i) {
    const std::string label = telemetry::Label("stage", kStageNames[i].name);
    const auto add = [&](const char* name, uint64_t value) {
      out->push_back({.name = name,
                      .labels = label,
                      .value = static_cast<double>(value),
                      .kind = telemetry::Sample::Kind::kCounter,
                      .family = {}});
    };
    add("meltemi_worker_stage_cycles_total", stages_.cycles[i]);
    add("meltemi_worker_stage_entries_total", stages_.entries[i]);
  }
}

void Worker::FillReport(StatsReport* report) {
  AddTable(counters_, report);
  AddTable(ip_.counters(), report);
  AddTable(tcp_.counters(), report);
  AddTable(udp_.counters(), report);
  if (tls_ != nullptr) AddTable(tls_->counters(), report);
  AddTable(engine_.counters(), report);
  AddTable(links_.pool->counters(), report);
  report->worker = options_.index;
  report->tcp_connections = tcp_.conn_count();
  report->tls_sessions = tls_ == nullptr ? 0 : tls_->session_count();
  report->l7_connections = engine_.conn_count();
  report->l7_exchanges = engine_.exchange_count();
  report->packets_outstanding = links_.pool->outstanding();
  report->snapshot_sequence = snapshot_ == nullptr ? 0 : snapshot_->sequence;
  for (const PortSet::Entry& entry : ports_.entries()) {
    nic::PortCounters counters;
    const PortAttachment& a = entry.attachment;
    if (entry.attached) counters = a.port->tx_counters(a.tx_queue);
    if (entry.attached && a.rx_queue >= 0) counters.Add(a.port->rx_counters(a.rx_queue));
    report->ports.push_back(counters);
  }
  engine_.AppendSamples(&report->samples);
  udp_.AppendSamples(&report->samples);
  if (kProfile) AppendStages(&report->samples);
  engine_.AppendClusters(&report->clusters_text);
}

}  // namespace meltemi::worker
