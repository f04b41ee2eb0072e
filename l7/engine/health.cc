// Active health checks: connections and timers for what l7/health asks. One worker of the node
// checks all hosts; the verdict goes to the board, which every worker follows.
#include <algorithm>
#include <utility>
#include <vector>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

std::string_view AlpnOf(const config::HealthCheck& config) {
  if (std::holds_alternative<config::TcpHealthCheck>(config.kind)) return "";
  const auto* http = std::get_if<config::HttpHealthCheck>(&config.kind);
  return http != nullptr && !http->http2 ? "http/1.1" : "h2";
}

}  // namespace

// What other workers have found, and what follows from it here.
void Engine::Impl::FollowBoard(Instant now) {
  closing_.clear();
  clusters_.Follow(now, &closing_);
  CloseAll(closing_);
}

// After each new configuration, and when a host has left: every member that is to be checked has a
// probe, made with the settings in force, and nobody else has one.
void Engine::Impl::LookAtChecks(Instant now) {
  if (!options_.checks_health) return;
  HostProbes old = std::exchange(probes_, {});
  for (cluster::Cluster* cluster : clusters_.ordered()) {
    const auto& config = cluster->settings().health_check;
    if (!config.has_value() || cluster->removed()) continue;
    for (size_t i = 0; i < cluster->member_count(); ++i) {
      cluster::Host* const host = cluster->hosts()[i].get();
      if (host->unchecked) continue;
      std::unique_ptr<HostProbe>& slot = probes_[host->stable_id];
      SockAddr address = host->address;
      if (host->check_port != 0) address.port = host->check_port;
      const uint32_t tls = cluster->TlsOf(*host).settings;
      if (const auto known = old.find(host->stable_id); known != old.end()) {
        HostProbe& probe = *known->second;
        if (probe.config == *config && probe.address == address && probe.tls == tls) {
          slot = std::move(known->second);
          old.erase(known);
          slot->cluster = cluster;
          slot->host = host;
          continue;
        }
      }
      const bool failed = (host->flags & cluster::kFailedActiveCheck) != 0;
      slot = std::make_unique<HostProbe>(*config, failed, static_cast<uint8_t>(TimerKind::kHealth),
                                         host->stable_id);
      slot->cluster = cluster;
      slot->host = host;
      slot->address = address;
      slot->tls = tls;
      timers_->Schedule(&slot->timer, now + health::FirstWait(*config, *prng_));
    }
  }
  for (auto& [id, probe] : old) EndProbe(*probe);
}

void Engine::Impl::EndProbe(HostProbe& probe) {
  timers_->Cancel(&probe.timer);
  if (Conn* conn = conns_.Find(probe.conn)) EndConn(*conn, Action::Kind::kAbort);
}

HostProbe* Engine::Impl::ProbeOf(const Conn& conn) {
  const auto found = probes_.find(std::get<ProbeHalf>(conn.part).host);
  return found == probes_.end() || found->second->conn != conn.id ? nullptr : found->second.get();
}

void Engine::Impl::OnHealthTimer(uint32_t host, Instant now) {
  const auto found = probes_.find(host);
  if (found == probes_.end()) return;
  HostProbe& probe = *found->second;
  if (!probe.asking) return AskHost(probe, now);
  FinishCheck(probe, health::Result::kTimeout, now);
}

void Engine::Impl::AskHost(HostProbe& probe, Instant now) {
  ++probe.cluster->health_stats.attempt;
  probe.asking = true;
  timers_->Schedule(&probe.timer, now + probe.config.timeout);
  if (Conn* conn = conns_.Find(probe.conn)) return BeginCheck(probe, *conn, now);
  Action action;
  const bool said = MakeProxyHeader(*probe.cluster, nullptr, &action.bytes);
  const ConnId id = said ? conns_.Emplace(Conn::Kind::kProbe, now) : ConnId{};
  if (!id.valid()) {
    ++counters_.upstream_refused;
    return FinishCheck(probe, health::Result::kNetwork, now);
  }
  Conn& conn = conns_[id];
  conn.id = probe.conn = id;
  conn.remote = probe.address;
  conn.part.emplace<ProbeHalf>(ProbeHalf{.host = probe.host->stable_id});
  action.kind = Action::Kind::kConnect;
  action.conn = id;
  action.address = probe.address;
  action.connect_timeout =
      std::min(probe.config.timeout, probe.cluster->settings().connect_timeout);
  action.tls = probe.tls;
  action.alpn = AlpnOf(probe.config);
  engine_->actions_.push_back(std::move(action));
}

