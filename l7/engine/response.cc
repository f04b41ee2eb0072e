// Responses on their way downstream, and the end of an exchange.
#include <algorithm>
#include <utility>

#include "l7/base/stage.h"
#include "l7/base/text.h"
#include "l7/engine/header_mutation.h"
#include "l7/engine/impl.h"
#include "l7/http/validate.h"
#include "l7/http1/serializer.h"
#include "l7/route/hash.h"
#include "l7/telemetry/civil_time.h"

namespace meltemi::engine {

using http::Known;

void Engine::Impl::Touch(Exchange& x, Instant now) {
  Instant due = x.idle_timeout.zero() ? Instant::Never() : now + x.idle_timeout;
  if (x.duration_ms != 0) due = std::min(due, x.started + Duration::Millis(x.duration_ms));
  timers_->Schedule(&x.idle_timer, due);
}

std::string_view Engine::Impl::Date(Instant now) {
  const int64_t second = wall_clock_.UnixNanos(now) / 1'000'000'000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = telemetry::HttpDate(second);
  }
  return date_;
}

// How the body is delimited downstream. A body that ends with the upstream's connection becomes
// chunked; to an HTTP/1.0 client, which knows no chunks, it ends with ours.
static http1::FramingOut FramingFor(const http::RequestHead& request,
                                    const http::ResponseHead& response) {
  http1::FramingOut out{.framing = response.framing, .content_length = response.content_length};
  const bool http10 = request.version == http::Version::kHttp10;
  switch (response.framing) {
    case http::Framing::kNone:
      if (response.headers.Has(Known::kContentLength)) {
        out.framing = http::Framing::kLength;  // HEAD, 304: the length of what is not sent
      }
      break;
    case http::Framing::kLength:
      break;
    case http::Framing::kChunked:
    case http::Framing::kUntilClose:
      out.framing = http10 ? http::Framing::kUntilClose : http::Framing::kChunked;
      break;
  }
  if (response.status == 204) out.framing = http::Framing::kNone;  // RFC 9110 8.6
  return out;
}

bool Engine::Impl::WriteResponse(Exchange& x, http::ResponseHead head, Instant now) {
  const StageScope scope(Stage::kBuild);
  Conn& down = conns_[x.down];
  timers_->Cancel(&x.try_timer);
  http::HeaderBlock& headers = head.headers;
  http1::FramingOut framing = x.tunnel ? http1::FramingOut() : FramingFor(x.head, head);
  const std::string_view upgrade = x.tunnel ? http::UpgradeOf(headers) : std::string_view();
  http::RemoveHopByHop(&headers);
  bool ok = !x.tunnel || AnswerUpgrade(x, down, upgrade, &headers);
  ok &= headers.Set(Known::kServer, x.manager->server_name);
  if (!headers.Has(Known::kDate)) ok &= headers.Add(Known::kDate, Date(now));
  ok &= headers.Set(Known::kEnvoyUpstreamServiceTime, Cat(x.service_time.millis()));
  if (x.cookie_made) {
    ok &= headers.Add("set-cookie",
                      route::MadeCookie(x.forward->hash_policies, down.remote, down.local));
  }
  ok &= MutateResponse(
      {&x.target->headers, &x.route->headers, &x.host_config->headers, &x.table->headers},
      &headers);
  ok &= AddCorsHeaders(x, /*preflight=*/false, &headers);
  if (x.limited) ok &= AddRateLimitHeaders(x, &headers);
  x.framing = head.framing == http::Framing::kNone ? http::Framing::kNone : framing.framing;
  if (x.tunnel) x.framing = http::Framing::kUntilClose;
  x.close_after |= down.drain || framing.framing == http::Framing::kUntilClose;
  framing.close = x.close_after && !x.tunnel;
  framing.keep_alive = !x.close_after && x.head.version == http::Version::kHttp10;
  x.status = head.status;
  x.details.Set("via_upstream");
  ++x.cluster->stats.rq_class[std::min(head.status / 100, 5)];
  if (head.status < 500) {
    ++x.host->stats.rq_success;
    if (x.retry_count > 0) ++x.cluster->stats.rq_retry_success;
  } else {
    ++x.host->stats.rq_error;
  }
  Report(x.cluster, x.host, cluster::OutcomeOf(head.status), now);
  x.response_started = true;
  const std::string_view reason =  // HTTP/2 has none
      head.version == http::Version::kHttp2 ? http::ReasonPhrase(head.status) : head.reason;
  Chain out;
  ok = ok && (down.is_stream()
                  ? WriteStreamHead(down, x.tunnel ? 200 : head.status, headers,
                                    x.framing == http::Framing::kNone)
                  : http1::WriteResponseHead(head.status, reason, headers, framing, pool_, &out));
  if (!ok) {
    ++counters_.buffers_exhausted;
    AbortResponse(x, telemetry::kOverloadManager, "overload", now);
    return false;
  }
  Write(down, std::move(out));
  return true;
}

bool Engine::Impl::WriteResponseBody(Exchange& x, Chain body) {
  x.bytes_sent += body.size();
  Chain out;
  if (x.framing == http::Framing::kChunked && !conns_[x.down].is_stream()) {
    if (!http1::WriteChunk(std::move(body), pool_, &out)) return false;
  } else {
    out = std::move(body);
  }
  Write(conns_[x.down], std::move(out));
  return true;
}

