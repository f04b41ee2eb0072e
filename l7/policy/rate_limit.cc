#include "l7/policy/rate_limit.h"

#include <array>
#include <optional>

namespace meltemi::policy {
namespace {

using Kind = config::RateLimitAction::Kind;

std::string MaskedText(const IpAddr& ip, const config::RateLimitAction& action) {
  const uint8_t bits = ip.v4() ? action.v4_bits : action.v6_bits;
  std::array<uint8_t, 16> bytes = ip.bytes();
  // The bits of IPv4 are the last 32.
  for (size_t bit = (ip.v4() ? 96 : 0) + bits; bit < 128; ++bit) {
    bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> (bit % 8)));
  }
  const IpAddr masked = ip.v4() ? IpAddr::V4(bytes.data() + 12) : IpAddr::V6(bytes.data());
  return IpPrefix{.address = masked, .bits = bits}.ToString();
}

// False: nothing to say, and the rule makes no descriptor.
bool AppendEntry(const config::RateLimitAction& action, const LimitedRequest& request,
                 std::string* text) {
  const auto append = [&](std::string_view value) {
    if (value.empty()) return false;
    config::AppendDescriptorEntry(action.key, value, text);
    return true;
  };
  switch (action.kind) {
    case Kind::kSourceCluster:
      return append(request.source);
    case Kind::kDestinationCluster:
      return append(request.cluster);
    case Kind::kRequestHeader: {
      const std::optional<std::string_view> value = route::HeaderOf(action.header, request.http);
      if (!value.has_value()) return action.skip_if_absent;
      config::AppendDescriptorEntry(action.key, *value, text);
      return true;
    }
    case Kind::kRemoteAddress:
      return append(request.remote.ToString());
    case Kind::kMaskedRemoteAddress:
      return append(MaskedText(request.remote, action));
    case Kind::kGenericKey:
      return append(action.value);
    case Kind::kHeaderValueMatch:
      return route::MatchesAll(action.headers, request.http) == action.expect_match &&
             append(action.value);
  }
  return false;
}

const config::TokenBucket* FindIn(const config::LocalRateLimit& limit,
                                  std::span<const config::RateLimitRule> rules,
                                  const LimitedRequest& request, std::string* scratch) {
  for (const config::RateLimitRule& rule : rules) {
    if (rule.stage != limit.stage || !DescriptorOf(rule, request, scratch)) continue;
    const auto found = limit.descriptors.find(*scratch);
    if (found != limit.descriptors.end()) return &limit.buckets[found->second];
  }
  return nullptr;
}

}  // namespace

bool DescriptorOf(const config::RateLimitRule& rule, const LimitedRequest& request,
                  std::string* text) {
  text->clear();
  for (const config::RateLimitAction& action : rule.actions) {
    if (!AppendEntry(action, request, text)) return false;
  }
  return !text->empty();
}

const config::TokenBucket* FindDescribed(const config::LocalRateLimit& limit, const RulesOf& rules,
                                         const LimitedRequest& request, std::string* scratch) {
  if (limit.descriptors.empty()) return nullptr;
  const auto* found = FindIn(limit, rules.route, request, scratch);
  if (found != nullptr) return found;
  bool hosts = rules.include_host;
  switch (limit.host_rules) {
    case config::HostRules::kOverride:
      hosts |= rules.route.empty();
      break;
    case config::HostRules::kInclude:
      hosts = true;
      break;
    case config::HostRules::kIgnore:
      break;
  }
  return hosts ? FindIn(limit, rules.host, request, scratch) : nullptr;
}

}  // namespace meltemi::policy
