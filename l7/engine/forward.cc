// From a request to an attempt: route, fault, cluster, host, the request's head as it goes
// upstream.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "l7/base/stage.h"
#include "l7/base/text.h"
#include "l7/engine/grpc.h"
#include "l7/engine/header_mutation.h"
#include "l7/engine/impl.h"
#include "l7/http/validate.h"
#include "l7/http1/serializer.h"
#include "l7/route/hash.h"
#include "l7/route/rewrite.h"

namespace meltemi::engine {
namespace {

using http::Known;

// RFC 9562 5.4.
std::array<char, 36> MakeUuid(uint64_t high, uint64_t low) {
  high = (high & ~0xf000ull) | 0x4000ull;
  low = (low & ~(3ull << 62)) | (2ull << 62);
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 36> text;
  size_t at = 0;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text[at++] = '-';
    const uint64_t word = i < 16 ? high : low;
    text[at++] = kDigits[(word >> (60 - 4 * (i % 16))) & 15];
  }
  return text;
}

std::optional<int64_t> Milliseconds(std::string_view value) {
  int64_t ms = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
  if (value.empty() || error != std::errc() || end != value.data() + value.size() || ms < 0 ||
      ms > int64_t{1} << 40) {
    return std::nullopt;
  }
  return ms;
}

constexpr std::string_view kGrpcTimeout = "grpc-timeout";

}  // namespace

// Envoy's: with max_grpc_timeout a call says itself how long it may take, up to that; zero is no
// limit.
Duration Engine::Impl::TimeoutOf(const Exchange& x) {
  if (!x.forward->max_grpc_timeout.has_value() || !IsGrpc(x.head)) return x.forward->timeout;
  const Duration most = *x.forward->max_grpc_timeout;
  const Duration asked = ParseGrpcTimeout(x.head.headers.Get(kGrpcTimeout)).value_or(Duration());
  return asked.zero() || (!most.zero() && most < asked) ? most : asked;
}

// Envoy's max_stream_duration, from the request's head on: the call's own word where the route lets
// it have one, the route's, the connection manager's. Absent: no limit.
std::optional<Duration> Engine::Impl::DurationOf(const Exchange& x) {
  const config::Forward& forward = *x.forward;
  if (forward.grpc_timeout_header_max.has_value()) {
    if (const auto asked = ParseGrpcTimeout(x.head.headers.Get(kGrpcTimeout))) {
      const Duration most = *forward.grpc_timeout_header_max;
      return most.zero() || *asked < most ? *asked : most;
    }
  }
  const Duration limit = forward.stream_duration_max.value_or(x.manager->stream_duration_max);
  return limit.zero() ? std::nullopt : std::optional(limit);
}

// As the client sees it.
std::string_view Engine::Impl::SchemeOf(const Exchange& x) const {
  const Conn* down = conns_.Find(x.down);
  return down != nullptr && down->secure ? "https" : "http";
}

route::RequestView Engine::Impl::ViewOf(const Exchange& x, route::HeaderLookup lookup) const {
  return {.method = x.head.method,
          .scheme = SchemeOf(x),
          .authority = x.authority,
          .path = x.path,
          .header = lookup};
}

std::optional<std::string_view> Engine::Impl::HeaderOf(const Exchange& x, std::string_view name,
                                                       std::string* joined) {
  const std::string_view first = x.head.headers.Get(name);
  if (first.data() == nullptr) return std::nullopt;
  size_t count = 0;
  for (const http::Header& h : x.head.headers.headers()) count += h.name == name;
  if (count == 1) return first;
  *joined = *x.head.headers.Joined(name);
  return *joined;
}

void Engine::Impl::Route(Exchange& x, Instant now) {
  if (!x.manager->rbac.empty() && DenyRequest(x, now)) return;
  std::string joined;  // keeps the value of the last lookup
  const auto lookup = [&](std::string_view name) { return HeaderOf(x, name, &joined); };
  const route::RequestView view = ViewOf(x, lookup);
  const auto no_route = [&] {
    if (x.head.connect) return RefuseConnect(x, now);
    Reply(x, {.status = 404, .details = "route_not_found", .flags = telemetry::kNoRouteFound}, now);
  };
  if (x.manager->route_table == config::kNoIndex) return no_route();
  x.table = &x.snapshot->route_tables[x.manager->route_table];
  x.host_config = route::FindHost(*x.table, x.authority);
  if (x.host_config == nullptr) return no_route();
  x.route = route::FindRoute(*x.host_config, view, *prng_);
  if (x.route == nullptr) return no_route();
  const auto* const forward = std::get_if<config::Forward>(&x.route->action);
  x.forward = forward;
  if (x.head.upgrade && !AllowsUpgrade(x)) return RefuseUpgrade(x, now);
  if (forward != nullptr) {
    const std::optional<Duration> limit = DurationOf(x);
    if (limit.has_value()) {
      x.duration_ms = static_cast<uint32_t>(std::clamp<int64_t>(limit->millis(), 1, UINT32_MAX));
    }
    if (forward->idle_timeout.has_value()) x.idle_timeout = *forward->idle_timeout;
    if (limit.has_value() || forward->idle_timeout.has_value()) Touch(x, now);
  }
  const config::RateLimitPlace limit = x.manager->rate_limit_place;
  if (limit == config::RateLimitPlace::kFirst && LimitRate(x, now)) return;
  if (x.manager->cors_filter && ApplyCors(x, now)) return;
  if (limit == config::RateLimitPlace::kAfterCors && LimitRate(x, now)) return;
  if (ApplyFault(x, now)) return;
  BeginForward(x, now);
}

