// Mirrored requests (RouteAction.request_mirror_policies): a copy goes to another cluster, and what
// comes back is thrown away. As Envoy: no retries, the host marked "-shadow", no access log.
//
// A copy is an exchange like any other whose client is nobody: its downstream connection is one
// that is `gone`, so that nothing is written to it and the data plane never hears of it. The
// request's body is shared with it, bytes and not copies, as the original takes it; a copy that
// falls behind by more than limits::kHttpRetryBufferBytesMax is given up, because the original must
// not wait. Copies hold at most a quarter of the exchanges.
#include <utility>

#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

// "host-shadow:port"
std::string ShadowHost(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
  const size_t end = port ? colon : authority.size();
  return Cat(authority.substr(0, end), "-shadow", authority.substr(end));
}

}  // namespace

// The original's head is ready. It goes first; the copies are made before, because it may end.
void Engine::Impl::StartWithMirrors(Exchange& x, Instant now) {
  absl::InlinedVector<ExchangeId, 2> made;
  for (const config::Mirror& mirror : x.forward->mirrors) {
    if (!route::Draw(mirror.fraction, *prng_)) continue;
    const ExchangeId id = MakeMirror(x, mirror, now);
    if (id.valid()) {
      ++counters_.mirrors_sent;
      made.push_back(id);
      if (!x.request_complete) {
        mirrors_of_[x.id.bits()].push_back(id);
        x.mirrored = true;
      }
    } else {
      ++counters_.mirrors_dropped;
    }
  }
  StartAttempt(x, now);
  for (const ExchangeId id : made) StartMirror(id, now);
}

ExchangeId Engine::Impl::MakeMirror(const Exchange& x, const config::Mirror& mirror, Instant now) {
  if (mirror.target.cluster == config::kNoIndex) return ExchangeId{};
  cluster::Cluster* cluster = clusters_.Find(x.snapshot->clusters[mirror.target.cluster].stable_id);
  if (cluster == nullptr || cluster->removed()) return ExchangeId{};
  if (mirror_count_ >= options_.exchange_count_max / 4) return ExchangeId{};
  const ConnId down = conns_.Emplace(Conn::Kind::kHttpDown, now);
  if (!down.valid()) return ExchangeId{};
  const ExchangeId id = exchanges_.Emplace(pool_, now);
  if (!id.valid()) {
    conns_.Erase(down);
    return id;
  }
  if (!cluster->rq_active.TryEnter()) {
    ++cluster->stats.rq_pending_overflow;
    exchanges_.Erase(id);
    conns_.Erase(down);
    return ExchangeId{};
  }
  BeNobody(conns_[x.down], conns_[down], down, id);
  Exchange& y = exchanges_[id];
  ++mirror_count_;
  y.id = id;
  y.down = down;
  y.mirror = true;
  y.close_after = true;
  for (Timer* const timer : y.timers()) timer->subject = id.bits();
  y.snapshot = x.snapshot;
  Pin(y.snapshot);
  y.listener = x.listener;
  y.manager = x.manager;
  y.host_config = x.host_config;
  y.route = x.route;
  y.forward = x.forward;
  y.table = x.table;
  y.target = &mirror.target;
  y.cluster = cluster;
  ++cluster->stats.rq_total;
  y.timeout = x.timeout;
  y.idle_timeout = x.idle_timeout;
  y.request_complete = x.request_complete;
  y.replay_whole = x.request_complete;  // nothing is kept to repeat a body
  CopyHead(x, mirror, &y);
  if (config::IsConsistent(cluster->settings().lb)) HashRequest(y);
  Touch(y, now);
  return id;
}

void Engine::Impl::BeNobody(const Conn& original, Conn& down, ConnId id, ExchangeId exchange) {
  down.id = id;
  down.timer.subject = id.bits();
  down.connected = down.gone = down.drain = true;
  down.secure = original.secure;
  down.identity = original.identity;  // whose certificate its connection shows
  down.local = original.local;
  down.remote = original.remote;
  down.listener = original.listener;
  down.listener_name = original.listener_name;
  down.snapshot = original.snapshot;
  down.listener_gone = original.listener_gone;
  if (down.listener_gone) Pin(down.snapshot);
  down.exchange = exchange;
  down.part.emplace<RequestReader>();
}

void Engine::Impl::CopyHead(const Exchange& x, const config::Mirror& mirror, Exchange* y) {
  http::HeaderBlock& headers = y->head.headers;
  bool ok = true;
  for (const http::Header& header : x.head.headers.headers()) {
    ok = ok && headers.Add(header.name, header.value);
  }
  y->head.method = headers.Keep(x.head.method);
  y->head.version = x.head.version;
  y->head.framing = x.head.framing;
  y->head.content_length = x.head.content_length;
  y->path = y->original_path = headers.Keep(x.path);
  y->authority =
      headers.Keep(mirror.host_suffix ? ShadowHost(x.authority) : std::string(x.authority));
  y->out_of_memory = !ok || x.out_of_memory || y->head.method.data() == nullptr ||
                     y->path.data() == nullptr || y->authority.data() == nullptr;
}

void Engine::Impl::StartMirror(ExchangeId id, Instant now) {
  Exchange* y = exchanges_.Find(id);
  if (y == nullptr) return;  // the original has ended at once, and its copies with it
  if (y->request_complete && !y->timeout.zero()) {
    timers_->Schedule(&y->response_timer, now + y->timeout);
  }
  StartAttempt(*y, now);
}

// Of the original's body: more of it, shared.
void Engine::Impl::FeedMirrors(const Exchange& x, const Chain& body, Instant now) {
  for (const ExchangeId id : mirrors_of_[x.id.bits()]) {
    Exchange* y = exchanges_.Find(id);
    if (y == nullptr) continue;
    Conn& down = conns_[y->down];
    if (down.in.size() + body.size() > limits::kHttpRetryBufferBytesMax) {
      ++counters_.mirrors_dropped;
      DropMirror(id, now);
      continue;
    }
    down.in.Append(body.Share(0, body.size()));
    ready_.push_back(y->down);
  }
}

// Its end.
void Engine::Impl::EndMirrors(Exchange& x, const std::string& trailers) {
  for (const ExchangeId id : mirrors_of_[x.id.bits()]) {
    Exchange* y = exchanges_.Find(id);
    if (y == nullptr) continue;
    conns_[y->down].requests()->stream().PutEnd(trailers);
    ready_.push_back(y->down);
  }
  mirrors_of_.erase(x.id.bits());
  x.mirrored = false;
}

// Of an original that has ended before its body did.
void Engine::Impl::ForgetMirrors(ExchangeId original, Instant now) {
  const auto found = mirrors_of_.find(original.bits());
  if (found == mirrors_of_.end()) return;
  const absl::InlinedVector<ExchangeId, 2> mirrors = std::move(found->second);
  mirrors_of_.erase(found);
  for (const ExchangeId id : mirrors) DropMirror(id, now);
}

void Engine::Impl::DropMirror(ExchangeId id, Instant now) {
  Exchange* y = exchanges_.Find(id);
  if (y == nullptr) return;
  const ConnId down = y->down;
  DownstreamGone(down, now);
  ForgetConn(conns_[down]);
}

}  // namespace meltemi::engine
