// What happens when time is up.
#include "l7/engine/impl.h"

namespace meltemi::engine {

void Engine::Impl::OnTimer(Timer& timer, Instant now) {
  const auto kind = static_cast<TimerKind>(timer.kind);
  switch (kind) {
    case TimerKind::kConnIdle:
    case TimerKind::kRequestHead:
      if (Conn* conn = conns_.Find(ConnId::FromBits(timer.subject))) OnConnTimer(kind, *conn, now);
      return;
    case TimerKind::kKeepalive:
      if (Conn* conn = conns_.Find(ConnId::FromBits(timer.subject))) OnKeepaliveTimer(*conn, now);
      return;
    case TimerKind::kResponse:
    case TimerKind::kPerTry:
    case TimerKind::kStreamIdle:
    case TimerKind::kRequest:
    case TimerKind::kWait:
      if (Exchange* x = exchanges_.Find(ExchangeId::FromBits(timer.subject))) {
        OnExchangeTimer(kind, *x, now);
      }
      return;
    case TimerKind::kEjected:
      clusters_.LookAgain(*prng_, now);
      return LookAtEjected();
    case TimerKind::kHealth:
      return OnHealthTimer(static_cast<uint32_t>(timer.subject), now);
  }
}

void Engine::Impl::OnConnTimer(TimerKind kind, Conn& conn, Instant now) {
  if (kind == TimerKind::kRequestHead) {
    return RefuseWith(conn,
                      {.status = 408,
                       .body = "request header timeout",
                       .details = "request_header_timeout",
                       .flags = telemetry::kDownstreamProtocolError},
                      now);
  }
  switch (conn.kind) {
    case Conn::Kind::kHttpDown:
      return EndConn(conn, Action::Kind::kRelease);
    case Conn::Kind::kHttpUp: {
      cluster::Cluster* cluster = conn.cluster;
      cluster::Host* host = conn.host;
      EndConn(conn, Action::Kind::kRelease);
      return ServeWaiter(cluster, host, now);
    }
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kHttp2Up:
      if (conn.drain) return EndCarrier(conn, now);  // the peer never answered
      return DrainCarrier(conn);
    case Conn::Kind::kTcpDown:
      conn.tcp()->details = conn.listener_gone ? "filter_chain_is_being_removed" : "idle_timeout";
      counters_.tcp_listener_gone += conn.listener_gone;
      return EndTcp(conn.id, Action::Kind::kRelease, now);
    case Conn::Kind::kProbe:
    case Conn::Kind::kTcpUp:
      return;  // its downstream half has the timer
  }
}

void Engine::Impl::OnDurationOver(Exchange& x, Instant now) {
  if (x.tunnel) {
    x.details.Set("max_duration_timeout");
    return EndTunnel(x, Action::Kind::kRelease, now);
  }
  if (x.response_started) return AbortResponse(x, 0, "max_duration_timeout", now);
  return Reply(x,
               {.status = 408,
                .body = "downstream duration timeout",
                .details = "max_duration_timeout",
                .grpc_status = "4"},  // DEADLINE_EXCEEDED
               now);
}

void Engine::Impl::OnExchangeTimer(TimerKind kind, Exchange& x, Instant now) {
  switch (kind) {
    case TimerKind::kConnIdle:
    case TimerKind::kRequestHead:
    case TimerKind::kEjected:
    case TimerKind::kKeepalive:
    case TimerKind::kHealth:
      return;
    case TimerKind::kResponse:
      ++x.cluster->stats.rq_timeout;
      if (x.host != nullptr) ++x.host->stats.rq_timeout;
      if (x.response_started) {
        return AbortResponse(x, telemetry::kUpstreamRequestTimeout, "response_timeout", now);
      }
      if (x.host != nullptr && x.state != Exchange::State::kQueued) {
        Report(x.cluster, x.host, cluster::Outcome::kLocalFailure, now);
      }
      return Reply(x,
                   {.status = 504,
                    .body = "upstream request timeout",
                    .details = "response_timeout",
                    .flags = telemetry::kUpstreamRequestTimeout},
                   now);
    case TimerKind::kPerTry:
      ++x.cluster->stats.rq_per_try_timeout;
      if (x.host != nullptr) ++x.host->stats.rq_timeout;
      return AttemptFailed(x, AttemptFailure::kPerTryTimeout, now);
    case TimerKind::kStreamIdle:
      if (x.duration_ms != 0 && now >= x.started + Duration::Millis(x.duration_ms)) {
        return OnDurationOver(x, now);
      }
      if (x.tunnel) {
        x.flags |= telemetry::kStreamIdleTimeout;
        x.details.Set("stream_idle_timeout");
        return EndTunnel(x, Action::Kind::kRelease, now);
      }
      if (x.response_started) {
        return AbortResponse(x, telemetry::kStreamIdleTimeout, "stream_idle_timeout", now);
      }
      return Reply(x,
                   {.status = static_cast<uint16_t>(x.request_complete ? 504 : 408),
                    .body = "stream timeout",
                    .details = "stream_idle_timeout",
                    .flags = telemetry::kStreamIdleTimeout},
                   now);
    case TimerKind::kRequest:
      if (x.response_started) {
        return AbortResponse(x, telemetry::kDownstreamProtocolError, "request_overall_timeout",
                             now);
      }
      return Reply(
          x, {.status = 408, .body = "request timeout", .details = "request_overall_timeout"}, now);
    case TimerKind::kWait:
      if (x.state == Exchange::State::kWaitRetry) return StartAttempt(x, now);
      if (!AbortByFault(x, now)) BeginForward(x, now);
      return;
  }
}

}  // namespace meltemi::engine