// envoy.filters.http.fault: first the delay, then the abort; both draw now.
bool Engine::Impl::ApplyFault(Exchange& x, Instant now) {
  if (!x.manager->fault_filter) return false;
  const config::Fault* fault = x.manager->fault.has_value() ? &*x.manager->fault : nullptr;
  if (x.host_config->fault.has_value()) fault = &*x.host_config->fault;
  if (x.route->fault.has_value()) fault = &*x.route->fault;
  if (fault == nullptr) return false;
  std::string joined;
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    std::optional<std::string> value = x.head.headers.Joined(name);
    if (!value.has_value()) return std::nullopt;
    joined = std::move(*value);
    return joined;
  };
  if (!route::MatchesAll(fault->headers, ViewOf(x, lookup))) return false;
  const bool delay = fault->delay_fraction.has_value() && !fault->delay.zero() &&
                     route::Draw(*fault->delay_fraction, *prng_);
  x.abort_status = fault->abort_fraction.has_value() && fault->abort_status != 0 &&
                           route::Draw(*fault->abort_fraction, *prng_)
                       ? fault->abort_status
                       : 0;
  if (delay) {
    ++counters_.faults_delayed;
    x.flags |= telemetry::kDelayInjected;
    x.state = Exchange::State::kWaitDelay;
    timers_->Schedule(&x.wait_timer, now + fault->delay);
    return true;
  }
  return AbortByFault(x, now);
}

bool Engine::Impl::AbortByFault(Exchange& x, Instant now) {
  if (x.abort_status == 0) return false;
  ++counters_.faults_aborted;
  Reply(x,
        {.status = x.abort_status,
         .body = "fault filter abort",
         .details = "fault_filter_abort",
         .flags = telemetry::kFaultInjected},
        now);
  return true;
}

void Engine::Impl::BeginForward(Exchange& x, Instant now) {
  if (x.manager->rate_limit_place == config::RateLimitPlace::kLast && LimitRate(x, now)) return;
  if (const auto* direct = std::get_if<config::DirectResponse>(&x.route->action)) {
    return Reply(x, {.status = direct->status, .body = direct->body, .details = "direct_response"},
                 now);
  }
  if (const auto* redirect = std::get_if<config::Redirect>(&x.route->action)) {
    const auto none = [](std::string_view) { return std::optional<std::string_view>(); };
    const std::string location =
        route::RedirectLocation(*redirect, x.route->match, ViewOf(x, none));
    return Reply(
        x, {.status = redirect->status, .details = "direct_response", .location = location}, now);
  }
  if (x.target == nullptr) {
    x.target = &route::PickCluster(x.forward->clusters, x.forward->total_weight, *prng_);
  }
  cluster::Cluster* cluster =
      x.target->cluster == config::kNoIndex
          ? nullptr
          : clusters_.Find(x.snapshot->clusters[x.target->cluster].stable_id);
  if (cluster == nullptr || cluster->removed()) {
    return Reply(x,
                 {.status = x.forward->cluster_not_found_status,
                  .details = "cluster_not_found",
                  .flags = telemetry::kNoClusterFound},
                 now);
  }
  if (!cluster->rq_active.TryEnter()) {
    ++cluster->stats.rq_pending_overflow;
    return ReplyOverflow(x, now);
  }
  x.cluster = cluster;
  ++cluster->stats.rq_total;
  if (config::IsConsistent(cluster->settings().lb)) HashRequest(x);
  PrepareRequest(x);
  // The body has come whole when it has no more bytes than wait for us.
  const Conn& down = conns_[x.down];
  const bool here =
      x.head.framing == http::Framing::kLength && down.in.size() >= x.head.content_length;
  if ((x.request_complete || here) && !x.timeout.zero()) {
    timers_->Schedule(&x.response_timer, now + x.timeout);
  }
  if (!x.forward->mirrors.empty() && !x.head.upgrade) return StartWithMirrors(x, now);
  StartAttempt(x, now);
}

