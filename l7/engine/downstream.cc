// Downstream HTTP/1: bytes to requests, requests' bodies on to the upstream, the connection's end.
#include <algorithm>
#include <utility>

#include "l7/engine/impl.h"
#include "l7/http1/serializer.h"
#include "l7/route/normalize.h"

namespace meltemi::engine {

using http1::Event;

void Engine::Impl::PumpDownstream(ConnId id, Instant now) {
  while (true) {
    Conn* conn = conns_.Find(id);
    if (conn == nullptr || !StepDownstream(*conn, now)) return;
  }
}

bool Engine::Impl::StepDownstream(Conn& conn, Instant now) {
  if (conn.exchange.valid()) {
    Exchange& x = exchanges_[conn.exchange];
    if (x.request_complete || x.state != Exchange::State::kForwarding) {
      if (x.tunnel) PumpTunnel(x, now);
      return false;
    }
    return TakeRequestBody(conn, x, now);
  }
  if (conn.in.empty() && !conn.is_stream()) return false;
  const size_t before = conn.in.size();
  const Event event = conn.requests()->Next(&conn.in);
  Consume(conn, before - conn.in.size());
  switch (event) {
    case Event::kNeedMore: {
      const Duration limit = ManagerOf(conn).request_headers_timeout;
      const bool armed = conn.timer.kind == static_cast<uint8_t>(TimerKind::kRequestHead);
      if (!limit.zero() && !armed && !conn.requests()->idle()) {
        conn.timer.kind = static_cast<uint8_t>(TimerKind::kRequestHead);
        timers_->Schedule(&conn.timer, now + limit);
      }
      return false;
    }
    case Event::kHead:
      BeginExchange(conn, now);
      return true;
    case Event::kError:
      RefuseRequest(conn, conn.requests()->reject(), now);
      return false;
    case Event::kBody:
    case Event::kEnd:
      CHECK(false);  // a body always has its exchange
  }
  return false;
}

// Waits for the next request, or the rest of its head.
void Engine::Impl::AwaitRequest(Conn& conn, Instant now) {
  conn.timer.kind = static_cast<uint8_t>(TimerKind::kConnIdle);
  const Duration limit = ManagerOf(conn).idle_timeout;
  timers_->Schedule(&conn.timer, limit.zero() ? Instant::Never() : now + limit);
}

// The last request that the connection may have. Of streams, theirs counts: it takes no new ones.
void Engine::Impl::CountOnConnection(Conn& conn, const config::HttpManager& manager) {
  if (manager.requests_per_connection_max == 0) return;
  Conn& counted = conn.is_stream() ? conns_[conn.carrier] : conn;
  if (++counted.request_count != manager.requests_per_connection_max) return;
  ++counters_.downstream_worn;
  counted.drain = true;
  if (conn.is_stream()) DrainCarrier(counted);
}

void Engine::Impl::BeginExchange(Conn& conn, Instant now) {
  const ConnId down = conn.id;
  const ExchangeId id = exchanges_.Emplace(pool_, now);
  if (!id.valid()) {
    ++counters_.exchange_refused;
    EndConn(conn, Action::Kind::kAbort);
    return;
  }
  ++counters_.requests;
  timers_->Cancel(&conn.timer);
  Exchange& x = exchanges_[id];
  x.id = id;
  for (Timer* const timer : x.timers()) timer->subject = id.bits();
  x.down = down;
  conn.exchange = id;
  x.snapshot = conn.snapshot;
  Pin(x.snapshot);
  x.listener = conn.listener;
  x.manager = &ManagerOf(conn);
  CountOnConnection(conn, *x.manager);
  x.head = conn.requests()->TakeHead();
  x.authority = x.head.authority;
  x.path = x.original_path = x.head.path;
  x.idle_timeout = x.manager->stream_idle_timeout;
  x.close_after = !x.head.keep_alive || x.head.upgrade;
  if (x.head.framing == http::Framing::kNone) {
    CHECK(conn.requests()->Next(&conn.in) == Event::kEnd);
    x.request_complete = true;
  } else if (!x.manager->request_timeout.zero()) {
    timers_->Schedule(&x.request_timer, now + x.manager->request_timeout);
  }
  Touch(x, now);
  if (overload_.any() && ShedRequest(x, now)) return;
  if (x.manager->normalize_path) {
    std::string normal;
    if (!route::NormalizePath(x.path, &normal)) {
      return Reply(x,
                   {.status = 400,
                    .details = "path_normalization_failed",
                    .flags = telemetry::kDownstreamProtocolError},
                   now);
    }
    if (normal != x.path) x.path = x.head.headers.Keep(normal);
  }
  Route(x, now);
}

// A head that the parser or the validation refuses still makes a record: as much of it as is known.
void Engine::Impl::RefuseRequest(Conn& conn, http::Reject reject, Instant now) {
  ++counters_.downstream_protocol_errors;
  RefuseWith(conn,
             {.status = http::StatusOf(reject),
              .details = http::DetailsOf(reject),
              .flags = telemetry::kDownstreamProtocolError},
             now);
}

void Engine::Impl::RefuseWith(Conn& conn, const LocalReply& reply, Instant now) {
  const ExchangeId id = exchanges_.Emplace(pool_, now);
  if (!id.valid()) {
    ++counters_.exchange_refused;
    return EndConn(conn, Action::Kind::kAbort);
  }
  timers_->Cancel(&conn.timer);
  Exchange& x = exchanges_[id];
  x.id = id;
  x.down = conn.id;
  conn.exchange = id;
  x.snapshot = conn.snapshot;
  Pin(x.snapshot);
  x.listener = conn.listener;
  x.manager = &ManagerOf(conn);
  x.close_after = true;
  Reply(x, reply, now);
}

// One step of the request's body, when the upstream can take it. True: there may be more.
bool Engine::Impl::TakeRequestBody(Conn& conn, Exchange& x, Instant now) {
  Conn* up = conns_.Find(x.up);
  if (up == nullptr || !up->has_space) return false;
  const size_t before = conn.in.size();
  const Event event = conn.requests()->Next(&conn.in);
  Consume(conn, before - conn.in.size());
  const bool chunked = x.head.framing == http::Framing::kChunked && !up->is_stream();
  switch (event) {
    case Event::kNeedMore:
      return false;
    case Event::kHead:
      CHECK(false);  // the body's end comes first
      return false;
    case Event::kBody: {
      Chain body = conn.requests()->TakeBody();
      x.bytes_received += body.size();
      Touch(x, now);
      if (x.mirrored) FeedMirrors(x, body, now);
      if (x.replay_whole) {
        if (x.replay.size() + body.size() <= limits::kHttpRetryBufferBytesMax) {
          x.replay.Append(body.Share(0, body.size()));
        } else {
          x.replay.Clear();
          x.replay_whole = false;
        }
      }
      Chain out;
      if (!chunked) {
        out = std::move(body);
      } else if (!http1::WriteChunk(std::move(body), pool_, &out)) {
        ++counters_.buffers_exhausted;
        AbortResponse(x, telemetry::kOverloadManager, "overload", now);
        return false;
      }
      Write(*up, std::move(out));
      return true;
    }
    case Event::kEnd: {
      Chain out;
      const std::string_view trailers = conn.requests()->trailers();
      if (x.mirrored) EndMirrors(x, conn.requests()->trailers());
      const bool ok = up->is_stream() ? EndStreamBody(*up, trailers)
                                      : !chunked || http1::WriteLastChunk(trailers, pool_, &out);
      if (!ok) {
        ++counters_.buffers_exhausted;
        AbortResponse(x, telemetry::kOverloadManager, "overload", now);
        return false;
      }
      Write(*up, std::move(out));
      OnRequestComplete(x, now);
      return true;
    }
    case Event::kError:
      ++counters_.downstream_protocol_errors;
      if (x.response_started) {
        AbortResponse(x, telemetry::kDownstreamProtocolError,
                      http::DetailsOf(conn.requests()->reject()), now);
      } else {
        DropUpstream(x, now);
        Reply(x,
              {.status = http::StatusOf(conn.requests()->reject()),
               .details = http::DetailsOf(conn.requests()->reject()),
               .flags = telemetry::kDownstreamProtocolError},
              now);
      }
      return false;
  }
  return false;
}

// Reads and drops what has come of the body: whether the connection can go on after a reply that
// did not wait for it depends on whether its end is here.
void Engine::Impl::DiscardRequestBody(Conn& conn, Exchange& x) {
  if (x.request_complete || !conn.requests()->in_body()) return;
  const size_t before = conn.in.size();
  while (true) {
    const Event event = conn.requests()->Next(&conn.in);
    if (event == Event::kBody) {
      x.bytes_received += conn.requests()->TakeBody().size();
      continue;
    }
    x.request_complete = event == Event::kEnd;
    break;
  }
  Consume(conn, before - conn.in.size());
}

void Engine::Impl::OnRequestComplete(Exchange& x, Instant now) {
  x.request_complete = true;
  timers_->Cancel(&x.request_timer);
  if (!x.timeout.zero() && !x.response_timer.pending()) {
    timers_->Schedule(&x.response_timer, now + x.timeout);
  }
  if (!x.retry.per_try_timeout.zero() && !x.response_started && !x.try_timer.pending()) {
    timers_->Schedule(&x.try_timer, now + x.retry.per_try_timeout);
  }
}

// The client has gone: whatever was under way for it ends.
void Engine::Impl::DownstreamGone(ConnId id, Instant now) {
  Conn& conn = conns_[id];
  if (!conn.exchange.valid()) return;
  Exchange& x = exchanges_[conn.exchange];
  DropUpstream(x, now);
  if (x.cluster != nullptr) ++x.cluster->stats.rq_cancelled;
  x.flags |= telemetry::kDownstreamConnectionTermination;
  x.details.Set("downstream_remote_disconnect");
  if (!x.response_started) x.status = 0;
  conn.exchange = ExchangeId{};
  RetireExchange(x, conn, now);
}

}  // namespace meltemi::engine
