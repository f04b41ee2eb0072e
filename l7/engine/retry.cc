#include "l7/engine/retry.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "l7/base/limits.h"

namespace meltemi::engine {
namespace {

using config::RetryPolicy;
using http::Known;

constexpr struct {
  std::string_view name;
  uint32_t bit;
} kNames[] = {
    {"5xx", RetryPolicy::k5xx},
    {"gateway-error", RetryPolicy::kGatewayError},
    {"reset", RetryPolicy::kReset},
    {"connect-failure", RetryPolicy::kConnectFailure},
    {"refused-stream", RetryPolicy::kRefusedStream},
    {"retriable-4xx", RetryPolicy::kRetriable4xx},
    {"retriable-status-codes", RetryPolicy::kRetriableStatusCodes},
    {"reset-before-request", RetryPolicy::kResetBeforeRequest},
    {"cancelled", RetryPolicy::kGrpcCancelled},
    {"deadline-exceeded", RetryPolicy::kGrpcDeadlineExceeded},
    {"internal", RetryPolicy::kGrpcInternal},
    {"resource-exhausted", RetryPolicy::kGrpcResourceExhausted},
    {"unavailable", RetryPolicy::kGrpcUnavailable},
};

std::optional<uint32_t> Number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// gRPC status of a trailers-only response; the bits that want it repeated.
uint32_t GrpcBit(std::string_view status) {
  if (status == "1") return RetryPolicy::kGrpcCancelled;
  if (status == "4") return RetryPolicy::kGrpcDeadlineExceeded;
  if (status == "8") return RetryPolicy::kGrpcResourceExhausted;
  if (status == "13") return RetryPolicy::kGrpcInternal;
  if (status == "14") return RetryPolicy::kGrpcUnavailable;
  return 0;
}

}  // namespace

uint32_t ParseRetryOn(std::string_view list) {
  uint32_t bits = 0;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view token = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
    while (!token.empty() && token.back() == ' ') token.remove_suffix(1);
    for (const auto& [name, bit] : kNames) {
      if (token == name) bits |= bit;
    }
  }
  return bits;
}

RetryPlan MakeRetryPlan(const RetryPolicy* policy, const http::HeaderBlock& request) {
  RetryPlan plan;
  if (policy != nullptr) {
    plan.on = policy->on;
    plan.retry_count_max = policy->retry_count_max;
    plan.per_try_timeout = policy->per_try_timeout;
    plan.backoff_base = policy->backoff_base;
    plan.backoff_max = policy->backoff_max;
    plan.previous_hosts = policy->previous_hosts;
    plan.host_selection_attempt_count_max = policy->host_selection_attempt_count_max;
    plan.policy = policy;
  }
  const std::string_view on = request.Get(Known::kEnvoyRetryOn);
  if (on.data() != nullptr) {
    plan.on |= ParseRetryOn(on);
    if (policy == nullptr) plan.retry_count_max = 1;
  }
  if (const auto count = Number(request.Get(Known::kEnvoyMaxRetries)); count && plan.on != 0) {
    plan.retry_count_max = *count;
  }
  if (const auto ms = Number(request.Get(Known::kEnvoyPerTryTimeout))) {
    plan.per_try_timeout = Duration::Millis(*ms);
  }
  plan.retry_count_max = std::min(plan.retry_count_max, limits::kRetryCountMax);
  return plan;
}

bool WantsRetry(const RetryPlan& plan, AttemptFailure failure) {
  const uint32_t any = RetryPolicy::k5xx | RetryPolicy::kGatewayError | RetryPolicy::kReset;
  switch (failure) {
    case AttemptFailure::kConnect:
    case AttemptFailure::kConnectTimeout:
    case AttemptFailure::kTls:
    case AttemptFailure::kTlsUntrusted:
    case AttemptFailure::kTlsName:
      return (plan.on & (any | RetryPolicy::kConnectFailure | RetryPolicy::kResetBeforeRequest)) !=
             0;
    case AttemptFailure::kRefusedStream:
      return (plan.on & (any | RetryPolicy::kRefusedStream)) != 0;
    case AttemptFailure::kRemoteReset:
    case AttemptFailure::kTermination:
    case AttemptFailure::kProtocolError:
    case AttemptFailure::kPerTryTimeout:
    case AttemptFailure::kNoExtendedConnect:
      return (plan.on & any) != 0;
  }
  return false;
}

bool WantsRetry(const RetryPlan& plan, uint16_t status, const http::HeaderBlock& response) {
  if (plan.on == 0) return false;
  // What the upstream's own breaker refused is not tried again (Envoy).
  if (response.Has(Known::kEnvoyOverloaded)) return false;
  if ((plan.on & RetryPolicy::k5xx) && status >= 500 && status <= 599) return true;
  if ((plan.on & RetryPolicy::kGatewayError) && status >= 502 && status <= 504) return true;
  if ((plan.on & RetryPolicy::kRetriable4xx) && status == 409) return true;
  if ((plan.on & RetryPolicy::kRetriableStatusCodes) && plan.policy != nullptr &&
      std::binary_search(plan.policy->status_codes.begin(), plan.policy->status_codes.end(),
                         status)) {
    return true;
  }
  return (plan.on & GrpcBit(response.Get(Known::kGrpcStatus))) != 0;
}

uint32_t RetriesMax(const config::CircuitBreaker& breaker, uint32_t request_count) {
  if (!breaker.retry_budget.has_value()) return breaker.retries_max;
  const auto share = static_cast<uint32_t>(breaker.retry_budget->percent / 100 * request_count);
  return std::max(share, breaker.retry_budget->retries_min);
}

Duration Backoff(const RetryPlan& plan, uint32_t retry, Prng& prng) {
  const uint32_t shift = std::min(retry, 32u);
  const int64_t factor = (int64_t{1} << shift) - 1;
  const int64_t base = std::max<int64_t>(plan.backoff_base.nanos(), 0);
  int64_t limit = plan.backoff_max.nanos();
  if (base == 0 || limit / factor >= base) limit = std::min(limit, base * factor);
  return Duration::Nanos(static_cast<int64_t>(prng.Below(static_cast<uint64_t>(limit))));
}

}  // namespace meltemi::engine