// The request as it came decides, not as it goes upstream.
void Engine::Impl::HashRequest(Exchange& x) {
  if (x.forward->hash_policies.empty()) return;
  std::string joined;
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    std::optional<std::string> value = x.head.headers.Joined(name);
    if (!value.has_value()) return std::nullopt;
    joined = std::move(*value);
    return joined;
  };
  const Conn& down = conns_[x.down];
  const route::RequestView view = ViewOf(x, lookup);
  const route::RequestHash hashed = route::HashOf(
      x.forward->hash_policies, {.request = view, .client = down.remote, .local = down.local});
  x.hashed = hashed.hash.has_value();
  x.hash = hashed.hash.value_or(0);
  // The compiler allows one such cookie.
  x.cookie_made = !hashed.set_cookie.empty();
}

// The request's head as it goes upstream: the same for every attempt.
void Engine::Impl::PrepareRequest(Exchange& x) {
  const StageScope scope(Stage::kBuild);
  http::HeaderBlock& headers = x.head.headers;
  const config::RetryPolicy* policy = x.forward->retry.has_value()       ? &*x.forward->retry
                                      : x.host_config->retry.has_value() ? &*x.host_config->retry
                                                                         : nullptr;
  x.retry = MakeRetryPlan(policy, headers);
  x.timeout = TimeoutOf(x);
  if (const auto ms = Milliseconds(headers.Get(Known::kEnvoyTimeout))) {
    x.timeout = Duration::Millis(*ms);
  }
  if (!x.timeout.zero() && x.retry.per_try_timeout >= x.timeout)
    x.retry.per_try_timeout = Duration();
  for (const Known known :
       {Known::kEnvoyTimeout, Known::kEnvoyPerTryTimeout, Known::kEnvoyMaxRetries,
        Known::kEnvoyRetryOn, Known::kEnvoyRetriableStatusCodes, Known::kExpect}) {
    headers.Remove(known);
  }
  // RFC 9113 8.2.2: all of it that HTTP/2 has, and what gRPC's servers ask for.
  const bool http2 = x.cluster->IsHttp2(x.head.version == http::Version::kHttp2);
  const bool trailers = http2 && headers.Get(Known::kTe) == "trailers";
  const std::string_view upgrade = x.head.upgrade ? http::UpgradeOf(headers) : std::string_view();
  http::RemoveHopByHop(&headers);
  const Conn& down = conns_[x.down];
  bool ok = !trailers || headers.Add(Known::kTe, "trailers");
  if (x.head.upgrade && !x.head.connect) ok &= AskUpgrade(down, upgrade, &headers);
  ok &= SetClientCert(x);
  if (x.manager->use_remote_address) {
    const std::string_view before = headers.Get(Known::kXForwardedFor);
    const std::string ip = down.remote.ip.ToString();
    ok &= headers.Set(Known::kXForwardedFor, before.empty() ? ip : Cat(before, ", ", ip));
  }
  if (!headers.Has(Known::kXForwardedProto)) {
    ok &= headers.Add(Known::kXForwardedProto, SchemeOf(x));
  }
  if (x.manager->generate_request_id && !headers.Has(Known::kXRequestId)) {
    const std::array<char, 36> id = MakeUuid(prng_->Next(), prng_->Next());
    ok &= headers.Add(Known::kXRequestId, {id.data(), id.size()});
  }
  if (const auto& most = x.forward->grpc_timeout_header_max; most.has_value() && !most->zero()) {
    const auto asked = ParseGrpcTimeout(headers.Get(kGrpcTimeout));
    if (asked.has_value() && *most < *asked)
      ok &= headers.Set(kGrpcTimeout, GrpcTimeoutText(*most));
  }
  const Duration expected = x.retry.per_try_timeout.zero() ? x.timeout : x.retry.per_try_timeout;
  if (!expected.zero()) {
    ok &= headers.Set(Known::kEnvoyExpectedTimeout, Cat(expected.millis()));
    if (x.forward->max_grpc_timeout.has_value() && IsGrpc(x.head)) {
      ok &= headers.Set(kGrpcTimeout, GrpcTimeoutText(expected));
    }
  }
  std::string rewritten;
  if (!x.head.connect && route::RewritePath(*x.forward, x.route->match, x.path, &rewritten)) {
    ok &= headers.Set(Known::kEnvoyOriginalPath, x.path);
    x.path = headers.Keep(rewritten);
  }
  ok &= MutateRequest(
      {&x.target->headers, &x.route->headers, &x.host_config->headers, &x.table->headers},
      &headers);
  if (const std::string_view host = headers.Get(":authority"); host.data() != nullptr) {
    x.authority = host;
    headers.Remove(":authority");
  }
  if (!x.forward->host_rewrite.empty()) x.authority = headers.Keep(x.forward->host_rewrite);
  if (x.head.connect) x.path = x.authority;  // RFC 9112 3.2.3: the target
  x.out_of_memory = !ok || x.path.data() == nullptr || x.authority.data() == nullptr;
}

