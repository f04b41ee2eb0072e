// Local rate limits, as Envoy's filters say them (envoy.extensions.filters.http.local_ratelimit.v3
// and .network.local_ratelimit.v3), and what routes say of a request for them (RateLimit). Part of
// the Snapshot; decided in l7/policy/rate_limit.h.
//
// A bucket has a stable id, of where it stands and what it says: its tokens outlive a new
// configuration that says the same.
#ifndef MELTEMI_L7_CONFIG_RATE_LIMIT_H_
#define MELTEMI_L7_CONFIG_RATE_LIMIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/token_bucket.h"
#include "l7/config/matchers.h"
#include "l7/config/values.h"

namespace meltemi::config {

struct TokenBucket {
  uint32_t id = 0;  // stable
  TokenRate rate;
};

// RateLimit.Action: one entry of a request's descriptor.
struct RateLimitAction {
  enum class Kind : uint8_t {
    kSourceCluster,
    kDestinationCluster,
    kRequestHeader,  // the value of `header`
    kRemoteAddress,
    kMaskedRemoteAddress,  // with the prefix of its family
    kGenericKey,           // `value`
    kHeaderValueMatch,     // `value`, where `headers` match
  };
  Kind kind = Kind::kGenericKey;
  bool skip_if_absent = false;  // kRequestHeader: without it the others make the descriptor
  bool expect_match = true;     // kHeaderValueMatch; false: where they do not
  uint8_t v4_bits = 32, v6_bits = 128;
  std::string key, value, header;  // the header's name in lower case
  std::vector<HeaderMatch> headers;
};

// RateLimit: a request's descriptor, unless one of the actions has nothing to say.
struct RateLimitRule {
  uint32_t stage = 0;
  std::vector<RateLimitAction> actions;
};

// vh_rate_limits: whose rules make descriptors, where both route and virtual host have some.
enum class HostRules : uint8_t { kOverride, kInclude, kIgnore };

struct LocalRateLimit {
  std::string stat_prefix;
  std::optional<TokenBucket> bucket;          // absent: only descriptors have some
  std::optional<Fraction> enabled, enforced;  // absent: never
  uint16_t status = 429;
  HeaderMutation headers;  // response_add: of refusals; request_add: of what goes on beyond a limit
  // By their entries in one text (l7/policy/rate_limit.h): an index in `buckets`.
  absl::flat_hash_map<std::string, uint32_t> descriptors;
  std::vector<TokenBucket> buckets;
  uint32_t stage = 0;
  HostRules host_rules = HostRules::kOverride;
  bool per_connection = false;      // local_rate_limit_per_downstream_connection
  bool tells = false;               // enable_x_ratelimit_headers: DRAFT_VERSION_03
  bool always_default = true;       // always_consume_default_token_bucket
  bool resource_exhausted = false;  // rate_limited_as_resource_exhausted
};

// Of new connections.
struct ConnectionRateLimit {
  std::string stat_prefix;
  TokenBucket bucket;
};

// How a descriptor's entries become one text: no other descriptor has the same.
inline void AppendDescriptorEntry(std::string_view key, std::string_view value, std::string* to) {
  for (const std::string_view part : {key, value}) {
    *to += std::to_string(part.size());
    *to += ':';
    *to += part;
  }
}

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_RATE_LIMIT_H_
