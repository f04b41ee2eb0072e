#include "l7/engine/engine.h"

#include <algorithm>
#include <utility>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

AttemptFailure FailureOf(ConnectError error) {
  switch (error) {
    case ConnectError::kTimeout:
      return AttemptFailure::kConnectTimeout;
    case ConnectError::kTls:
      return AttemptFailure::kTls;
    case ConnectError::kTlsUntrusted:
      return AttemptFailure::kTlsUntrusted;
    case ConnectError::kTlsName:
      return AttemptFailure::kTlsName;
    case ConnectError::kRefused:
    case ConnectError::kUnreachable:
    case ConnectError::kNoResources:
      return AttemptFailure::kConnect;
  }
  return AttemptFailure::kConnect;
}

}  // namespace

Engine::Engine(const EngineOptions& options, BufferPool* pool, TimerWheel* timers, Prng* prng)
    : impl_(std::make_unique<Impl>(this, options, pool, timers, prng)) {}
Engine::~Engine() = default;

void Engine::UseSnapshot(const config::Snapshot* s, Instant now) {
  impl_->UseSnapshot(s, now);
  impl_->Settle(now);
}
void Engine::FollowBoard(Instant now) {
  if (!impl_->BoardChanged()) return;
  impl_->FollowBoard();
  impl_->Settle(now);
}
Engine::Pick Engine::PickEndpoint(uint32_t cluster, SockAddr* endpoint) {
  return impl_->PickEndpoint(cluster, endpoint);
}
uint64_t Engine::oldest_snapshot() const { return impl_->oldest_snapshot(); }
ConnId Engine::OnAccept(const Accepted& a, Instant now) {
  const ConnId id = impl_->OnAccept(a, now);
  impl_->Settle(now);
  return id;
}
void Engine::OnBytes(ConnId conn, Chain bytes, Instant now) {
  impl_->OnBytes(conn, std::move(bytes), now);
  impl_->Settle(now);
}
void Engine::OnEof(ConnId conn, Instant now) {
  impl_->OnEof(conn, now);
  impl_->Settle(now);
}
void Engine::OnClosed(ConnId conn, CloseReason reason, Instant now) {
  impl_->OnClosed(conn, reason, now);
  impl_->Settle(now);
}
void Engine::OnSendQueue(ConnId conn, bool has_space, Instant now) {
  impl_->OnSendQueue(conn, has_space, now);
  impl_->Settle(now);
}
void Engine::OnConnected(ConnId conn, const Connected& connected, Instant now) {
  impl_->OnConnected(conn, connected, now);
  impl_->Settle(now);
}
void Engine::CountDownstreamTls(uint32_t listener, const telemetry::TlsOutcome& outcome) {
  impl_->CountDownstreamTls(listener, outcome);
}
void Engine::CountUpstreamTls(ConnId conn, const telemetry::TlsOutcome& outcome) {
  impl_->CountUpstreamTls(conn, outcome);
}
void Engine::OnConnectFailed(ConnId conn, ConnectError error, Instant now) {
  impl_->OnConnectFailed(conn, error, now);
  impl_->Settle(now);
}
void Engine::OnTimer(Timer& timer, Instant now) {
  impl_->OnTimer(timer, now);
  impl_->Settle(now);
}
void Engine::SetWallClock(WallClock clock) { impl_->SetWallClock(clock); }
void Engine::SetOverload(policy::OverloadActions actions) { impl_->SetOverload(actions); }
void Engine::Drain(Instant now) {
  impl_->Drain();
  impl_->Settle(now);
}
uint32_t Engine::conn_count() const { return impl_->conn_count(); }
uint32_t Engine::exchange_count() const { return impl_->exchange_count(); }
void Engine::AppendSamples(std::vector<telemetry::Sample>* out) const { impl_->AppendSamples(out); }
void Engine::AppendClusters(std::string* out) const { impl_->AppendClusters(out); }

Engine::Impl::Impl(Engine* engine, const EngineOptions& options, BufferPool* pool,
                   TimerWheel* timers, Prng* prng)
    : engine_(engine),
      options_(options),
      wall_clock_(options.wall_clock),
      pool_(pool),
      timers_(timers),
      prng_(prng),
      counters_(engine->counters_),
      conns_(options.conn_count_max),
      exchanges_(options.exchange_count_max),
      clusters_(options.board),
      rate_limits_(clusters_.board()) {}

Engine::Impl::~Impl() {
  exchanges_.ForEach([this](ExchangeId, Exchange& x) {
    for (Timer* const timer : x.timers()) timers_->Cancel(timer);
  });
  conns_.ForEach([this](ConnId, Conn& conn) { timers_->Cancel(&conn.timer); });
  timers_->Cancel(&ejected_timer_);
  for (auto& [id, probe] : probes_) timers_->Cancel(&probe->timer);
  engine_->actions_.clear();
}

// Actions and tables.

void Engine::Impl::Emit(Action::Kind kind, ConnId conn) {
  Action action;
  action.kind = kind;
  action.conn = conn;
  engine_->actions_.push_back(std::move(action));
}