void Engine::Impl::ProbeConnected(Conn& conn, Instant now) {
  HostProbe* const probe = ProbeOf(conn);
  if (probe == nullptr) return;
  const health::Probe::Options options{.authority = probe->cluster->settings().name,
                                       .secure = probe->tls != config::kNoTls};
  probe->probe = std::make_unique<health::Probe>(probe->config, options, pool_, &hpack_memory_);
  BeginCheck(*probe, conn, now);
}

void Engine::Impl::BeginCheck(HostProbe& probe, Conn& conn, Instant now) {
  const std::optional<health::Result> result = probe.probe->Begin(now);
  Write(conn, probe.probe->TakeOutput());
  if (result.has_value()) FinishCheck(probe, *result, now);
}

// Bytes, FIN or the end of its connection.
void Engine::Impl::PumpProbe(ConnId id, Instant now) {
  Conn* conn = conns_.Find(id);
  HostProbe* const probe = conn == nullptr ? nullptr : ProbeOf(*conn);
  if (probe == nullptr || probe->probe == nullptr) {
    if (conn != nullptr && conn->gone) ForgetConn(*conn);
    return;
  }
  const size_t before = conn->in.size();
  std::optional<health::Result> result = probe->probe->OnBytes(&conn->in, now);
  Consume(*conn, before - conn->in.size());
  if (!conn->eof) Write(*conn, probe->probe->TakeOutput());
  if (!result.has_value() && conn->eof) {
    result = conn->cut ? health::Result::kNetwork : probe->probe->OnEof();
  }
  if (result.has_value()) return FinishCheck(*probe, *result, now);
  if (conn->eof || (!probe->asking && !probe->probe->reusable())) DropProbeConn(*probe);
}

void Engine::Impl::ProbeConnectFailed(Conn& conn, Instant now) {
  HostProbe* const probe = ProbeOf(conn);
  ForgetConn(conn);
  if (probe == nullptr) return;
  probe->conn = ConnId{};
  FinishCheck(*probe, health::Result::kNetwork, now);
}

void Engine::Impl::DropProbeConn(HostProbe& probe) {
  if (Conn* conn = conns_.Find(probe.conn)) {
    EndConn(*conn, probe.asking ? Action::Kind::kAbort : Action::Kind::kRelease);
  }
  probe.conn = ConnId{};
  probe.probe.reset();
}

void Engine::Impl::FinishCheck(HostProbe& probe, health::Result result, Instant now) {
  cluster::HealthStats& stats = probe.cluster->health_stats;
  ++(health::Passed(result) ? stats.success : stats.failure);
  if (health::NoAnswer(result)) ++stats.network_failure;
  // What timed out, or is broken, is aborted: `asking` still says so.
  const Conn* const conn = conns_.Find(probe.conn);
  const bool keep = conn != nullptr && !conn->eof && !health::NoAnswer(result) &&
                    probe.probe != nullptr && probe.probe->reusable();
  if (!health::NoAnswer(result)) probe.asking = false;
  if (!keep) DropProbeConn(probe);
  probe.asking = false;
  const health::Check::Outcome outcome =
      probe.check.Count(probe.config, result, probe.cluster->used(), *prng_);
  timers_->Schedule(&probe.timer, now + outcome.wait);
  if (outcome.changed) {
    probe.cluster->SetChecked(probe.host, probe.check.failed(), probe.check.degraded());
  }
  const bool back = health::Passed(result) && probe.cluster->PassedCheck(probe.host, now);
  if (!outcome.changed && !back) return;
  FollowBoard(now);
  if (probe.host->removed) LookAtChecks(now);  // it was kept only for its checks
}

}  // namespace meltemi::engine
