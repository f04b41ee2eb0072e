// Mail: what crosses between the control thread and a worker, and between workers.
//
// Everything is a value or a pointer whose ownership is written beside it. Sent through
// shared::Mailbox (one sender, one receiver each).
#ifndef MELTEMI_DATAPLANE_WORKER_MAIL_H_
#define MELTEMI_DATAPLANE_WORKER_MAIL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dataplane/ip/ip.h"
#include "dataplane/nic/port.h"
#include "dataplane/shared/doorbell.h"
#include "dataplane/shared/mailbox.h"
#include "l7/base/limits.h"
#include "l7/base/time.h"
#include "l7/config/snapshot.h"
#include "l7/telemetry/access_record.h"
#include "l7/telemetry/sample.h"

namespace meltemi::worker {

// A port joins a worker. Every worker is told of every port; one of them receives from it (or each,
// when the port has as many receive queues as there are workers).
struct PortAttachment {
  ip::PortId id = ip::kNoPort;
  std::string name;
  nic::Port* port = nullptr;  // borrowed until PortReleased comes back
  ip::PortOptions ip;
  int rx_queue = -1;  // -1: this worker does not receive from it
  int tx_queue = 0;
  const config::Workload* workload = nullptr;  // kPod: who is behind it; outlives the port
  // kUplink: whose the plane's own addresses are, which are gateways; they outlive the port.
  std::vector<const config::Workload*> gateways;
};

// The control thread asks, the worker fills, the same object goes back.
struct StatsReport {
  int worker = 0;
  uint64_t tcp_connections = 0, tls_sessions = 0, l7_connections = 0, l7_exchanges = 0;
  int64_t packets_outstanding = 0;
  uint64_t snapshot_sequence = 0;
  std::vector<std::pair<std::string_view, std::vector<uint64_t>>> tables;  // prefix -> values
  std::vector<telemetry::Sample> samples;
  std::vector<nic::PortCounters> ports;  // by PortId; of this worker's queues
  std::string clusters_text;
};

struct AttachPort {
  std::unique_ptr<PortAttachment> attachment;
};
struct DetachPort {
  ip::PortId id = ip::kNoPort;
};
struct SetRoutes {
  std::vector<ip::Route> routes;
};
struct WantStats {
  std::unique_ptr<StatsReport> report;
};
struct SetWallClock {
  WallClock clock;
};
struct DrainWorker {};
struct StopWorker {};
using Mail = std::variant<std::monostate, AttachPort, DetachPort, SetRoutes, WantStats,
                          SetWallClock, DrainWorker, StopWorker>;
using MailIn = shared::Mailbox<Mail>;

struct PortReleased {
  ip::PortId id = ip::kNoPort;
};
struct StatsFilled {
  std::unique_ptr<StatsReport> report;
};
using Reply = std::variant<std::monostate, PortReleased, StatsFilled>;

// From a worker to the control thread: replies, and access records for the log thread.
using RecordBox = shared::Mailbox<telemetry::AccessRecord>;
struct MailOut {
  // Never full: one reply for each port and one report at a time.
  shared::Mailbox<Reply> replies{2 * limits::kPortCountMax};
  RecordBox records{limits::kTraceRingSlots};
};

// From one worker to another: packets that the other owns, and what IP has learnt for everybody.
struct PeerMail {
  enum class Kind : uint8_t { kSegment, kDatagram, kNeighbour, kIcmpError };
  Kind kind = Kind::kSegment;
  ip::Segment segment;  // kSegment, kDatagram: owned
  ip::Neighbour neighbour;
  ip::IcmpError icmp;
};
struct PeerLink {
  shared::Mailbox<PeerMail> mail{limits::kMailboxSlots};
  shared::Doorbell* bell = nullptr;  // of the receiving worker; null in simulations
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_MAIL_H_
