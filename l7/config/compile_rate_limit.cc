// Local rate limits: the HTTP filter, the network filter, and the rate_limits of routes.
#include "absl/strings/ascii.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromRateLimit = envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
using FromConnectionRateLimit =
    envoy::extensions::filters::network::local_ratelimit::v3::LocalRateLimit;
using FromRateLimitAction = envoy::config::route::v3::RateLimit::Action;

// As the filter names itself without a stat_prefix.
absl::Status CheckStatPrefix(const std::string& prefix) {
  return prefix.empty() ? Invalid("stat_prefix", "must not be empty") : absl::OkStatus();
}

// `place`: where it stands; a bucket elsewhere that says the same is another one.
absl::StatusOr<TokenBucket> CompileBucket(const CompileContext& context,
                                          const envoy::type::v3::TokenBucket& from,
                                          std::string_view place, bool shared) {
  TokenBucket to;
  to.rate.tokens_max = from.max_tokens();
  if (to.rate.tokens_max == 0) return Invalid("max_tokens", "must be above 0");
  if (from.has_tokens_per_fill()) to.rate.tokens_per_fill = from.tokens_per_fill().value();
  if (to.rate.tokens_per_fill == 0) return Invalid("tokens_per_fill", "must be above 0");
  ASSIGN_OR_RETURN_AT(to.rate.fill_interval, "fill_interval",
                      CompileDuration(from.fill_interval()));
  if (to.rate.fill_interval < limits::kFillIntervalMin) {
    return Invalid("fill_interval", "must be at least 50ms");
  }
  to.id = context.ids->Bucket(Cat(place, " ", to.rate.tokens_max, " ", to.rate.tokens_per_fill, " ",
                                  to.rate.fill_interval.nanos()));
  std::vector<TokenBucket>& all = context.snapshot->buckets;
  if (shared) all.push_back(to);
  if (all.size() > limits::kConfigBucketsMax) {
    return Invalid("", Cat("more than ", limits::kConfigBucketsMax, " token buckets"));
  }
  return to;
}

absl::Status AddRateLimitDescriptor(
    const CompileContext& context,
    const envoy::extensions::common::ratelimit::v3::LocalRateLimitDescriptor& from,
    std::string_view place, LocalRateLimit* to) {
  if (from.entries().empty()) return Invalid("entries", "must not be empty");
  std::string text;
  for (int i = 0; i < from.entries_size(); ++i) {
    const auto& entry = from.entries(i);
    if (entry.key().empty()) return Invalid(Indexed("entries", i) + ".key", "must not be empty");
    if (entry.value().empty()) {
      return Invalid(Indexed("entries", i) + ".value", "must not be empty");
    }
    AppendDescriptorEntry(entry.key(), entry.value(), &text);
  }
  if (to->descriptors.contains(text)) return Invalid("entries", "is given twice");
  if (!from.has_token_bucket()) return Invalid("token_bucket", "must be set");
  ASSIGN_OR_RETURN_AT(
      const TokenBucket bucket, "token_bucket",
      CompileBucket(context, from.token_bucket(), Cat(place, " ", text), !to->per_connection));
  to->descriptors.emplace(std::move(text), static_cast<uint32_t>(to->buckets.size()));
  to->buckets.push_back(bucket);
  return absl::OkStatus();
}

absl::Status CompileRateLimitModes(const FromRateLimit& from, LocalRateLimit* to) {
  const int status = from.status().code();  // an open enum
  if (status > 599) return Invalid("status.code", Cat(status, " is above 599"));
  if (status >= 400) to->status = static_cast<uint16_t>(status);
  if (from.stage() > limits::kRateLimitStageMax) {
    return Invalid("stage", Cat("must be at most ", limits::kRateLimitStageMax));
  }
  to->stage = from.stage();
  to->per_connection = from.local_rate_limit_per_downstream_connection();
  switch (from.enable_x_ratelimit_headers()) {
    case envoy::extensions::common::ratelimit::v3::OFF:
      break;
    case envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03:
      to->tells = true;
      break;
    default:  // open enum of proto3
      return Invalid("enable_x_ratelimit_headers", "is not known");
  }
  switch (from.vh_rate_limits()) {
    case envoy::extensions::common::ratelimit::v3::OVERRIDE:
      to->host_rules = HostRules::kOverride;
      break;
    case envoy::extensions::common::ratelimit::v3::INCLUDE:
      to->host_rules = HostRules::kInclude;
      break;
    case envoy::extensions::common::ratelimit::v3::IGNORE:
      to->host_rules = HostRules::kIgnore;
      break;
    default:  // open enum of proto3
      return Invalid("vh_rate_limits", "is not known");
  }
  if (from.has_always_consume_default_token_bucket()) {
    to->always_default = from.always_consume_default_token_bucket().value();
  }
  to->resource_exhausted = from.rate_limited_as_resource_exhausted();
  if (from.has_filter_enabled()) {
    ASSIGN_OR_RETURN_AT(to->enabled, "filter_enabled.default_value",
                        CompileFraction(from.filter_enabled().default_value()));
  }
  if (from.has_filter_enforced()) {
    ASSIGN_OR_RETURN_AT(to->enforced, "filter_enforced.default_value",
                        CompileFraction(from.filter_enforced().default_value()));
  }
  return absl::OkStatus();
}

