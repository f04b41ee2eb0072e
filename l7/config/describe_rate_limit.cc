#include <map>

#include "l7/config/describe_writer.h"

namespace meltemi::config {
namespace {

std::string BucketText(const TokenBucket& bucket) {
  return Cat("bucket ", bucket.id, ": ", bucket.rate.tokens_max, " tokens, ",
             bucket.rate.tokens_per_fill, " each ",
             DescribeWriter::ToText(bucket.rate.fill_interval));
}

std::string ActionText(const RateLimitAction& action) {
  using Kind = RateLimitAction::Kind;
  switch (action.kind) {
    case Kind::kSourceCluster:
    case Kind::kDestinationCluster:
    case Kind::kRemoteAddress:
      return action.key;
    case Kind::kRequestHeader:
      return Cat(action.key, " of header ", action.header,
                 action.skip_if_absent ? " if there" : "");
    case Kind::kMaskedRemoteAddress:
      return Cat(action.key, " /", action.v4_bits, " /", action.v6_bits);
    case Kind::kGenericKey:
      return Cat(action.key, "=", action.value);
    case Kind::kHeaderValueMatch: {
      std::string text =
          Cat(action.key, "=", action.value, action.expect_match ? " if" : " unless");
      for (const HeaderMatch& m : action.headers) {
        AppendTo(&text, " (", DescribeWriter::ToText(m), ")");
      }
      return text;
    }
  }
  return "";
}

}  // namespace

void DescribeRateLimits(const std::vector<RateLimitRule>& rules, DescribeWriter* to) {
  for (const RateLimitRule& rule : rules) {
    std::string line = Cat("rate_limits stage ", rule.stage, ":");
    for (const RateLimitAction& action : rule.actions)
      AppendTo(&line, " [", ActionText(action), "]");
    to->Line(line);
  }
}

void DescribeRateLimit(const LocalRateLimit* limit, DescribeWriter* to) {
  if (limit == nullptr) return;
  const LocalRateLimit fallback;
  const auto text = [](const std::optional<Fraction>& fraction) {
    return fraction.has_value() ? DescribeWriter::ToText(*fraction) : std::string("never");
  };
  to->Line("rate_limit \"", limit->stat_prefix, "\" enabled ", text(limit->enabled), " enforced ",
           text(limit->enforced));
  to->In();
  if (limit->bucket.has_value()) to->Line(BucketText(*limit->bucket));
  to->IfNot(fallback.status, "status", limit->status);
  to->IfNot(fallback.stage, "stage", limit->stage);
  constexpr std::string_view kHostRules[] = {"override", "include", "ignore"};
  if (limit->host_rules != fallback.host_rules) {
    to->Line("vh_rate_limits: ", kHostRules[static_cast<size_t>(limit->host_rules)]);
  }
  to->IfNot(fallback.per_connection, "per_connection", limit->per_connection);
  to->IfNot(fallback.tells, "x_ratelimit_headers", limit->tells);
  to->IfNot(fallback.always_default, "always_default", limit->always_default);
  to->IfNot(fallback.resource_exhausted, "resource_exhausted", limit->resource_exhausted);
  for (const HeaderAdd& add : limit->headers.response_add) {
    to->Line("refused with ", add.name, ": ", add.value);
  }
  for (const HeaderAdd& add : limit->headers.request_add) {
    to->Line("not enforced: ", add.name, ": ", add.value);
  }
  const std::map<std::string, uint32_t> ordered(limit->descriptors.begin(),
                                                limit->descriptors.end());
  for (const auto& [entries, index] : ordered) {
    to->Line("descriptor ", entries, " ", BucketText(limit->buckets[index]));
  }
  to->Out();
}

void DescribeRateLimit(const std::optional<ConnectionRateLimit>& limit, DescribeWriter* to) {
  if (!limit.has_value()) return;
  to->Line("connection_rate_limit \"", limit->stat_prefix, "\" ", BucketText(limit->bucket));
}

}  // namespace meltemi::config
