// Opaque TCP: two connections and the bytes between them. A FIN goes through as a FIN (the other
// direction goes on), a reset as a reset, a stream of TLS that was cut as a reset after its bytes;
// bytes wait in Conn::in while the other side cannot take them.
#include <algorithm>
#include <utility>

#include "l7/engine/impl.h"
#include "l7/route/hash.h"

namespace meltemi::engine {

void Engine::Impl::BeginTcp(Conn& down, Instant now) {
  ++counters_.tcp_proxied;
  down.part.emplace<TcpHalf>();
  const auto& proxy = std::get<config::TcpProxy>(ListenerOf(down).filter);
  const config::WeightedCluster& target =
      route::PickCluster(proxy.clusters, proxy.total_weight, *prng_);
  down.tcp()->cluster_name = target.name;
  if (target.cluster != config::kNoIndex) {
    down.tcp()->cluster_id = down.snapshot->clusters[target.cluster].stable_id;
    down.tcp()->cluster_known = true;
  }
  if (!proxy.idle_timeout.zero()) {
    down.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
    timers_->Schedule(&down.timer, now + proxy.idle_timeout);
  }
  if (LimitConnection(ListenerOf(down), now)) {
    return FailTcp(down, telemetry::kRateLimited, "local_ratelimit_close_over_limit", now);
  }
  if (!proxy.rbac.empty() &&
      !PermitTcp(down, proxy.rbac, PeerOf(down), down.local, SniOf(down), Asked::kFirst, now)) {
    return;
  }
  ConnectTcp(down.id, now);
}

void Engine::Impl::ConnectTcp(ConnId id, Instant now) {
  Conn& down = conns_[id];
  cluster::Cluster* cluster =
      down.tcp()->cluster_known ? clusters_.Find(down.tcp()->cluster_id) : nullptr;
  if (cluster == nullptr || cluster->removed()) {
    return FailTcp(down, telemetry::kNoClusterFound, "cluster_not_found", now);
  }
  if (!cluster->cx_active.TryEnter()) {
    ++cluster->stats.cx_overflow;
    return FailTcp(down, telemetry::kUpstreamOverflow, "upstream_overflow", now);
  }
  cluster::Cluster::PickOptions options{.original_destination = down.local, .now = now};
  if (std::get<config::TcpProxy>(ListenerOf(down).filter).hash_source_ip &&
      config::IsConsistent(cluster->settings().lb)) {
    options.hash = route::HashOfIp(down.remote.ip);
  }
  cluster::Host* host = cluster->Pick(options, *prng_);
  if (host == nullptr) {
    cluster->cx_active.Leave();
    return FailTcp(down, telemetry::kNoHealthyUpstream, "no_healthy_upstream", now);
  }
  if (!down.snapshot->guarded.empty() &&
      !PermitTcpAttempt(down, *cluster, *host, Asked::kFirst, now)) {
    cluster->cx_active.Leave();
    return;
  }
  ++down.tcp()->attempt_count;
  down.tcp()->upstream_remote = host->address;
  const ConnId up =
      OpenUpstream(cluster, host, Conn::Kind::kTcpUp, &down, OwnerOf(*cluster, *host, down), now);
  if (!up.valid()) {
    return FailTcp(down, telemetry::kUpstreamOverflow, "upstream_overflow", now);
  }
  down.peer = up;
  conns_[up].peer = id;
}

void Engine::Impl::TcpConnectFailed(ConnId id, ConnectError error, Instant now) {
  Conn* down = conns_.Find(id);
  if (down == nullptr) return;
  down->peer = ConnId{};
  const auto& proxy = std::get<config::TcpProxy>(ListenerOf(*down).filter);
  if (down->tcp()->attempt_count < proxy.connect_attempt_count_max) return ConnectTcp(id, now);
  const uint32_t limit =
      proxy.connect_attempt_count_max > 1 ? uint32_t{telemetry::kUpstreamRetryLimitExceeded} : 0;
  FailTcp(*down, telemetry::kUpstreamConnectionFailure | limit,
          error == ConnectError::kTimeout
              ? "upstream_reset_before_response_started{connection_timeout}"
              : "upstream_reset_before_response_started{connection_failure}",
          now);
}

// A new configuration. As Envoy does, a connection whose listener or filter chain is gone has some
// time left; unlike it, one whose rules have changed goes on where they let it, and ends at once
// where they do not.
void Engine::Impl::FollowTcp(Conn& down, Instant now) {
  if (down.listener_gone) {
    down.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
    return timers_->Schedule(&down.timer, now + limits::kListenerDrainTime);
  }
  const auto& proxy = std::get<config::TcpProxy>(ListenerOf(down).filter);
  const Conn* const up = conns_.Find(down.peer);
  const bool permitted =
      (proxy.rbac.empty() ||
       PermitTcp(down, proxy.rbac, PeerOf(down), down.local, SniOf(down), Asked::kAgain, now)) &&
      (down.snapshot->guarded.empty() || up == nullptr || up->host == nullptr ||
       PermitTcpAttempt(down, *up->cluster, *up->host, Asked::kAgain, now));
  counters_.tcp_denied_later += !permitted;
}

void Engine::Impl::FailTcp(Conn& down, uint32_t flag, std::string_view details, Instant now) {
  down.tcp()->flags |= flag;
  down.tcp()->details = details;
  EndTcp(down.id, Action::Kind::kAbort, now);
}

// Moves what has come from one half to the other, then its FIN.
void Engine::Impl::PumpTcp(ConnId from_id, Instant now) {
  Conn* from = conns_.Find(from_id);
  if (from == nullptr) return;
  Conn* to = conns_.Find(from->peer);
  if (to == nullptr || !to->connected || !to->has_space) return;
  Conn& down = from->kind == Conn::Kind::kTcpDown ? *from : *to;
  if (!from->in.empty()) {
    const size_t size = from->in.size();
    (from == &down ? down.tcp()->bytes_received : down.tcp()->bytes_sent) += size;
    Consume(*from, size);
    PassOn(*to, std::move(from->in));
    const Duration limit = std::get<config::TcpProxy>(ListenerOf(down).filter).idle_timeout;
    if (!limit.zero() && !down.listener_gone) timers_->Schedule(&down.timer, now + limit);
  }
  if (!from->eof || to->finished) return;
  if (from->cut) return TcpCut(down, *from, now);
  to->finished = true;
  if (from->finished) return EndTcp(down.id, Action::Kind::kRelease, now);
  Emit(Action::Kind::kFinish, to->id);
}

// Its peer may have had more to say: the other side must not take this for the end.
void Engine::Impl::TcpCut(Conn& down, const Conn& from, Instant now) {
  down.tcp()->flags |= &from == &down ? telemetry::kDownstreamConnectionTermination
                                      : telemetry::kUpstreamConnectionTermination;
  down.tcp()->details = &from == &down
                            ? "downstream_remote_disconnect"
                            : "upstream_reset_after_response_started{connection_termination}";
  EndTcp(down.id, Action::Kind::kReset, now);
}

void Engine::Impl::PassOn(Conn& to, Chain bytes) {
  if (to.gone) return;
  Write(to, std::move(bytes));
  engine_->actions_.back().passed_on = true;
}

void Engine::Impl::TcpEof(ConnId id, Instant now) { PumpTcp(id, now); }

void Engine::Impl::TcpGone(ConnId id, CloseReason reason, Instant now) {
  Conn& conn = conns_[id];
  conn.gone = true;
  const ConnId down = conn.kind == Conn::Kind::kTcpDown ? id : conn.peer;
  Action::Kind kind = Action::Kind::kAbort;
  switch (reason) {
    case CloseReason::kFinished:
      // Its peer may hold back: what has come goes there first, and PumpTcp ends both then.
      if (const Conn* peer = conns_.Find(conn.peer); peer != nullptr && !peer->gone) {
        if (!conn.in.empty()) return;
      }
      kind = Action::Kind::kRelease;
      break;
    case CloseReason::kPeerReset:
    case CloseReason::kTimeout:
    case CloseReason::kPortGone:
    case CloseReason::kShutdown:
      break;
    case CloseReason::kOverload:
      if (Conn* d = conns_.Find(down)) {
        d->tcp()->flags |= telemetry::kOverloadManager;
        d->tcp()->details = "overload";
      }
      break;
  }
  EndTcp(down, kind, now);
}

void Engine::Impl::CountTcp(const Conn& down) {
  const TcpHalf& half = std::get<TcpHalf>(down.part);
  RequestStats::Pair pair{.source = down.source.view(),
                          .cluster = half.cluster_name,
                          .source_principal = {down.principal, PrincipalText(down.principal)},
                          .destination_principal = {0, PrincipalText(0)}};
  if (const Conn* up = conns_.Find(down.peer)) {
    pair.destination_principal = {up->principal, PrincipalText(up->principal)};
    pair.security = SecurityOf(*up);
  }
  AsServer(ListenerOf(down), down, &pair);
  const bool counted = stats_.Count(RequestStats::Connection{.pair = pair,
                                                             .flags = half.flags,
                                                             .bytes_received = half.bytes_received,
                                                             .bytes_sent = half.bytes_sent});
  if (!counted) ++counters_.series_refused;
}

void Engine::Impl::EndTcp(ConnId id, Action::Kind kind, Instant now) {
  Conn& down = conns_[id];
  const auto& proxy = std::get<config::TcpProxy>(ListenerOf(down).filter);
  if (!proxy.access_logs.empty()) {
    telemetry::AccessRecord& record = engine_->records_.emplace_back();
    record.tcp = true;
    record.start_unix_nanos = wall_clock_.UnixNanos(down.opened);
    record.duration = now - down.opened;
    record.upstream_service_time = Duration::Nanos(-1);
    record.snapshot_sequence = down.snapshot->sequence;
    record.listener = down.listener;
    record.response_flags = down.tcp()->flags;
    record.attempt_count = static_cast<uint8_t>(std::min(down.tcp()->attempt_count, 255u));
    record.bytes_received = down.tcp()->bytes_received;
    record.bytes_sent = down.tcp()->bytes_sent;
    record.downstream_remote = down.remote;
    record.downstream_local = down.local;
    record.upstream_host = down.tcp()->upstream_remote;
    record.upstream_local = down.tcp()->upstream_local;
    record.response_code_details.Set(down.tcp()->details);
    record.upstream_cluster.Set(down.tcp()->cluster_name);
    record.source_workload.Set(down.source.view());
    if (proxy.logs_peers) {
      std::unique_ptr<telemetry::PeersRecord> peers = PeersOf(down);
      if (const Conn* up = conns_.Find(down.peer)) AddUpstream(*up, PeerOf(*up), &peers);
      record.peers = std::move(peers);
    }
  }
  CountTcp(down);
  if (Conn* up = conns_.Find(down.peer)) EndConn(*up, kind);
  EndConn(down, kind);
}

}  // namespace meltemi::engine
