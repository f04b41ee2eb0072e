#include "dataplane/admin/admin.h"

#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "dataplane/agent/identity_page.h"
#include "dataplane/ip/counters.h"
#include "dataplane/packet/packet_pool.h"
#include "dataplane/tcp/counters.h"
#include "dataplane/tls/counters.h"
#include "dataplane/worker/counters.h"
#include "l7/base/text.h"
#include "l7/engine/counters.h"
#include "l7/telemetry/sample.h"

namespace meltemi::admin {
namespace {

using control::common::HttpReply;
using telemetry::Sample;

constexpr char kHelp[] =
    "admin commands are:\n"
    "  /certs: the certificates of the node's identities (JSON)\n"
    "  /clusters: upstream clusters, their hosts and statistics, per worker\n"
    "  /config_dump: the configuration as received from the control plane (JSON)\n"
    "  /healthz: 200 while the process lives\n"
    "  /help: this page\n"
    "  /identities: the state of each identity and what went wrong last (JSON)\n"
    "  /listeners: what is listened to\n"
    "  /ready: 200 LIVE once a configuration is in force, else 503\n"
    "  /server_info: version and state (JSON)\n"
    "  /stats/prometheus: all statistics\n";

template <typename Counters>
void AddTable(const std::string& labels, std::span<const uint64_t> values,
              std::vector<Sample>* out) {
  for (size_t i = 0; i < Counters::kTable.size() && i < values.size(); ++i) {
    out->push_back({.name = Cat(Counters::kPrefix, "_", Counters::kTable[i].name, "_total"),
                    .labels = labels,
                    .value = static_cast<double>(values[i]),
                    .kind = Sample::Kind::kCounter,
                    .family = {}});
  }
}

// The tables a worker reports, by prefix.
template <typename... Counters>
void AddTables(const worker::StatsReport& report, std::vector<Sample>* out) {
  const std::string labels = Cat("worker=\"", report.worker, "\"");
  for (const auto& [prefix, values] : report.tables) {
    ((prefix == Counters::kPrefix ? AddTable<Counters>(labels, values, out) : void()), ...);
  }
  const auto gauge = [&](const char* name, double value) {
    out->push_back({.name = name,
                    .labels = labels,
                    .value = value,
                    .kind = Sample::Kind::kGauge,
                    .family = {}});
  };
  gauge("meltemi_tcp_connections", static_cast<double>(report.tcp_connections));
  gauge("meltemi_tls_sessions", static_cast<double>(report.tls_sessions));
  gauge("meltemi_l7_connections", static_cast<double>(report.l7_connections));
  gauge("meltemi_l7_exchanges", static_cast<double>(report.l7_exchanges));
  gauge("meltemi_packet_pool_outstanding", static_cast<double>(report.packets_outstanding));
  gauge("meltemi_worker_snapshot_sequence", static_cast<double>(report.snapshot_sequence));
}

// Which TLS contexts are in force, whether what they are made of is the newest, and until when
// their own certificates are good.
void AddTlsContexts(const std::vector<agent::TlsContextStatus>& contexts,
                    std::vector<Sample>* out) {
  for (const agent::TlsContextStatus& c : contexts) {
    std::string labels =
        Cat(telemetry::Label("id", Cat(c.id)), ",",
            telemetry::Label("role", c.role == config::TlsRole::kServer ? "server" : "client"));
    if (!c.source.empty()) AppendTo(&labels, ",", telemetry::Label("identity", c.source));
    const auto add = [&](const char* name, double value) {
      out->push_back({.name = name,
                      .labels = labels,
                      .value = value,
                      .kind = Sample::Kind::kGauge,
                      .family = {}});
    };
    add("meltemi_tls_context_ready", c.ready ? 1 : 0);
    add("meltemi_tls_context_stale", c.error.empty() ? 0 : 1);
    if (c.not_after > 0) {
      add("meltemi_tls_context_not_after_seconds", static_cast<double>(c.not_after));
    }
  }
}

void AddAgent(const agent::AgentStatus& status, std::vector<Sample>* out) {
  const auto add = [out](std::string name, double value, Sample::Kind kind) {
    out->push_back(
        {.name = std::move(name), .labels = "", .value = value, .kind = kind, .family = {}});
  };
  using Kind = Sample::Kind;
  add("envoy_control_plane_connected_state", status.connected, Kind::kGauge);
  add("meltemi_agent_connects_total", static_cast<double>(status.connects), Kind::kCounter);
  add("meltemi_agent_disconnects_total", static_cast<double>(status.disconnects), Kind::kCounter);
  add("meltemi_agent_snapshots_total", static_cast<double>(status.snapshots), Kind::kCounter);
  add("meltemi_agent_snapshot_failures_total", static_cast<double>(status.snapshot_failures),
      Kind::kCounter);
  for (int i = 0; i < agent::kTypes; ++i) {
    const agent::TypeStatus& t = status.types[i];
    const std::string prefix = Cat("envoy_", agent::TypeName(static_cast<agent::Type>(i)), "_");
    add(Cat(prefix, "update_success"), static_cast<double>(t.accepted_count), Kind::kCounter);
    add(Cat(prefix, "update_rejected"), static_cast<double>(t.rejected_count), Kind::kCounter);
  }
  AddTlsContexts(status.tls, out);
}

void AddIdentities(const agent::IdentityClient& identities, std::vector<Sample>* out) {
  const agent::IdentityClientStatus status = identities.Status();
  const auto count = [out](const char* name, uint64_t value) {
    out->push_back({.name = name,
                    .labels = "",
                    .value = static_cast<double>(value),
                    .kind = Sample::Kind::kCounter,
                    .family = {}});
  };
  count("meltemi_identity_requests_total", status.requests);
  count("meltemi_identity_answers_total", status.answers);
  count("meltemi_identity_failures_total", status.failures);
  for (const agent::IdentityGauge& gauge : agent::IdentityGauges(
           status.identities, identities.Credentials(), {absl::ToUnixSeconds(absl::Now())})) {
    out->push_back(
        {.name = gauge.name,
         .labels = gauge.identity.empty() ? "" : telemetry::Label("identity", gauge.identity),
         .value = gauge.value,
         .kind = Sample::Kind::kGauge,
         .family = {}});
  }
}

void AddReloads(const ReloadStatus& reloads, std::vector<Sample>* out) {
  for (const auto& [result, count] :
       {std::pair("applied", reloads.applied), std::pair("refused", reloads.refused)}) {
    out->push_back({.name = "meltemi_bootstrap_reloads_total",
                    .labels = telemetry::Label("result", result),
                    .value = static_cast<double>(count),
                    .kind = Sample::Kind::kCounter,
                    .family = {}});
  }
}

HttpReply Text(std::string body) { return {.body = std::move(body)}; }
HttpReply JsonReply(std::string body) {
  return {.status = 200, .content_type = "application/json", .body = std::move(body)};
}

}  // namespace

Admin::Admin(const agent::Bootstrap* bootstrap, Node* node, agent::Agent* agent,
             const agent::IdentityClient* identities)
    : bootstrap_(bootstrap), node_(node), agent_(agent), identities_(identities) {}

absl::Status Admin::Start() {
  if (!bootstrap_->admin) return absl::OkStatus();
  auto server = control::common::HttpServer::Start(
      bootstrap_->admin->ToString(), [this](const std::string& path) { return Page(path); });
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

HttpReply Admin::Page(const std::string& path) {
  const std::string page = path.substr(0, path.find('?'));
  if (page == "/ready") {
    const bool live = agent_->Status().ready;
    return {.status = live ? 200 : 503, .body = live ? "LIVE\n" : "PRE_INITIALIZING\n"};
  }
  if (page == "/readyz") return Page("/ready");
  if (page == "/healthz") return Text("ok\n");
  if (page == "/stats/prometheus" || page == "/metrics") {
    HttpReply reply = Text(Prometheus());
    reply.content_type = "text/plain; version=0.0.4";
    return reply;
  }
  if (page == "/config_dump") return JsonReply(agent_->ConfigDump());
  if (page == "/certs") return JsonReply(Certificates());
  if (page == "/identities") return JsonReply(Identities());
  if (page == "/clusters") return Text(Clusters());
  if (page == "/listeners") return Text(Listeners());
  if (page == "/server_info") return JsonReply(ServerInfo());
  if (page == "/" || page == "/help") return Text(kHelp);
  return {.status = 404, .body = Cat("unknown page ", page, "\n\n", kHelp)};
}

std::string Admin::Prometheus() {
  const NodeStats stats = node_->CollectStats();
  std::vector<Sample> samples;
  for (const auto& report : stats.workers) {
    AddTables<worker::WorkerCounters, ip::IpCounters, tcp::TcpCounters, tls::TlsCounters,
              engine::EngineCounters, packet::PacketPoolCounters>(*report, &samples);
    samples.insert(samples.end(), report->samples.begin(), report->samples.end());
  }
  for (const PortStatus& port : stats.ports) {
    const std::string labels = telemetry::Label("port", port.name);
    AddTable<nic::PortCounters>(labels, port.counters.Values(), &samples);
    samples.push_back({.name = "meltemi_port_attached",
                       .labels = labels,
                       .value = port.attached ? 1.0 : 0.0,
                       .kind = Sample::Kind::kGauge,
                       .family = {}});
  }
  AddReloads(stats.reloads, &samples);
  samples.push_back({.name = "meltemi_node_wall_clock_steps_total",
                     .labels = "",
                     .value = static_cast<double>(stats.wall_clock_steps),
                     .kind = Sample::Kind::kCounter,
                     .family = {}});
  samples.insert(samples.end(), stats.overload.begin(), stats.overload.end());
  AddAgent(agent_->Status(), &samples);
  if (identities_ != nullptr) AddIdentities(*identities_, &samples);
  std::string out;
  telemetry::Render(telemetry::Merge(std::move(samples)), &out);
  return out;
}

std::string Admin::Certificates() {
  const UnixTime now{absl::ToUnixSeconds(absl::Now())};
  if (identities_ == nullptr) return agent::CertificatesJson({}, now);
  return agent::CertificatesJson(identities_->Credentials(), now);
}

std::string Admin::Identities() {
  const UnixTime now{absl::ToUnixSeconds(absl::Now())};
  if (identities_ == nullptr) return agent::IdentitiesJson({}, now);
  return agent::IdentitiesJson(identities_->Status().identities, now);
}

std::string Admin::Clusters() {
  const NodeStats stats = node_->CollectStats();
  std::string out;
  for (const auto& report : stats.workers) {
    if (stats.workers.size() > 1) AppendTo(&out, "# worker ", report->worker, "\n");
    out += report->clusters_text;
  }
  return out;
}

std::string Admin::Listeners() {
  std::string out;
  for (const std::string& name : agent_->Status().listeners) AppendTo(&out, name, "\n");
  return out;
}

std::string Admin::ServerInfo() {
  const agent::AgentStatus status = agent_->Status();
  return Cat("{\"version\":\"meltemi-node 0.1\",\"state\":\"",
             status.snapshots > 0 ? "LIVE" : "PRE_INITIALIZING", "\",\"node\":{\"id\":\"",
             bootstrap_->node.id(), "\",\"cluster\":\"", bootstrap_->node.cluster(),
             "\"},\"workers\":", bootstrap_->workers,
             ",\"connected_to_control_plane\":", status.connected ? "true" : "false", "}\n");
}

}  // namespace meltemi::admin