void Engine::Impl::FinishResponse(Exchange& x, std::string_view trailers, Instant now) {
  Conn& client = conns_[x.down];
  Chain out;
  const bool chunked = x.framing == http::Framing::kChunked;
  const bool ok = client.is_stream() ? EndStreamBody(client, trailers)
                                     : !chunked || http1::WriteLastChunk(trailers, pool_, &out);
  if (!ok) {
    ++counters_.buffers_exhausted;
    return AbortResponse(x, telemetry::kOverloadManager, "overload", now);
  }
  Write(client, std::move(out));
  Conn& up = conns_[x.up];
  cluster::Host* host = x.host;
  EndAttempt(x);
  x.up = ConnId{};
  up.exchange = ExchangeId{};
  if (x.request_complete && x.reusable) {
    RecycleUpstream(up, now);
  } else {
    EndConn(up, x.request_complete ? Action::Kind::kRelease : Action::Kind::kAbort);
    ServeWaiter(x.cluster, host, now);
  }
  EndExchange(x, now);
}

// The response cannot be completed: the client learns it by the connection's end. A body that ends
// with the connection needs a reset, or it would look whole.
void Engine::Impl::AbortResponse(Exchange& x, uint32_t flag, std::string_view details,
                                 Instant now) {
  DropUpstream(x, now);
  x.flags |= flag;
  x.details.Set(details);
  Conn& down = conns_[x.down];
  const bool reset =
      down.is_stream() || (x.response_started && x.framing == http::Framing::kUntilClose);
  down.exchange = ExchangeId{};
  RetireExchange(x, down, now);
  EndConn(down, reset ? Action::Kind::kAbort : Action::Kind::kRelease);
}

void Engine::Impl::EndExchange(Exchange& x, Instant now) {
  Conn& down = conns_[x.down];
  DiscardRequestBody(down, x);
  const bool close = x.close_after || !x.request_complete;
  const bool answered = x.status != 0;
  down.exchange = ExchangeId{};
  RetireExchange(x, down, now);
  if (down.is_stream()) {
    return EndConn(down, answered ? Action::Kind::kRelease : Action::Kind::kAbort);
  }
  if (close) return EndConn(down, Action::Kind::kRelease);
  AwaitRequest(down, now);
  if (!down.in.empty()) ready_.push_back(down.id);
}

void Engine::Impl::RetireExchange(Exchange& x, const Conn& down, Instant now) {
  for (Timer* const timer : x.timers()) timers_->Cancel(timer);
  if (x.mirror) {
    --mirror_count_;
  } else {
    CountRequest(x, down, now);
  }
  if (x.cluster != nullptr) {
    x.cluster->rq_active.Leave();
    if (x.retry_counted) x.cluster->retries_active.Leave();
  }
  Unpin(x.snapshot);
  const ExchangeId id = x.id;
  const bool mirrored = x.mirrored;
  if (x.limited) limited_.erase(id.bits());
  exchanges_.Erase(id);
  if (mirrored) ForgetMirrors(id, now);
}

void Engine::Impl::CountRequest(Exchange& x, const Conn& down, Instant now) {
  MakeRecord(x, down, now);
  RequestStats::Pair pair{
      .source = down.source.view(),
      .cluster = x.target == nullptr ? std::string_view() : std::string_view(x.target->name),
      .source_principal = {down.principal, PrincipalText(down.principal)},
      .destination_principal = {x.server, PrincipalText(x.server)},
      .security = x.security};
  AsServer(x.snapshot->listeners[x.listener], down, &pair);
  const RequestStats::Request request{.pair = pair,
                                      .stat_prefix = x.manager->stat_prefix,
                                      .status = x.status,
                                      .flags = x.flags,
                                      .duration = now - x.started};
  if (!stats_.Count(request)) ++counters_.series_refused;
}

static telemetry::Protocol ProtocolOf(http::Version version) {
  switch (version) {
    case http::Version::kHttp10:
      return telemetry::Protocol::kHttp10;
    case http::Version::kHttp11:
      return telemetry::Protocol::kHttp11;
    case http::Version::kHttp2:
      return telemetry::Protocol::kHttp2;
  }
  return telemetry::Protocol::kNone;
}

void Engine::Impl::MakeRecord(Exchange& x, const Conn& down, Instant now) {
  if (x.manager->access_logs.empty()) return;
  telemetry::AccessRecord& record = engine_->records_.emplace_back();
  record.start_unix_nanos = wall_clock_.UnixNanos(x.started);
  record.duration = now - x.started;
  record.upstream_service_time = x.service_time;
  record.snapshot_sequence = x.snapshot->sequence;
  // The connection may have moved on to the listener's place in a newer snapshot.
  record.listener = x.listener;
  record.response_flags = x.flags;
  record.response_code = x.status;
  record.protocol = x.head.method.empty() ? telemetry::Protocol::kNone : ProtocolOf(x.head.version);
  record.attempt_count = static_cast<uint8_t>(std::min(x.attempt_count, 255u));
  record.bytes_received = x.bytes_received;
  record.bytes_sent = x.bytes_sent;
  record.downstream_remote = down.remote;
  record.downstream_local = down.local;
  record.upstream_host = x.upstream_host;
  record.upstream_local = x.upstream_local;
  record.method.Set(x.head.method);
  record.path.Set(x.original_path);
  record.authority.Set(x.head.authority);
  const auto& headers = x.head.headers;
  record.forwarded_for.Set(headers.Get(Known::kXForwardedFor));
  record.user_agent.Set(headers.Get(Known::kUserAgent));
  record.request_id.Set(headers.Get(Known::kXRequestId));
  record.response_code_details.Set(x.details.view());
  if (x.target != nullptr) record.upstream_cluster.Set(x.target->name);
  if (x.route != nullptr) record.route_name.Set(x.route->name);
  record.upstream_failure_reason.Set(x.failure);
  record.source_workload.Set(down.source.view());
  if (!x.manager->logs_peers) return;
  record.peers = x.peers != nullptr ? std::move(x.peers) : PeersOf(down);
}

}  // namespace meltemi::engine
