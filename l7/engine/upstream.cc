// Upstream connections: opened for a request, kept in their host's idle list between requests,
// closed when either side wants; and what responses bring on them.
#include <algorithm>
#include <utility>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

// What a TLS server is told that we will speak (RFC 7301); of opaque TCP we know nothing.
std::string_view AlpnOf(Conn::Kind kind) {
  switch (kind) {
    case Conn::Kind::kHttpUp:
      return "http/1.1";
    case Conn::Kind::kHttp2Up:
      return "h2";
    case Conn::Kind::kTcpUp:
    case Conn::Kind::kHttpDown:
    case Conn::Kind::kTcpDown:
    case Conn::Kind::kHttp2Down:
    case Conn::Kind::kProbe:
      return "";
  }
  return "";
}

}  // namespace

using http1::Event;

// A connection for the attempt: the most recently used idle one (its window is open, and the rest
// may time out) or a stream of one that speaks HTTP/2, else a new one, else a place in the queue.
// False: the breaker allows none of them.
bool Engine::Impl::AttachUpstream(Exchange& x, Instant now) {
  cluster::Host* host = x.host;
  cluster::Cluster* cluster = x.cluster;
  const bool http2 = cluster->settings().http2.has_value();
  const uint32_t owner = OwnerOf(*cluster, *host, conns_[x.down]);
  if (http2) {
    if (Conn* const carrier = FindCarrier(host, owner)) return OpenStream(x, *carrier, now);
  } else if (Conn* const up = x.raced ? nullptr : FindIdle(*host, owner)) {
    EndWait(x);
    RemoveIdle(*up);
    BindUpstream(x, *up);
    WriteRequest(x, now);
    return true;
  }
  const bool waited = x.pending;  // it keeps its place: in this count and in the queue
  if (!waited) {
    if (!cluster->rq_pending.TryEnter()) {
      ++cluster->stats.rq_pending_overflow;
      return false;
    }
    x.pending = true;
    ++cluster->stats.rq_pending_total;
  }
  bool queued = http2;  // until a stream of the connection asked for can be opened
  if (http2) {
    if (!WantCarrier(cluster, host, owner, now)) return false;
  } else {
    queued = !EnterConnection(cluster, host, owner);
  }
  if (queued) {
    x.state = Exchange::State::kQueued;
    if (waited) {
      host->waiting.push_front(x.id.bits());
    } else {
      host->waiting.push_back(x.id.bits());
    }
    return true;
  }
  const ConnId id = OpenUpstream(cluster, host, Conn::Kind::kHttpUp, &conns_[x.down], owner, now);
  if (!id.valid()) return false;
  BindUpstream(x, conns_[id]);
  x.state = Exchange::State::kConnecting;
  return true;
}

// A connection of the breaker's for OpenUpstream. False: wait for one that the host has. Whoever
// has none there goes beyond the limit rather than wait for nothing (Envoy), here as there one per
// host and worker: what other workers have is of no use to it.
bool Engine::Impl::EnterConnection(cluster::Cluster* cluster, cluster::Host* host, uint32_t owner) {
  if (cluster->cx_active.TryEnter()) return true;
  if (owner != 0 && !host->idle.empty()) {
    EndConn(conns_[host->idle.front()], Action::Kind::kRelease);  // another's, or raced
    if (cluster->cx_active.TryEnter()) return true;
  }
  ++cluster->stats.cx_overflow;
  if (host->cx_active > 0) return false;
  cluster->cx_active.Enter();
  return true;
}

// It waits for no connection any more.
void Engine::Impl::EndWait(Exchange& x) {
  if (!x.pending) return;
  x.pending = false;
  x.cluster->rq_pending.Leave();
}

void Engine::Impl::BindUpstream(Exchange& x, Conn& up) {
  timers_->Cancel(&up.timer);
  x.up = up.id;
  up.exchange = x.id;
}