void Engine::Impl::Write(Conn& conn, Chain bytes) {
  if (bytes.empty()) return;
  if (conn.is_stream()) return WriteStream(conn, std::move(bytes));
  if (conn.gone) return;
  if (conn.cluster != nullptr) conn.cluster->stats.cx_tx_bytes_total += bytes.size();
  Action action;
  action.kind = Action::Kind::kWrite;
  action.conn = conn.id;
  action.bytes = std::move(bytes);
  engine_->actions_.push_back(std::move(action));
}

void Engine::Impl::Consume(Conn& conn, size_t byte_count) {
  if (byte_count == 0) return;
  if (conn.is_stream()) {
    Conn* const carrier = conns_.Find(conn.carrier);
    if (carrier == nullptr) return;
    carrier->http2->session.Consumed(conn.stream, byte_count);
    if (carrier->http2->session.HasOutput(carrier->has_space)) FlushLater(*carrier);
    return;
  }
  if (conn.gone) return;
  Action action;
  action.kind = Action::Kind::kConsumed;
  action.conn = conn.id;
  action.byte_count = static_cast<uint32_t>(byte_count);
  engine_->actions_.push_back(std::move(action));
}

void Engine::Impl::EndConn(Conn& conn, Action::Kind kind) {
  if (conn.is_stream()) {
    EndStream(conn, kind);
    return ForgetConn(conn);
  }
  if (!conn.gone) {
    if (conn.cluster != nullptr) ++conn.cluster->stats.cx_destroy_local;
    Emit(kind, conn.id);
  }
  ForgetConn(conn);
}

void Engine::Impl::ForgetConn(Conn& conn) {
  timers_->Cancel(&conn.timer);
  if (conn.host != nullptr && !conn.is_stream()) {
    RemoveIdle(conn);
    if (conn.kind == Conn::Kind::kHttp2Up) RemoveCarrier(conn);
    --conn.host->cx_active;
    if (conn.kind == Conn::Kind::kTcpUp) --conn.host->rq_active;
    conn.cluster->cx_active.Leave();
  }
  if (conn.listener_gone) Unpin(conn.snapshot);
  if (conn.certified != nullptr) Unshare(conn.certified);
  if (conn.admitted) LeaveConnection();
  rate_limits_.ForgetConnection(conn.id.bits());
  conns_.Erase(conn.id);
}

void Engine::Impl::Pin(const config::Snapshot* snapshot) {
  for (auto& [pinned, count] : pins_) {
    if (pinned == snapshot) {
      ++count;
      return;
    }
  }
  pins_.emplace_back(snapshot, 1);
}

void Engine::Impl::Unpin(const config::Snapshot* snapshot) {
  for (auto& [pinned, count] : pins_) {
    if (pinned == snapshot) --count;
  }
  std::erase_if(pins_, [](const auto& pin) { return pin.second == 0; });
}

uint64_t Engine::Impl::oldest_snapshot() const {
  uint64_t oldest = snapshot_ == nullptr ? 0 : snapshot_->sequence;
  for (const auto& [snapshot, count] : pins_) oldest = std::min(oldest, snapshot->sequence);
  return oldest;
}

// Events.

// What pipelined requests waited for; then what sessions have to say, once for all of it.
void Engine::Impl::Settle(Instant now) {
  while (!ready_.empty() || !flush_.empty()) {
    auto& list = ready_.empty() ? flush_ : ready_;
    const ConnId id = list.back();
    list.pop_back();
    if (&list == &ready_) {
      PumpDownstream(id, now);
    } else {
      Flush(id, now);
    }
  }
}

ConnId Engine::Impl::OnAccept(const Accepted& accepted, Instant now) {
  if (!AdmitConnection()) return {};
  CHECK(snapshot_ != nullptr && accepted.listener < snapshot_->listeners.size());
  const config::Listener& listener = snapshot_->listeners[accepted.listener];
  const bool http = std::holds_alternative<config::HttpManager>(listener.filter);
  const ConnId id = conns_.Emplace(http ? Conn::Kind::kHttpDown : Conn::Kind::kTcpDown, now);
  if (!id.valid()) {
    ++counters_.downstream_refused;
    LeaveConnection();
    return id;
  }
  ++counters_.downstream_accepted;
  Conn& conn = conns_[id];
  conn.admitted = true;
  conn.id = id;
  conn.timer.subject = id.bits();
  conn.connected = true;
  conn.local = accepted.local;
  conn.remote = accepted.remote;
  conn.listener = accepted.listener;
  conn.listener_name = listener.name;
  conn.snapshot = snapshot_;
  conn.drain = draining_;
  conn.secure = accepted.secure;
  LearnClient(conn, accepted);
  if (!accepted.sni.empty()) {
    conn.sni = std::make_unique<const std::string>(accepted.sni);
  }
  if (http) {
    if (LimitConnection(listener, now)) {
      EndConn(conn, Action::Kind::kAbort);
      return id;
    }
    const config::HttpManager& manager = ManagerOf(conn);
    conn.part.emplace<RequestReader>(
        pool_, http1::HeadLimits{.header_bytes_max = manager.header_bytes_max,
                                 .header_count_max = manager.header_count_max});
    AwaitRequest(conn, now);
    const bool automatic = manager.codec == config::HttpCodec::kAuto;
    conn.sniff = automatic && accepted.alpn.empty();
    if (manager.codec == config::HttpCodec::kHttp2 || (automatic && accepted.alpn == "h2")) {
      BecomeHttp2(conn);
    }
  } else {
    BeginTcp(conn, now);
  }
  return id;
}