constexpr std::string_view kHeadersMaxText = "at most 10 are allowed";

absl::StatusOr<RateLimitAction> CompileMasked(
    const FromRateLimitAction::MaskedRemoteAddress& from) {
  const uint32_t v4 = from.has_v4_prefix_mask_len() ? from.v4_prefix_mask_len().value() : 32;
  const uint32_t v6 = from.has_v6_prefix_mask_len() ? from.v6_prefix_mask_len().value() : 128;
  if (v4 > 32) return Invalid("masked_remote_address.v4_prefix_mask_len", "must be at most 32");
  if (v6 > 128) return Invalid("masked_remote_address.v6_prefix_mask_len", "must be at most 128");
  return RateLimitAction{.kind = RateLimitAction::Kind::kMaskedRemoteAddress,
                         .v4_bits = static_cast<uint8_t>(v4),
                         .v6_bits = static_cast<uint8_t>(v6),
                         .key = "masked_remote_address"};
}

absl::StatusOr<RateLimitAction> CompileRateLimitAction(const FromRateLimitAction& from) {
  using Kind = RateLimitAction::Kind;
  RateLimitAction to;
  switch (from.action_specifier_case()) {
    case FromRateLimitAction::kSourceCluster:
      to.kind = Kind::kSourceCluster;
      to.key = "source_cluster";
      return to;
    case FromRateLimitAction::kDestinationCluster:
      to.kind = Kind::kDestinationCluster;
      to.key = "destination_cluster";
      return to;
    case FromRateLimitAction::kRequestHeaders: {
      const auto& header = from.request_headers();
      to.kind = Kind::kRequestHeader;
      to.key = header.descriptor_key();
      to.header = absl::AsciiStrToLower(header.header_name());
      to.skip_if_absent = header.skip_if_absent();
      if (to.key.empty()) return Invalid("request_headers.descriptor_key", "must not be empty");
      if (to.header.empty()) return Invalid("request_headers.header_name", "must not be empty");
      return to;
    }
    case FromRateLimitAction::kRemoteAddress:
      to.kind = Kind::kRemoteAddress;
      to.key = "remote_address";
      return to;
    case FromRateLimitAction::kMaskedRemoteAddress:
      return CompileMasked(from.masked_remote_address());
    case FromRateLimitAction::kGenericKey:
      to.kind = Kind::kGenericKey;
      to.value = from.generic_key().descriptor_value();
      to.key = from.generic_key().descriptor_key();
      if (to.key.empty()) to.key = "generic_key";
      if (to.value.empty()) return Invalid("generic_key.descriptor_value", "must not be empty");
      return to;
    case FromRateLimitAction::kHeaderValueMatch: {
      const auto& match = from.header_value_match();
      to.kind = Kind::kHeaderValueMatch;
      to.value = match.descriptor_value();
      to.key = match.descriptor_key();
      if (to.key.empty()) to.key = "header_match";
      if (to.value.empty()) {
        return Invalid("header_value_match.descriptor_value", "must not be empty");
      }
      if (match.headers().empty())
        return Invalid("header_value_match.headers", "must not be empty");
      if (match.has_expect_match()) to.expect_match = match.expect_match().value();
      ASSIGN_OR_RETURN_AT(to.headers, "header_value_match", CompileHeaderMatches(match.headers()));
      return to;
    }
    case FromRateLimitAction::kDynamicMetadata:
    case FromRateLimitAction::kMetadata:
    case FromRateLimitAction::kExtension:
    case FromRateLimitAction::kQueryParameterValueMatch:
      return Invalid("", "this kind of action is not supported");
    case FromRateLimitAction::ACTION_SPECIFIER_NOT_SET:
      return Invalid("", "an action must be set");
  }
  return to;
}

}  // namespace