uint32_t Engine::Impl::OwnerOf(const cluster::Cluster& cluster, const cluster::Host& host,
                               const Conn& down) {
  return cluster.TlsOf(host).by_source ? down.identity : 0;
}

// The most recently used; null: none of the owner's. Without owners, the last is the first tried.
Conn* Engine::Impl::FindIdle(const cluster::Host& host, uint32_t owner) {
  for (auto id = host.idle.rbegin(); id != host.idle.rend(); ++id) {
    if (conns_[*id].identity == owner) return &conns_[*id];
  }
  return nullptr;
}

ConnId Engine::Impl::OpenUpstream(cluster::Cluster* cluster, cluster::Host* host, Conn::Kind kind,
                                  const Conn* down, uint32_t owner, Instant now) {
  Action action;
  const bool said = MakeProxyHeader(*cluster, down, &action.bytes);
  const ConnId id = said ? conns_.Emplace(kind, now) : ConnId{};
  if (!id.valid()) {
    ++counters_.upstream_refused;
    cluster->cx_active.Leave();
    return id;
  }
  ++counters_.upstream_opened;
  Conn& up = conns_[id];
  up.id = id;
  up.timer.subject = id.bits();
  up.remote = host->address;
  up.cluster = cluster;
  up.host = host;
  cluster->MarkUsed();
  ++cluster->stats.cx_total;
  ++host->cx_active;
  ++host->stats.cx_total;
  if (kind == Conn::Kind::kTcpUp) ++host->rq_active;  // the load that the balancer sees
  if (kind == Conn::Kind::kHttpUp) up.part.emplace<ResponseReader>(pool_, http1::HeadLimits{});
  action.kind = Action::Kind::kConnect;
  action.conn = id;
  action.address = host->address;
  action.connect_timeout = cluster->settings().connect_timeout;
  action.tls = up.tls = cluster->TlsOf(*host).settings;
  up.identity = owner;
  if (owner != 0) action.source = identities_[owner - 1]->peer.principal;
  action.alpn = AlpnOf(kind);
  engine_->actions_.push_back(std::move(action));
  return id;
}

void Engine::Impl::UpstreamConnected(Conn& up, Instant now) {
  if (up.kind == Conn::Kind::kTcpUp) {
    const ConnId down = up.peer, id = up.id;
    Report(up.cluster, up.host, cluster::Outcome::kSuccess, now);
    if (Conn* client = conns_.Find(down)) client->tcp()->upstream_local = up.local;
    PumpTcp(down, now);
    PumpTcp(id, now);
    return;
  }
  if (up.kind == Conn::Kind::kHttp2Up) return CarrierConnected(up, now);
  Exchange* x = exchanges_.Find(up.exchange);
  if (x == nullptr) return RecycleUpstream(up, now);
  EndWait(*x);
  WriteRequest(*x, now);
}

// Everything that can be read now; then, if the peer has ended, what that means.
void Engine::Impl::PumpUpstream(ConnId id, Instant now) {
  Conn* up = conns_.Find(id);
  if (up == nullptr) return;
  if (Exchange* x = exchanges_.Find(up->exchange); x != nullptr && !up->in.empty()) {
    x->response_bytes = true;
  }
  while (true) {
    up = conns_.Find(id);
    if (up == nullptr) return;
    Exchange* x = exchanges_.Find(up->exchange);
    if (x == nullptr) {
      if (!up->in.empty()) ++counters_.upstream_surprises;
      if (!up->in.empty() || up->eof) {
        cluster::Cluster* cluster = up->cluster;
        cluster::Host* host = up->host;
        if (up->eof) ++cluster->stats.cx_destroy_remote;
        EndConn(*up, up->in.empty() ? Action::Kind::kRelease : Action::Kind::kAbort);
        ServeWaiter(cluster, host, now);
      }
      return;
    }
    if (x->tunnel) return PumpTunnel(*x, now);
    if (x->state != Exchange::State::kForwarding) {
      if (up->eof) UpstreamEnded(*up, *x, now);
      return;
    }
    if (x->response_started && !conns_[x->down].has_space && !up->gone) return;
    if (!StepUpstream(*up, *x, now)) break;
  }
  up = conns_.Find(id);
  if (up == nullptr || !up->eof) return;
  if (Exchange* x = exchanges_.Find(up->exchange)) UpstreamEnded(*up, *x, now);
}

