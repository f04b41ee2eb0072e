// How connections end: what their peers' last bytes, FINs and resets mean to what they carry.
#include "l7/engine/impl.h"

namespace meltemi::engine {

void Engine::Impl::OnEof(ConnId id, Ending ending, Instant now) {
  Conn* conn = conns_.Find(id);
  if (conn == nullptr) return;
  conn->eof = true;
  conn->cut = ending == Ending::kCut;
  switch (conn->kind) {
    case Conn::Kind::kHttpDown: {
      PumpDownstream(id, now);
      conn = conns_.Find(id);
      if (conn == nullptr || InTunnel(*conn)) return;
      if (conn->kind == Conn::Kind::kHttp2Down) return CarrierGone(id, now);
      // Envoy's reading of a FIN: the client has gone, nobody waits for the answer.
      DownstreamGone(id, now);
      if ((conn = conns_.Find(id)) != nullptr) EndConn(*conn, Action::Kind::kRelease);
      return;
    }
    case Conn::Kind::kHttpUp:
      return PumpUpstream(id, now);
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kHttp2Up:
      return CarrierGone(id, now);
    case Conn::Kind::kTcpDown:
    case Conn::Kind::kTcpUp:
      return TcpEof(id, now);
    case Conn::Kind::kProbe:
      return PumpProbe(id, now);
  }
}

void Engine::Impl::OnClosed(ConnId id, CloseReason reason, Instant now) {
  Conn* conn = conns_.Find(id);
  if (conn == nullptr) return;
  if (InTunnel(*conn)) return TunnelGone(*conn, reason, now);
  if (!conn->eof) conn->cut = reason != CloseReason::kFinished;
  switch (conn->kind) {
    case Conn::Kind::kHttpDown:
      if (Exchange* x = exchanges_.Find(conn->exchange);
          x != nullptr && reason == CloseReason::kOverload) {
        x->flags |= telemetry::kOverloadManager;
      }
      DownstreamGone(id, now);
      if ((conn = conns_.Find(id)) != nullptr) ForgetConn(*conn);
      return;
    case Conn::Kind::kHttpUp:
      conn->eof = conn->gone = true;
      return PumpUpstream(id, now);
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kHttp2Up:
      conn->gone = true;
      return CarrierGone(id, now);
    case Conn::Kind::kTcpDown:
    case Conn::Kind::kTcpUp:
      return TcpGone(id, reason, now);
    case Conn::Kind::kProbe:
      conn->eof = conn->gone = true;
      return PumpProbe(id, now);
  }
}

}  // namespace meltemi::engine