absl::StatusOr<std::vector<RateLimitRule>> CompileRateLimitRules(const RateLimits& from) {
  std::vector<RateLimitRule> to;
  for (int i = 0; i < from.size(); ++i) {
    const std::string step = Indexed("rate_limits", i);
    RateLimitRule& rule = to.emplace_back();
    rule.stage = from[i].stage().value();
    if (rule.stage > limits::kRateLimitStageMax) {
      return Invalid(step + ".stage", Cat("must be at most ", limits::kRateLimitStageMax));
    }
    if (from[i].actions().empty()) return Invalid(step + ".actions", "must not be empty");
    for (int j = 0; j < from[i].actions_size(); ++j) {
      ASSIGN_OR_RETURN_AT(rule.actions.emplace_back(), Cat(step, ".", Indexed("actions", j)),
                          CompileRateLimitAction(from[i].actions(j)));
    }
  }
  return to;
}

absl::StatusOr<std::unique_ptr<const LocalRateLimit>> CompileLocalRateLimit(
    const CompileContext& context, const google::protobuf::Any& any, std::string_view place,
    RateLimitOf of) {
  FromRateLimit from;
  RETURN_IF_ERROR(Unpack(context.fields, any, &from));
  auto to = std::make_unique<LocalRateLimit>();
  RETURN_IF_ERROR(CheckStatPrefix(from.stat_prefix()));
  to->stat_prefix = from.stat_prefix();
  RETURN_IF_ERROR(CompileRateLimitModes(from, to.get()));
  if (from.has_token_bucket()) {
    ASSIGN_OR_RETURN_AT(to->bucket, "token_bucket",
                        CompileBucket(context, from.token_bucket(), place, !to->per_connection));
  } else if (of == RateLimitOf::kRoute) {
    return Invalid("token_bucket", "must be set");
  }
  const size_t count = static_cast<size_t>(from.descriptors_size());
  if (count > limits::kRateLimitDescriptorsMax) {
    return Invalid("descriptors",
                   Cat("more than ", limits::kRateLimitDescriptorsMax, " descriptors"));
  }
  for (int i = 0; i < from.descriptors_size(); ++i) {
    RETURN_IF_ERROR_AT(Indexed("descriptors", i),
                       AddRateLimitDescriptor(context, from.descriptors(i), place, to.get()));
  }
  if (from.response_headers_to_add_size() > 10) {
    return Invalid("response_headers_to_add", kHeadersMaxText);
  }
  RETURN_IF_ERROR(CompileHeaderAdds("response_headers_to_add", from.response_headers_to_add(),
                                    &to->headers.response_add));
  if (from.request_headers_to_add_when_not_enforced_size() > 10) {
    return Invalid("request_headers_to_add_when_not_enforced", kHeadersMaxText);
  }
  RETURN_IF_ERROR(CompileHeaderAdds("request_headers_to_add_when_not_enforced",
                                    from.request_headers_to_add_when_not_enforced(),
                                    &to->headers.request_add));
  return std::unique_ptr<const LocalRateLimit>(std::move(to));
}

absl::Status CompileConnectionRateLimit(const CompileContext& context,
                                        const google::protobuf::Any& any, std::string_view place,
                                        std::optional<ConnectionRateLimit>* to) {
  FromConnectionRateLimit from;
  RETURN_IF_ERROR(Unpack(context.fields, any, &from));
  RETURN_IF_ERROR(CheckStatPrefix(from.stat_prefix()));
  if (!from.has_token_bucket()) return Invalid("token_bucket", "must be set");
  // Filters that share a key, and say the same, share their tokens.
  const std::string owner =
      from.share_key().empty() ? std::string(place) : Cat("share_key ", from.share_key());
  ASSIGN_OR_RETURN_AT(const TokenBucket bucket, "token_bucket",
                      CompileBucket(context, from.token_bucket(), owner, true));
  if (from.has_runtime_enabled() && !from.runtime_enabled().default_value().value()) {
    return absl::OkStatus();
  }
  *to = ConnectionRateLimit{.stat_prefix = from.stat_prefix(), .bucket = bucket};
  return absl::OkStatus();
}

}  // namespace meltemi::config