bool Engine::Impl::StepUpstream(Conn& up, Exchange& x, Instant now) {
  const size_t before = up.in.size();
  const Event event = up.responses()->Next(&up.in);
  Consume(up, before - up.in.size());
  switch (event) {
    case Event::kNeedMore:
      return false;
    case Event::kHead: {
      Touch(x, now);
      x.response_bytes = true;
      const uint16_t status = up.responses()->head().status;
      if (status == 101 && !SwitchesAsAsked(x, up.responses()->head())) break;
      if (status < 200 && status != 101) return true;
      http::ResponseHead head = up.responses()->TakeHead();
      x.reusable = head.keep_alive;
      x.service_time = now - x.attempt_started;
      if (status == 101) return BeginTunnel(x, std::move(head), now);
      if (!RetryOnResponse(up, x, head, now)) WriteResponse(x, std::move(head), now);
      return true;
    }
    case Event::kBody: {
      Touch(x, now);
      Chain body = up.responses()->TakeBody();
      if (!WriteResponseBody(x, std::move(body))) {
        ++counters_.buffers_exhausted;
        AbortResponse(x, telemetry::kOverloadManager, "overload", now);
        return false;
      }
      return true;
    }
    case Event::kEnd:
      if (!x.response_started) return true;  // of a 1xx
      FinishResponse(x, up.responses()->trailers(), now);
      return true;
    case Event::kError:
      break;
  }
  ++counters_.upstream_protocol_errors;
  if (x.response_started) {
    AbortResponse(x, telemetry::kUpstreamProtocolError,
                  "upstream_reset_after_response_started{protocol_error}", now);
  } else {
    AttemptFailed(x, AttemptFailure::kProtocolError, now);
  }
  return false;
}

// The connection has done its request: the next waiter has it, or the idle list, or it is closed.
void Engine::Impl::RecycleUpstream(Conn& up, Instant now) {
  up.exchange = ExchangeId{};
  const cluster::Cluster::Settings& settings = up.cluster->settings();
  cluster::Cluster* cluster = up.cluster;
  cluster::Host* host = up.host;
  if (up.is_stream()) {
    EndConn(up, Action::Kind::kRelease);
    return ServeWaiter(cluster, host, now);
  }
  const bool worn = settings.requests_per_connection_max != 0 &&
                    up.request_count >= settings.requests_per_connection_max;
  const bool spoken_for = settings.proxy_protocol != config::ProxyVersion::kNone;
  if (worn) ++cluster->stats.cx_max_requests;
  if (worn || spoken_for || up.tls != cluster->TlsOf(*host).settings || up.eof || up.gone ||
      host->removed || !up.in.empty() || host->idle.size() >= limits::kIdleUpstreamPerHostMax) {
    EndConn(up, Action::Kind::kRelease);
    return ServeWaiter(cluster, host, now);
  }
  up.idle = true;
  host->idle.push_back(up.id);
  if (!host->waiting.empty()) return ServeWaiter(cluster, host, now);
  up.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
  const Duration limit = settings.idle_timeout;
  timers_->Schedule(&up.timer, limit.zero() ? Instant::Never() : now + limit);
}