// Chooses a host and a connection. Each retry comes here again.
void Engine::Impl::StartAttempt(Exchange& x, Instant now) {
  if (x.out_of_memory) {
    ++counters_.buffers_exhausted;
    return Reply(x, {.status = 503, .details = "overload", .flags = telemetry::kOverloadManager},
                 now);
  }
  cluster::Cluster::PickOptions options;
  options.now = now;
  options.original_destination = conns_[x.down].local;
  if (x.hashed) options.hash = x.hash;
  if (x.retry.previous_hosts) {
    options.avoid = {x.tried.data(), x.tried.size()};
    options.attempt_count_max = x.retry.host_selection_attempt_count_max + 1;
  }
  cluster::Host* host = x.cluster->Pick(options, *prng_);
  if (host == nullptr) {
    return Reply(x,
                 {.status = 503,
                  .body = "no healthy upstream",
                  .details = "no_healthy_upstream",
                  .flags = telemetry::kNoHealthyUpstream},
                 now);
  }
  if (!x.snapshot->guarded.empty() && DenyAttempt(x, *host, now)) return;
  ++x.attempt_count;
  x.tried.push_back(host);
  x.host = host;
  x.upstream_host = host->address;
  x.upstream_local = SockAddr{};
  x.failure = {};
  x.response_bytes = false;
  x.head_written = false;
  ++host->rq_active;
  ++host->stats.rq_total;
  if (!AttachUpstream(x, now)) {
    EndAttempt(x);
    ReplyOverflow(x, now);
  }
}

// The head, and of the body what an earlier attempt has sent already.
void Engine::Impl::WriteRequest(Exchange& x, Instant now) {
  const StageScope scope(Stage::kBuild);
  Conn& up = conns_[x.up];
  x.state = Exchange::State::kForwarding;
  x.attempt_started = now;
  x.upstream_local = up.local;
  ++up.request_count;
  if (EndsConnect(x)) return AnswerConnect(x, now);
  up.responses()->Expect(x.head.method, x.head.connect   ? http::Asked::kTunnel
                                        : x.head.upgrade ? http::Asked::kUpgrade
                                                         : http::Asked::kResponse);
  const bool chunked = x.head.framing == http::Framing::kChunked && !up.is_stream();
  // RFC 9110 8.6: a method that usually has content says when it has none.
  const bool zero = x.head.headers.Has(Known::kContentLength);
  Chain out;
  bool ok = NoteServer(x, up);
  ok = ok &&
       (up.is_stream() ? WriteStreamRequest(x, up, now)
                       : http1::WriteRequestHead(x.head.method, x.path, x.authority, x.head.headers,
                                                 {.framing = x.head.framing,
                                                  .content_length = x.head.content_length,
                                                  .announce_zero_length = zero},
                                                 pool_, &out));
  if (!x.replay.empty()) {
    Chain body = x.replay.Share(0, x.replay.size());
    if (chunked) {
      ok = ok && http1::WriteChunk(std::move(body), pool_, &out);
    } else {
      out.Append(std::move(body));
    }
  }
  Conn& down = conns_[x.down];
  if (x.request_complete && chunked) {
    ok = ok && http1::WriteLastChunk(down.requests()->trailers(), pool_, &out);
  }
  if (!ok) {
    ++counters_.buffers_exhausted;
    DropUpstream(x, now);
    return Reply(x, {.status = 503, .details = "overload", .flags = telemetry::kOverloadManager},
                 now);
  }
  x.head_written = true;
  Write(up, std::move(out));
  const bool ended = x.request_complete && !x.head.upgrade;
  if (up.is_stream() && ended && !EndStreamBody(up, down.requests()->trailers())) {
    ++counters_.buffers_exhausted;
    DropUpstream(x, now);
    return Reply(x, {.status = 503, .details = "overload", .flags = telemetry::kOverloadManager},
                 now);
  }
  if (x.head.expect_continue && !x.request_complete) {
    // RFC 9110 10.1.1: we take the body, so we say so; the upstream is not asked again.
    x.head.expect_continue = false;
    Chain interim;
    if (down.is_stream()) {
      WriteStreamHead(down, 100, http::HeaderBlock(pool_), false);
    } else if (AppendCopy(pool_, "HTTP/1.1 100 Continue\r\n\r\n", &interim)) {
      Write(down, std::move(interim));
    }
  }
  const Duration per_try = x.retry.per_try_timeout;
  if (x.request_complete && !per_try.zero()) timers_->Schedule(&x.try_timer, now + per_try);
  if (!x.request_complete) ready_.push_back(x.down);  // the body
}

}  // namespace meltemi::engine
