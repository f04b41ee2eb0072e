#include "test/sim/seed_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "l7/base/check.h"
#include "l7/base/text.h"
#include "test/sim/invariants.h"

namespace meltemi::sim {
namespace {

constexpr Duration kLimit = Duration::Seconds(1800);
constexpr int kCrashesMax = 20;
constexpr uint64_t kStepsMax = 20'000'000;  // of one seed: one that spins is found out

class Run {
 public:
  explicit Run(const Drawn& drawn) : drawn_(drawn), world_(drawn.world), start_(world_.now()) {}

  std::vector<std::string> Go(SeedTotals* totals);

 private:
  bool Settled();
  void Disturb();
  void CheckMemory();
  void CheckHttp();
  void CheckRecords();
  void CheckStreams();
  void CheckPackets();
  void Count(SeedTotals* totals);
  bool HttpMustSucceed() const { return drawn_.fault == Fault::kNone; }
  template <typename... Args>
  void Wrong(const Args&... args) {
    wrong_.push_back(Cat(args...));
  }

  const Drawn& drawn_;
  World world_;
  const Instant start_;
  ConfigMaker outbound_, inbound_;
  int version_ = 0;
  size_t stalls_done_ = 0;
  int faults_ = 0;
  uint64_t steps_ = 0;
  std::vector<std::string> wrong_;
};

std::vector<std::string> Run::Go(SeedTotals* totals) {
  world_.plane().Publish(outbound_.Make(OutboundSpec(drawn_, world_, 0)));
  if (drawn_.inbound) world_.plane(1).Publish(inbound_.Make(InboundSpec()));
  if (!world_.Run(kLimit, [this] { return Settled(); })) {
    Wrong("not settled at ", (world_.now() - start_).millis(), " ms");
    for (int i = 0; i < world_.client_count(); ++i) wrong_.push_back(world_.client(i).Dump());
  }
  if (const std::string errors = world_.Errors(); !errors.empty()) wrong_.push_back(errors);
  CheckHttp();
  CheckStreams();
  // Idle pooled connections, streams whose RST was lost, FIN-WAIT-2, TIME-WAIT; and what was said
  // to a machine without power is repeated for as long as RFC 1122 4.2.3.5 wants.
  world_.RunFor(Duration::Seconds(drawn_.fault == Fault::kServerDark ? 1800 : 120));
  if (const std::string left = Leftovers(world_); !left.empty()) Wrong("left over: ", left);
  CheckRecords();
  CheckPackets();
  Count(totals);
  return std::move(wrong_);
}

// Asked before every step.
bool Run::Settled() {
  CHECK(++steps_ < kStepsMax);
  Disturb();
  CheckMemory();
  return world_.Closed();
}

void Run::Disturb() {
  const Duration since = world_.now() - start_;
  for (; stalls_done_ < drawn_.stalls.size(); ++stalls_done_) {
    const Stall& stall = drawn_.stalls[stalls_done_];
    if (stall.at > since) break;
    if (stall.machine >= 0) {
      world_.StallMachine(stall.machine, stall.time);
    } else {
      world_.StallWorker(stall.node, stall.worker, stall.time);
    }
  }
  if (!drawn_.swap_every.zero() && version_ < 50 && since >= drawn_.swap_every * (version_ + 1)) {
    world_.plane().Publish(outbound_.Make(OutboundSpec(drawn_, world_, ++version_)));
  }
  const bool crash = drawn_.fault == Fault::kServersCrash;
  if (since < drawn_.fault_at * (faults_ + 1) || faults_ >= (crash ? kCrashesMax : 1)) return;
  ++faults_;
  switch (drawn_.fault) {
    case Fault::kNone:
    case Fault::kShortTimeout:
    case Fault::kImpatientServers:
      break;
    case Fault::kServerKilled:
      world_.server(0).Kill(world_.server_host(0), world_.now());
      break;
    case Fault::kServerDark:
      world_.server_host(0).SetPower(false);
      break;
    case Fault::kServersCrash:
      for (int i = 0; i < world_.server_count(); ++i) {
        world_.server(i).Kill(world_.server_host(i), world_.now());
        world_.server(i).SetOpen(true);
      }
      break;
  }
}

void Run::CheckMemory() {
  const uint32_t segment = std::min(drawn_.world.pod_mtu, drawn_.world.uplink_mtu) - 100u;
  for (int i = 0; i < world_.node_count(); ++i) {
    CHECK(world_.plane(i).packets_outstanding() <= PacketsMax(world_.node(i), segment));
  }
}

// Every request was answered once, or its client was told; and none that changes something was
// served twice (RFC 9110 9.2.2), whatever went wrong.
void Run::CheckHttp() {
  uint64_t asked = 0, served = 0;
  std::map<uint64_t, int> served_times;
  for (int i = 0; i < world_.client_count(); ++i) {
    const HttpClient& client = world_.client(i);
    asked += client.options().request_count;
    for (size_t k = 0; k < client.outcomes().size(); ++k) {
      const Outcome& o = client.outcomes()[k];
      const uint64_t id = client.options().first_id + k;
      if (o.replies > 1 || (o.replies == 0 && !o.broken)) {
        Wrong("request ", id, " has ", o.replies, " replies");
      } else if (HttpMustSucceed() && (o.broken || o.status != 200)) {
        Wrong("request ", id, o.broken ? ": connection ended" : ": status ", o.status);
      }
    }
  }
  for (int i = 0; i < world_.server_count(); ++i) {
    for (const auto& [id, times] : world_.server(i).served()) {
      served += static_cast<uint64_t>(times);
      served_times[id] += times;
    }
  }
  for (const auto& [id, times] : served_times) {
    const bool post = PlanOf(id, drawn_.world.load.shape).post;
    if (times > (post ? 1 : 2)) Wrong("request ", id, " was served ", times, " times");
  }
  if (HttpMustSucceed() && served != asked) Wrong("servers got ", served, " of ", asked);
}

// The access log has every request, and says why of each that failed.
void Run::CheckRecords() {
  for (int i = 0; i < world_.node_count(); ++i) {
    uint64_t http = 0, tcp = 0;
    for (const telemetry::AccessRecord& record : world_.plane(i).records()) {
      ++(record.tcp ? tcp : http);
      // What another node said has its reason there.
      const bool ours = record.response_code_details.view() != "via_upstream";
      if (HttpMustSucceed() && !record.tcp && record.response_flags != 0) {
        Wrong("node ", i, ": a record has status ", record.response_code, ", flags ",
              record.response_flags, ": ", record.response_code_details.view(), " ",
              record.upstream_failure_reason.view(), " from ", record.upstream_host.ToString());
      }
      if (!record.tcp && ours && record.response_code != 200 && record.response_flags == 0) {
        Wrong("node ", i, ": status ", record.response_code,
              " without a reason: ", record.response_code_details.view());
      }
    }
    const engine::EngineCounters engine = world_.plane(i).EngineTotals();
    if (http != engine.requests) Wrong("node ", i, ": ", http, " records of ", engine.requests);
    if (tcp != engine.tcp_proxied) Wrong("node ", i, ": ", tcp, " of ", engine.tcp_proxied);
  }
}

void Run::CheckStreams() {
  for (int i = 0; i < world_.stream_client_count(); ++i) {
    const StreamClient& client = world_.stream_client(i);
    for (size_t k = 0; k < client.outcomes().size(); ++k) {
      const StreamOutcome& o = client.outcomes()[k];
      const uint64_t id = client.options().first_id + k;
      const auto reset = StreamPlanOf(id, client.options().shape).reset;
      if (!o.over) {
        Wrong("stream ", id, " has no end");
      } else if (reset == StreamPlan::Reset::kNone && !o.whole) {
        Wrong("stream ", id, " ended with ", o.error, " at byte ", o.received);
      } else if (!o.whole && !o.reset_by_us && o.error == tcp::TcpError::kNone &&
                 o.ended - o.begun < TcpSpec().idle_timeout) {  // else its RST was lost
        Wrong("stream ", id, ": its server's reset came as an end, at byte ", o.received);
      }
    }
  }
}

// What came in went somewhere by name; what the wire did not damage was not dropped.
void Run::CheckPackets() {
  // Full queues, addresses nobody answered for while its machine stalled; what is doubled or
  // overtaken looks old to TCP.
  std::string expected =
      "drop_tx_queue_full drop_peer_full drop_port_full drop_neighbour_failed "
      "drop_neighbour_queue_full drop_arp_ignored drop_nd_ignored drop_out_of_window drop_paws "
      "drop_closed drop_ack_unacceptable drop_rst_sequence drop_rst_out_of_window "
      "drop_syn_in_window drop_detached_bytes drop_text_after_fin drop_out_of_order_full "
      "drop_no_ack drop_syn_sent drop_memory_full drop_out_of_order_memory";
  const bool damage =
      drawn_.world.pod_link.corrupt_per_mille + drawn_.world.uplink.corrupt_per_mille > 0;
  for (int i = 0; i < world_.node_count(); ++i) {
    Plane& plane = world_.plane(i);
    uint64_t received = 0;
    for (ip::PortId id = 0; id < world_.node(i).port_count(); ++id) {
      for (int q = 0; q < world_.node(i).port(id).caps().rx_queues; ++q) {
        received += world_.node(i).port(id).rx_counters(q).rx_packets;
      }
    }
    const ip::IpCounters ip = plane.IpTotals();
    if (received != ip.rx_packets) Wrong("node ", i, ": ", ip.rx_packets, " of ", received);
    const uint64_t lost = plane.WorkerTotals().drop_peer_full;
    if (ip.segments != plane.TcpTotals().segments_in + lost) {
      Wrong("node ", i, ": ", ip.segments, " segments, TCP saw ", plane.TcpTotals().segments_in);
    }
    if (lost > 0 && drawn_.stalls.empty()) Wrong("node ", i, ": ", lost, " lost between workers");
    if (damage) continue;
    if (const std::string drops = Drops(world_.node(i), expected); !drops.empty()) {
      Wrong("node ", i, " dropped what nothing was wrong with: ", drops);
    }
  }
}

void Run::Count(SeedTotals* totals) {
  ++totals->seeds;
  totals->frames += world_.wire().counters().frames;
  totals->lost += world_.wire().counters().lost;
  for (int i = 0; i < world_.node_count(); ++i)
    totals->turns += world_.plane(i).WorkerTotals().turns;
  for (int i = 0; i < world_.client_count(); ++i) {
    const HttpClient& client = world_.client(i);
    totals->requests += client.options().request_count;
    totals->replies_not_200 += client.options().request_count - client.answered(200);
  }
  for (int i = 0; i < world_.stream_client_count(); ++i) {
    for (const StreamOutcome& o : world_.stream_client(i).outcomes()) {
      ++totals->streams;
      totals->streams_whole += o.whole;
      totals->streams_reset += !o.whole;
    }
  }
}

}  // namespace

void SeedTotals::Add(const SeedTotals& other) {
  seeds += other.seeds;
  turns += other.turns;
  frames += other.frames;
  lost += other.lost;
  requests += other.requests;
  replies_not_200 += other.replies_not_200;
  streams += other.streams;
  streams_whole += other.streams_whole;
  streams_reset += other.streams_reset;
}

std::string SeedTotals::ToString() const {
  return Cat(seeds, " seeds, ", turns, " turns, ", frames, " frames of which ", lost, " lost, ",
             requests, " requests of which ", replies_not_200, " failed, ", streams,
             " streams of which ", streams_reset, " were reset");
}

std::vector<std::string> RunSeed(const Drawn& drawn, SeedTotals* totals) {
  // On the heap: a world is large.
  const auto run = std::make_unique<Run>(drawn);
  return run->Go(totals);
}

}  // namespace meltemi::sim
