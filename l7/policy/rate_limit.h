// Which of a local rate limit's buckets a request takes from: what routes say of it (rate_limits)
// makes descriptors, and the first that the limit names has a bucket of its own. As Envoy's local
// rate limit filter.
//
// Pure; called by l7/engine on the worker's thread. Bounded by the rules of a route and its host.
#ifndef MELTEMI_L7_POLICY_RATE_LIMIT_H_
#define MELTEMI_L7_POLICY_RATE_LIMIT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/ip_addr.h"
#include "l7/config/rate_limit.h"
#include "l7/route/match.h"

namespace meltemi::policy {

// What descriptors are made of. Borrows all of it for the call.
struct LimitedRequest {
  const route::RequestView& http;
  std::string_view source;   // the client's workload; empty: not known, and no descriptor
  std::string_view cluster;  // where the request goes
  IpAddr remote;             // the trusted client
};

// One rule's descriptor as text. False: an action has nothing to say, there is none.
bool DescriptorOf(const config::RateLimitRule& rule, const LimitedRequest& request,
                  std::string* text);

// The bucket of the first descriptor that the limit names; null: it names none of them.
// `include_host`: the route says so itself. `scratch` keeps nothing.
struct RulesOf {
  std::span<const config::RateLimitRule> route, host;
  bool include_host = false;
};
const config::TokenBucket* FindDescribed(const config::LocalRateLimit& limit, const RulesOf& rules,
                                         const LimitedRequest& request, std::string* scratch);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_RATE_LIMIT_H_
