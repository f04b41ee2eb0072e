// How attempts end: failures, retries, and what is left to say when there is none.
#include <algorithm>
#include <utility>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

struct FailureText {
  uint16_t status;
  std::string_view body, details, reason;
  uint32_t flags;
};

FailureText TextOf(AttemptFailure failure) {
  switch (failure) {
    case AttemptFailure::kConnect:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection failure",
              "upstream_reset_before_response_started{connection_failure}", "connection_failure",
              telemetry::kUpstreamConnectionFailure};
    case AttemptFailure::kConnectTimeout:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection timeout",
              "upstream_reset_before_response_started{connection_timeout}", "connection_timeout",
              telemetry::kUpstreamConnectionFailure};
    case AttemptFailure::kTls:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection failure, transport failure reason: TLS_error",
              "upstream_reset_before_response_started{connection_failure|TLS_error}", "TLS_error",
              telemetry::kUpstreamConnectionFailure};
    case AttemptFailure::kTlsUntrusted:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection failure, transport failure reason: "
              "TLS_error:CERTIFICATE_VERIFY_FAILED",
              "upstream_reset_before_response_started{connection_failure|"
              "TLS_error:CERTIFICATE_VERIFY_FAILED}",
              "TLS_error:CERTIFICATE_VERIFY_FAILED", telemetry::kUpstreamConnectionFailure};
    case AttemptFailure::kTlsName:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection failure, transport failure reason: "
              "TLS_error:CERTIFICATE_VERIFY_FAILED:verify_SAN_list",
              "upstream_reset_before_response_started{connection_failure|"
              "TLS_error:CERTIFICATE_VERIFY_FAILED}",
              "TLS_error:CERTIFICATE_VERIFY_FAILED:verify_SAN_list",
              telemetry::kUpstreamConnectionFailure};
    case AttemptFailure::kTermination:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: connection termination",
              "upstream_reset_before_response_started{connection_termination}", "",
              telemetry::kUpstreamConnectionTermination};
    case AttemptFailure::kProtocolError:
      return {502,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: protocol error",
              "upstream_reset_before_response_started{protocol_error}", "",
              telemetry::kUpstreamProtocolError};
    case AttemptFailure::kRefusedStream:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: remote refused stream reset",
              "upstream_reset_before_response_started{remote_refused_stream_reset}", "",
              telemetry::kUpstreamRemoteReset};
    case AttemptFailure::kRemoteReset:
      return {503,
              "upstream connect error or disconnect/reset before headers. "
              "reset reason: remote reset",
              "upstream_reset_before_response_started{remote_reset}", "",
              telemetry::kUpstreamRemoteReset};
    case AttemptFailure::kPerTryTimeout:
      return {504, "upstream request timeout", "upstream_per_try_timeout", "",
              telemetry::kUpstreamRequestTimeout};
    case AttemptFailure::kNoExtendedConnect:
      return {502, "upstream takes no upgrade over HTTP/2", "upstream_takes_no_extended_connect",
              "", telemetry::kUpstreamProtocolError};
  }
  return {};
}

}  // namespace

void Engine::Impl::EndAttempt(Exchange& x) {
  timers_->Cancel(&x.try_timer);
  if (x.pending) {
    EndWait(x);
    if (x.state == Exchange::State::kQueued) {
      std::erase(x.host->waiting, x.id.bits());
      std::erase(x.host->waiting_http2, x.id.bits());
    }
  }
  if (x.host == nullptr) return;
  --x.host->rq_active;
  x.host = nullptr;
}

void Engine::Impl::DropUpstream(Exchange& x, Instant now) {
  cluster::Host* host = x.host;
  EndAttempt(x);
  Conn* up = conns_.Find(x.up);
  x.up = ConnId{};
  if (up == nullptr) return;
  up->exchange = ExchangeId{};
  ++x.cluster->stats.rq_tx_reset;
  EndConn(*up, Action::Kind::kAbort);
  if (host != nullptr) ServeWaiter(x.cluster, host, now);
}

void Engine::Impl::Report(cluster::Cluster* cluster, cluster::Host* host, cluster::Outcome outcome,
                          Instant now) {
  cluster->Report(host, outcome, *prng_, now);
}

// One worker does it for all.
void Engine::Impl::LookAtEjected() {
  if (options_.checks_health) timers_->Schedule(&ejected_timer_, clusters_.next_look());
}

void Engine::Impl::AttemptFailed(Exchange& x, AttemptFailure failure, Instant now) {
  const FailureText text = TextOf(failure);
  if (x.host != nullptr) {
    ++x.host->stats.rq_error;
    Report(x.cluster, x.host, cluster::Outcome::kLocalFailure, now);
  }
  DropUpstream(x, now);
  x.failure = text.reason;
  if (WantsRetry(x.retry, failure) && TryRetry(x, now)) return;
  Reply(x, {.status = text.status, .body = text.body, .details = text.details, .flags = text.flags},
        now);
}

// True: another attempt comes after the backoff.
bool Engine::Impl::TryRetry(Exchange& x, Instant now) {
  if (x.response_started || !x.replay_whole) return false;
  cluster::ClusterStats& stats = x.cluster->stats;
  if (x.retry_count >= x.retry.retry_count_max) {
    if (x.retry.retry_count_max > 0) x.flags |= telemetry::kUpstreamRetryLimitExceeded;
    ++stats.rq_retry_limit_exceeded;
    return false;
  }
  if (!x.retry_counted) {
    const config::CircuitBreaker& breaker = x.cluster->settings().breaker;
    if (!x.cluster->retries_active.TryEnter(RetriesMax(breaker, x.cluster->rq_active.node()))) {
      ++stats.rq_retry_overflow;
      x.flags |= telemetry::kUpstreamOverflow;
      return false;
    }
    x.retry_counted = true;
  }
  ++stats.rq_retry;
  ++counters_.retries;
  ++x.retry_count;
  x.raced = false;
  x.state = Exchange::State::kWaitRetry;
  timers_->Schedule(&x.wait_timer, now + Backoff(x.retry, x.retry_count, *prng_));
  return true;
}

// A response that the policy wants repeated. True: it is thrown away, its connection kept if its
// end is here already.
bool Engine::Impl::RetryOnResponse(Conn& up, Exchange& x, const http::ResponseHead& head,
                                   Instant now) {
  if (!WantsRetry(x.retry, head.status, head.headers)) return false;
  if (!TryRetry(x, now)) return false;
  ++x.cluster->stats.rq_class[std::min(head.status / 100, 5)];
  ++x.host->stats.rq_error;
  Report(x.cluster, x.host, cluster::OutcomeOf(head.status), now);
  cluster::Host* host = x.host;
  EndAttempt(x);
  x.up = ConnId{};
  up.exchange = ExchangeId{};
  const size_t before = up.in.size();
  http1::Event event = up.responses()->Next(&up.in);
  while (event == http1::Event::kBody) {
    up.responses()->TakeBody();
    event = up.responses()->Next(&up.in);
  }
  Consume(up, before - up.in.size());
  if (event == http1::Event::kEnd && head.keep_alive && x.request_complete) {
    RecycleUpstream(up, now);
    return true;
  }
  EndConn(up, Action::Kind::kAbort);
  ServeWaiter(x.cluster, host, now);
  return true;
}

}  // namespace meltemi::engine
