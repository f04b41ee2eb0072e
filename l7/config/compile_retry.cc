#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromRetry = envoy::config::route::v3::RetryPolicy;

struct Condition {
  std::string_view name;
  uint32_t bit;
};
constexpr auto kConditions = std::to_array<Condition>({
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
});

absl::StatusOr<uint32_t> CompileRetryOn(const std::string& from) {
  uint32_t on = 0;
  for (const absl::string_view part : absl::StrSplit(from, ',')) {
    const std::string_view name = Std(absl::StripAsciiWhitespace(part));
    if (name.empty()) continue;
    const auto* found = std::find_if(kConditions.begin(), kConditions.end(),
                                     [&](const Condition& c) { return c.name == name; });
    if (found == kConditions.end()) {
      return Invalid("retry_on", Cat("\"", name, "\" is not supported"));
    }
    on |= found->bit;
  }
  return on;
}

absl::Status CompileBackOff(const FromRetry::RetryBackOff& from, RetryPolicy* to) {
  if (!from.has_base_interval()) return Invalid("base_interval", "must be set");
  ASSIGN_OR_RETURN_AT(to->backoff_base, "base_interval", CompileDuration(from.base_interval()));
  if (to->backoff_base.zero()) return Invalid("base_interval", "must be above 0");
  to->backoff_max = to->backoff_base * 10;
  if (from.has_max_interval()) {
    ASSIGN_OR_RETURN_AT(to->backoff_max, "max_interval", CompileDuration(from.max_interval()));
    if (to->backoff_max < to->backoff_base) {
      return Invalid("max_interval", "must not be below base_interval");
    }
  }
  return absl::OkStatus();
}

absl::Status CompileHostPredicate(const FromRetry& from, RetryPolicy* to) {
  for (int i = 0; i < from.retry_host_predicate_size(); ++i) {
    const auto& predicate = from.retry_host_predicate(i);
    const bool previous =
        predicate.has_typed_config()
            ? TypeName(predicate.typed_config()) ==
                  "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            : predicate.name() == "envoy.retry_host_predicates.previous_hosts";
    if (!previous) {
      return Invalid(Indexed("retry_host_predicate", i),
                     Cat("\"", predicate.name(), "\" is not supported"));
    }
    to->previous_hosts = true;
  }
  return absl::OkStatus();
}

absl::Status CompileStatusCodes(const FromRetry& from, RetryPolicy* to) {
  for (int i = 0; i < from.retriable_status_codes_size(); ++i) {
    const uint32_t status = from.retriable_status_codes(i);
    if (status < 100 || status > 599) {
      return Invalid(Indexed("retriable_status_codes", i), Cat(status, " is not in 100..599"));
    }
    to->status_codes.push_back(static_cast<uint16_t>(status));
  }
  std::sort(to->status_codes.begin(), to->status_codes.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RetryPolicy> CompileRetryPolicy(const FromRetry& from) {
  RetryPolicy to;
  auto on = CompileRetryOn(from.retry_on());
  if (!on.ok()) return on.status();
  to.on = *on;
  if (from.has_num_retries()) {
    to.retry_count_max = from.num_retries().value();
    if (to.retry_count_max > limits::kRetryCountMax) {
      return Invalid("num_retries", Cat("must be at most ", limits::kRetryCountMax));
    }
  }
  if (from.has_per_try_timeout()) {
    ASSIGN_OR_RETURN_AT(to.per_try_timeout, "per_try_timeout",
                        CompileDuration(from.per_try_timeout()));
  }
  RETURN_IF_ERROR(CompileHostPredicate(from, &to));
  const int64_t attempts = from.host_selection_retry_max_attempts();
  if (attempts < 0 || attempts > limits::kRetryCountMax) {
    return Invalid("host_selection_retry_max_attempts",
                   Cat("must be at most ", limits::kRetryCountMax));
  }
  if (attempts > 0) to.host_selection_attempt_count_max = static_cast<uint32_t>(attempts);
  RETURN_IF_ERROR(CompileStatusCodes(from, &to));
  if (from.has_retry_back_off()) {
    RETURN_IF_ERROR_AT("retry_back_off", CompileBackOff(from.retry_back_off(), &to));
  }
  return to;
}

}  // namespace meltemi::config