void Engine::Impl::ServeWaiter(cluster::Cluster* cluster, cluster::Host* host, Instant now) {
  if (cluster->settings().http2.has_value()) return ServeHttp2(cluster, host, now);
  while (!host->waiting.empty()) {
    Exchange* x = exchanges_.Find(ExchangeId::FromBits(host->waiting.front()));
    if (x == nullptr) {
      host->waiting.pop_front();
      continue;
    }
    if (host->idle.empty() && host->cx_active > 0 && cluster->cx_active.full()) return;
    host->waiting.pop_front();
    x->state = Exchange::State::kConnecting;
    if (!AttachUpstream(*x, now)) {
      EndAttempt(*x);
      ReplyOverflow(*x, now);
    }
    return;  // one connection was freed: one waiter is served
  }
}

void Engine::Impl::RemoveIdle(Conn& up) {
  if (!up.idle) return;
  up.idle = false;
  // Nearly always the last one: the list is a stack.
  auto& idle = up.host->idle;
  const auto at = std::find(idle.rbegin(), idle.rend(), up.id);
  CHECK(at != idle.rend());
  idle.erase(std::next(at).base());
}

// Nothing of the request can have been worked on, or repeating it does no harm (RFC 9110 9.2.2): a
// connection from the pool that the upstream closed while our request was on its way.
bool Engine::Impl::IsReuseRace(const Conn& up, const Exchange& x) const {
  // GOAWAY below our stream, or REFUSED_STREAM: RFC 9113 8.7.
  if (up.broken == AttemptFailure::kRefusedStream) return !x.raced && x.replay_whole;
  if (up.request_count < 2 || x.response_bytes || x.raced || !x.replay_whole) return false;
  const std::string_view m = x.head.method;
  return m == "GET" || m == "HEAD" || m == "OPTIONS" || m == "TRACE" || m == "PUT" || m == "DELETE";
}

void Engine::Impl::UpstreamEnded(Conn& up, Exchange& x, Instant now) {
  if (!up.is_stream()) ++up.cluster->stats.cx_destroy_remote;
  const AttemptFailure broken = up.broken;
  if (x.response_started && up.responses()->EndAtClose()) {
    return FinishResponse(x, {}, now);
  }
  if (x.response_started) {
    ++up.cluster->stats.rq_rx_reset;
    if (broken != AttemptFailure::kTermination) {
      return AbortResponse(x, telemetry::kUpstreamRemoteReset,
                           "upstream_reset_after_response_started{remote_reset}", now);
    }
    return AbortResponse(x, telemetry::kUpstreamConnectionTermination,
                         "upstream_reset_after_response_started{connection_termination}", now);
  }
  if (IsReuseRace(up, x)) {
    ++counters_.reuse_races;
    DropUpstream(x, now);
    x.raced = true;
    x.tried.pop_back();  // the host has done nothing wrong
    return StartAttempt(x, now);
  }
  ++up.cluster->stats.rq_rx_reset;
  AttemptFailed(x, broken, now);
}

// Idle connections of hosts that are gone.
void Engine::Impl::CloseAll(const std::vector<ConnId>& upstreams) {
  for (const ConnId id : upstreams) {
    Conn* const up = conns_.Find(id);
    if (up == nullptr) continue;
    if (up->kind == Conn::Kind::kHttp2Up) {
      DrainCarrier(*up);
    } else {
      EndConn(*up, Action::Kind::kRelease);
    }
  }
}

Engine::Pick Engine::Impl::PickEndpoint(uint32_t cluster_id, SockAddr* endpoint) {
  cluster::Cluster* cluster = clusters_.Find(cluster_id);
  if (cluster == nullptr || cluster->removed()) return Pick::kNoCluster;
  cluster::Host* host = cluster->Pick({}, *prng_);
  if (host == nullptr) {
    ++cluster->stats.cx_none_healthy;
    return Pick::kNoHealthy;
  }
  cluster->MarkUsed();
  ++cluster->stats.cx_total;
  ++host->stats.cx_total;
  *endpoint = host->address;
  return Pick::kOk;
}

}  // namespace meltemi::engine
