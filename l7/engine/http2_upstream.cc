// HTTP/2 connections to upstreams: which of them an attempt gets a stream of, and who waits for
// one.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "l7/engine/impl.h"

namespace meltemi::engine {

void Engine::Impl::RemoveCarrier(Conn& carrier) {
  auto& all = carrier.host->http2;
  all.erase(std::remove(all.begin(), all.end(), carrier.id), all.end());
}

// A connection with room for one more stream; null: none.
Conn* Engine::Impl::FindCarrier(cluster::Host* host, uint32_t owner) {
  for (const ConnId id : host->http2) {
    Conn& carrier = conns_[id];
    if (carrier.identity != owner || carrier.http2 == nullptr) continue;
    if (carrier.http2->session.can_open()) return &carrier;
  }
  return nullptr;
}

bool Engine::Impl::HasCarrier(const cluster::Host& host, uint32_t owner) {
  return std::any_of(host.http2.begin(), host.http2.end(),
                     [&](ConnId id) { return conns_[id].identity == owner; });
}

// One connection at a time is opened for those of one owner who wait. False: no slot is left.
bool Engine::Impl::WantCarrier(cluster::Cluster* cluster, cluster::Host* host, uint32_t owner,
                               Instant now) {
  Conn* resting = nullptr;  // somebody else's, without streams
  for (const ConnId id : host->http2) {
    Conn& carrier = conns_[id];
    if (carrier.identity == owner && !carrier.connected) return true;
    if (carrier.identity == owner || carrier.http2 == nullptr) continue;
    if (carrier.http2->streams.empty()) resting = &carrier;
  }
  if (!cluster->cx_active.TryEnter()) {
    ++cluster->stats.cx_overflow;
    // As in Envoy, each protocol has connections of its own.
    if (cluster->settings().follows_client ? !host->http2.empty() : host->cx_active > 0) {
      if (resting != nullptr) DrainCarrier(*resting);  // its end serves those who wait
      return true;
    }
    cluster->cx_active.Enter();  // as in EnterConnection
  }
  const ConnId id = OpenUpstream(cluster, host, Conn::Kind::kHttp2Up, nullptr, owner, now);
  if (!id.valid()) return false;
  host->http2.push_back(id);
  return true;
}

void Engine::Impl::CarrierConnected(Conn& carrier, Instant now) {
  ++counters_.http2_upstream;
  cluster::Cluster* const cluster = carrier.cluster;
  cluster::Host* const host = carrier.host;
  // A pod of this node, for which nobody translates: until its listener has come, nobody knows what
  // it speaks. That takes as long as the next message of the control plane.
  if (carrier.server_identity != 0 && snapshot_->FindMeshInbound(host->address) == nullptr) {
    ++counters_.http2_unsure;
    ++cluster->stats.cx_connect_fail;
    const uint32_t owner = carrier.identity;
    EndConn(carrier, Action::Kind::kRelease);
    CarrierFailed(host, owner, AttemptFailure::kConnect, now);
    return ServeWaiter(cluster, host, now);
  }
  const bool wanted =
      std::find(host->http2.begin(), host->http2.end(), carrier.id) != host->http2.end();
  if (!wanted && !host->removed) {
    // Nobody wants it any more: the server may have turned out to speak HTTP/1.1, and hears
    // nothing.
    EndConn(carrier, Action::Kind::kRelease);
    return ServeWaiter(cluster, host, now);
  }
  const config::Http2Options configured =
      cluster->settings().http2.value_or(config::Http2Options());
  carrier.http2 = std::make_unique<Http2Half>(SessionOptionsOf(http2::Role::kClient, configured),
                                              &hpack_memory_, pool_);
  FlushLater(carrier);
  BeginKeepalive(carrier, configured, now);
  if (host->removed) return DrainCarrier(carrier);
  ServeHttp2(cluster, host, now);
}

bool Engine::Impl::OpenStream(Exchange& x, Conn& carrier, Instant now) {
  Conn* const stream = NewStream(Conn::Kind::kHttpUp, carrier, now);
  if (stream == nullptr) {
    ++counters_.upstream_refused;
    return false;
  }
  Conn& from = conns_[stream->carrier];
  stream->cluster = from.cluster;
  stream->host = from.host;
  // A reuse race is one of a connection that was at rest (IsReuseRace).
  stream->request_count = from.http2->streams.empty() ? from.request_count : 0;
  ++from.request_count;
  stream->part.emplace<ResponseReader>();
  BindUpstream(x, *stream);
  const uint32_t limit = from.cluster->settings().requests_per_connection_max;
  if (limit != 0 && from.request_count >= limit) {
    ++from.cluster->stats.cx_max_requests;
    RemoveCarrier(from);
    from.drain = true;  // after its streams
  }
  WriteRequest(x, now);
  return true;
}

// The request's head on a new stream. False: out of memory, or the session takes no more.
bool Engine::Impl::WriteStreamRequest(const Exchange& x, Conn& stream, Instant now) {
  Conn* const carrier = conns_.Find(stream.carrier);
  if (carrier == nullptr) return false;
  const bool end = x.head.framing == http::Framing::kNone && !x.head.upgrade;
  AskBeforeStream(*carrier, now);
  const uint32_t number = carrier->http2->session.SendRequest({.method = x.head.method,
                                                               .scheme = SchemeOf(x),
                                                               .authority = x.authority,
                                                               .path = x.path,
                                                               .headers = &x.head.headers,
                                                               .end = end,
                                                               .protocol = AskedProtocol(x)},
                                                              now);
  FlushLater(*carrier);
  if (number == 0) return false;
  stream.stream = number;
  carrier->http2->streams.emplace(number, stream.id);
  return true;
}

void Engine::Impl::ServeHttp2(cluster::Cluster* cluster, cluster::Host* host, Instant now) {
  for (size_t i = 0; i < host->waiting_http2.size();) {
    const auto at = host->waiting_http2.begin() + static_cast<ptrdiff_t>(i);
    Exchange* const x = exchanges_.Find(ExchangeId::FromBits(*at));
    if (x == nullptr) {
      host->waiting_http2.erase(at);
      continue;
    }
    if (!SpeaksHttp2(*x, *host)) {  // not any more
      host->waiting_http2.erase(at);
      x->state = Exchange::State::kConnecting;
      if (!AttachUpstream(*x, now)) {
        EndAttempt(*x);
        ReplyOverflow(*x, now);
      }
      continue;
    }
    const uint32_t owner = OwnerOf(*cluster, *host, conns_[x->down]);
    Conn* const carrier = FindCarrier(host, owner);
    if (carrier == nullptr) {
      // Out of slots: those who wait go on waiting, and their timeouts end it.
      WantCarrier(cluster, host, owner, now);
      return;
    }
    const std::optional<bool> takes = Takes(*carrier, *x);
    if (!takes.has_value()) {
      ++i;
      continue;
    }
    host->waiting_http2.erase(at);
    EndWait(*x);
    x->state = Exchange::State::kConnecting;
    if (!*takes) {
      AttemptFailed(*x, AttemptFailure::kNoExtendedConnect, now);
    } else if (!OpenStream(*x, *carrier, now)) {
      EndAttempt(*x);
      ReplyOverflow(*x, now);
    }
  }
}

std::optional<bool> Engine::Impl::Takes(const Conn& carrier, const Exchange& x) {
  const bool extended = x.head.upgrade && !x.head.connect;
  if (extended && x.head.framing != http::Framing::kNone) return false;  // it has no body
  return extended ? carrier.http2->session.takes_connect() : std::optional(true);
}

// No connection could be opened: those who waited for it fail with it, unless there is another.
void Engine::Impl::CarrierFailed(cluster::Host* host, uint32_t owner, AttemptFailure how,
                                 Instant now) {
  if (HasCarrier(*host, owner)) return;
  const std::vector<cluster::WaiterId> waiting(host->waiting_http2.begin(),
                                               host->waiting_http2.end());
  for (const cluster::WaiterId id : waiting) {
    Exchange* const x = exchanges_.Find(ExchangeId::FromBits(id));
    if (x != nullptr && OwnerOf(*x->cluster, *host, conns_[x->down]) == owner) {
      AttemptFailed(*x, how, now);
    }
  }
}

}  // namespace meltemi::engine