void Engine::Impl::OnBytes(ConnId id, Chain bytes, Instant now) {
  Conn* conn = conns_.Find(id);
  if (conn == nullptr || bytes.empty()) return;
  if (conn->cluster != nullptr) conn->cluster->stats.cx_rx_bytes_total += bytes.size();
  conn->in.Append(std::move(bytes));
  if (conn->sniff && !Sniff(*conn)) return;
  switch (conn->kind) {
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kHttp2Up:
      return PumpHttp2(id, now);
    case Conn::Kind::kHttpDown:
      return PumpDownstream(id, now);
    case Conn::Kind::kHttpUp:
      return PumpUpstream(id, now);
    case Conn::Kind::kTcpDown:
    case Conn::Kind::kTcpUp:
      return PumpTcp(id, now);
    case Conn::Kind::kProbe:
      return PumpProbe(id, now);
  }
}

void Engine::Impl::OnEof(ConnId id, Instant now) {
  Conn* conn = conns_.Find(id);
  if (conn == nullptr) return;
  conn->eof = true;
  switch (conn->kind) {
    case Conn::Kind::kHttpDown: {
      PumpDownstream(id, now);
      conn = conns_.Find(id);
      if (conn == nullptr || InTunnel(*conn)) return;
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

void Engine::Impl::OnSendQueue(ConnId id, bool has_space, Instant now) {
  Conn* conn = conns_.Find(id);
  if (conn == nullptr) return;
  conn->has_space = has_space;
  if (has_space) SendSpace(*conn, now);
}

// It takes bytes again: who has some for it goes on.
void Engine::Impl::SendSpace(Conn& conn, Instant now) {
  conn.has_space = true;
  switch (conn.kind) {
    case Conn::Kind::kHttpDown:
      if (Exchange* x = exchanges_.Find(conn.exchange); x != nullptr && x->up.valid()) {
        PumpUpstream(x->up, now);
      }
      return;
    case Conn::Kind::kHttpUp:
      if (Exchange* x = exchanges_.Find(conn.exchange)) PumpDownstream(x->down, now);
      return;
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kHttp2Up:
      return FlushLater(conn);
    case Conn::Kind::kTcpDown:
    case Conn::Kind::kTcpUp:
      return PumpTcp(conn.peer, now);
    case Conn::Kind::kProbe:
      return;  // what it sends is small
  }
}

void Engine::Impl::OnConnected(ConnId id, const Connected& connected, Instant now) {
  Conn* up = conns_.Find(id);
  if (up == nullptr) return;
  up->connected = true;
  up->local = connected.local;
  if (up->kind == Conn::Kind::kProbe) return ProbeConnected(*up, now);
  LearnServer(*up, connected);
  UpstreamConnected(*up, now);
}

void Engine::Impl::OnConnectFailed(ConnId id, ConnectError error, Instant now) {
  Conn* up = conns_.Find(id);
  if (up == nullptr) return;
  if (up->kind == Conn::Kind::kProbe) return ProbeConnectFailed(*up, now);
  ++up->cluster->stats.cx_connect_fail;
  ++up->host->stats.cx_connect_fail;
  if (error == ConnectError::kTimeout) ++up->cluster->stats.cx_connect_timeout;
  const Conn::Kind kind = up->kind;
  const ConnId peer = up->peer;
  const ExchangeId exchange = up->exchange;
  const uint32_t owner = up->identity;
  cluster::Cluster* cluster = up->cluster;
  cluster::Host* host = up->host;
  ForgetConn(*up);
  if (kind == Conn::Kind::kTcpUp) {
    Report(cluster, host, cluster::Outcome::kLocalFailure, now);
    return TcpConnectFailed(peer, error, now);
  }
  if (kind == Conn::Kind::kHttp2Up) {
    CarrierFailed(host, owner, FailureOf(error), now);
    return ServeWaiter(cluster, host, now);
  }
  if (Exchange* x = exchanges_.Find(exchange)) {
    x->up = ConnId{};
    AttemptFailed(*x, FailureOf(error), now);
  }
  ServeWaiter(cluster, host, now);
}

void Engine::Impl::Drain() {
  draining_ = true;
  std::vector<ConnId> idle;
  conns_.ForEach([&](ConnId id, Conn& conn) {
    conn.drain = true;
    if (conn.kind == Conn::Kind::kHttp2Down) return DrainCarrier(conn);
    if (conn.is_stream()) return;
    if (conn.kind == Conn::Kind::kHttpDown && !conn.exchange.valid() && conn.in.empty()) {
      idle.push_back(id);
    }
  });
  for (const ConnId id : idle) EndConn(conns_[id], Action::Kind::kRelease);
}

}  // namespace meltemi::engine
