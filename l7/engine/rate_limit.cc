// Local rate limits, as Envoy's filters: a request takes a token of the bucket that its descriptor
// has, and of the limit's own; where there is none, it is answered with 429. A new connection takes
// one of its listener's, or is closed.
#include "l7/engine/rate_limit.h"

#include <optional>
#include <string>
#include <string_view>

#include "l7/base/text.h"
#include "l7/engine/header_mutation.h"
#include "l7/engine/impl.h"
#include "l7/policy/rate_limit.h"

namespace meltemi::engine {

void RateLimits::Follow(const config::Snapshot& snapshot, const Pins& pins, Instant now) {
  absl::flat_hash_map<uint32_t, cluster::JoinedBucket> before = std::move(buckets_);
  buckets_.clear();
  const auto keep = [&](const config::Snapshot& from) {
    for (const config::TokenBucket& bucket : from.buckets) {
      cluster::JoinedBucket& slot = buckets_[bucket.id];
      if (slot != nullptr) continue;
      const auto known = before.find(bucket.id);
      slot = known != before.end()
                 ? std::move(known->second)
                 : cluster::JoinedBucket(board_->JoinBucket(bucket.id, bucket.rate, now), {board_});
    }
  };
  keep(snapshot);
  for (const auto& [pinned, count] : pins) keep(*pinned);
}

SharedTokens* RateLimits::Find(const config::TokenBucket& bucket) {
  const auto found = buckets_.find(bucket.id);
  return found == buckets_.end() ? nullptr : &found->second->tokens;
}

SharedTokens* RateLimits::FindOwn(uint64_t connection, const config::TokenBucket& bucket,
                                  Instant now) {
  Own& own = own_[connection];
  for (const auto& [id, tokens] : own) {
    if (id == bucket.id) return tokens.get();
  }
  if (own.size() >= limits::kBucketsPerConnectionMax) own.clear();
  own.emplace_back(bucket.id, std::make_unique<SharedTokens>(bucket.rate, now));
  return own.back().second.get();
}

RateLimits::Counts* RateLimits::Of(const std::string& prefix, ByPrefix* counts) {
  const auto known = counts->find(prefix);
  if (known != counts->end()) return &known->second;
  return counts->size() < kSeriesCountMax ? &(*counts)[prefix] : &others_;
}

void RateLimits::AppendSamples(std::vector<telemetry::Sample>* out) const {
  const auto add = [out](std::string_view name, const std::string& label, uint64_t value) {
    out->push_back({std::string(name),
                    label,
                    static_cast<double>(value),
                    telemetry::Sample::Kind::kCounter,
                    {}});
  };
  for (const auto& [prefix, counts] : http_) {
    const std::string label = telemetry::Label("envoy_local_http_ratelimit_prefix", prefix);
    add("envoy_http_local_rate_limit_enabled", label, counts.enabled);
    add("envoy_http_local_rate_limit_enforced", label, counts.enforced);
    add("envoy_http_local_rate_limit_ok", label, counts.ok);
    add("envoy_http_local_rate_limit_rate_limited", label, counts.rate_limited);
  }
  for (const auto& [prefix, counts] : network_) {
    add("envoy_local_rate_limit_rate_limited",
        telemetry::Label("envoy_local_ratelimit_prefix", prefix), counts.rate_limited);
  }
}

// The most specific that there is: where one is said, the filter's own holds no more.
const config::LocalRateLimit* Engine::Impl::RateLimitOf(const Exchange& x) {
  if (x.route->rate_limit != nullptr) return x.route->rate_limit.get();
  if (x.host_config->rate_limit != nullptr) return x.host_config->rate_limit.get();
  return x.manager->rate_limit.get();
}

const config::TokenBucket* Engine::Impl::DescribedBucket(Exchange& x,
                                                         const config::LocalRateLimit& limit) {
  if (limit.descriptors.empty() || x.forward == nullptr) return nullptr;
  std::string joined;
  const auto lookup = [&](std::string_view name) { return HeaderOf(x, name, &joined); };
  const route::RequestView view = ViewOf(x, lookup);
  const Conn& down = conns_[x.down];
  const IpAddr direct = CarrierOf(down).remote.ip;
  if (x.target == nullptr) {
    x.target = &route::PickCluster(x.forward->clusters, x.forward->total_weight, *prng_);
  }
  const policy::LimitedRequest request{
      .http = view,
      .source = down.source.view(),
      .cluster = x.target->name,
      .remote = x.manager->use_remote_address
                    ? direct
                    : policy::TrustedRemote(x.head.headers.Get("x-forwarded-for"), direct)};
  return policy::FindDescribed(limit,
                               {.route = x.forward->rate_limits,
                                .host = x.host_config->rate_limits,
                                .include_host = x.forward->include_host_rate_limits},
                               request, &text_);
}

// False: there is no token left. What is taken is not given back when another bucket has none.
bool Engine::Impl::TakeToken(Exchange& x, const config::LocalRateLimit& limit, Instant now) {
  const uint64_t connection = CarrierOf(conns_[x.down]).id.bits();
  const config::TokenBucket* const described = DescribedBucket(x, limit);
  const config::TokenBucket* const own =
      limit.bucket.has_value() && (described == nullptr || limit.always_default) ? &*limit.bucket
                                                                                 : nullptr;
  for (const config::TokenBucket* bucket : {described, own}) {
    if (bucket == nullptr) continue;
    SharedTokens* const tokens = limit.per_connection
                                     ? rate_limits_.FindOwn(connection, *bucket, now)
                                     : rate_limits_.Find(*bucket);
    if (tokens == nullptr) continue;
    const SharedTokens::Answer answer = tokens->Take(now);
    // The headers speak of the bucket that refuses, else of the request's most specific one.
    if (limit.tells && (!answer.taken || !x.limited)) {
      constexpr int64_t kSecond = 1'000'000'000;
      x.limited = true;
      limited_[x.id.bits()] = {
          .limit = &limit,
          .tokens_max = bucket->rate.tokens_max,
          .left = answer.left,
          .reset_seconds = (tokens->UntilFill(now).nanos() + kSecond - 1) / kSecond};
    }
    if (!answer.taken) return false;
  }
  return true;
}

// True: the request was refused and has been answered.
bool Engine::Impl::LimitRate(Exchange& x, Instant now) {
  const config::LocalRateLimit* const limit = RateLimitOf(x);
  if (limit == nullptr || !limit->enabled.has_value() || !route::Draw(*limit->enabled, *prng_)) {
    return false;
  }
  RateLimits::Counts* const counts = rate_limits_.Of(*limit);
  ++counts->enabled;
  if (TakeToken(x, *limit, now)) {
    ++counts->ok;
    return false;
  }
  ++counts->rate_limited;
  if (!limit->enforced.has_value() || !route::Draw(*limit->enforced, *prng_)) {
    MutateRequest({&limit->headers}, &x.head.headers);
    return false;
  }
  ++counts->enforced;
  x.limited = true;
  Limited& limited = limited_[x.id.bits()];
  limited.limit = limit;
  limited.refused = true;
  Reply(x,
        {.status = limit->status,
         .body = "local_rate_limited",
         .details = "local_rate_limited",
         .flags = telemetry::kRateLimited,
         .grpc_status = limit->resource_exhausted ? "8" : ""},
        now);
  return true;
}

bool Engine::Impl::AddRateLimitHeaders(const Exchange& x, http::HeaderBlock* headers) const {
  const auto found = limited_.find(x.id.bits());
  if (found == limited_.end()) return true;
  const Limited& limited = found->second;
  bool ok = true;
  if (limited.limit->tells) {
    ok &= headers->Set("x-ratelimit-limit", Cat(limited.tokens_max));
    ok &= headers->Set("x-ratelimit-remaining", Cat(limited.left));
    ok &= headers->Set("x-ratelimit-reset", Cat(limited.reset_seconds));
  }
  return limited.refused ? ok & MutateResponse({&limited.limit->headers}, headers) : ok;
}

// True: the connection is one too many.
bool Engine::Impl::LimitConnection(const config::Listener& listener, Instant now) {
  if (!listener.rate_limit.has_value()) return false;
  SharedTokens* const tokens = rate_limits_.Find(listener.rate_limit->bucket);
  if (tokens == nullptr || tokens->Take(now).taken) return false;
  ++rate_limits_.Of(*listener.rate_limit)->rate_limited;
  return true;
}

}  // namespace meltemi::engine
