// Goal: a bucket is the same one as long as it stands in the same place and says the same; bounds.
// Method: several compilations by one compiler; counts at n-1, n, n+1.
#include <string>
#include <vector>

#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"
#include "l7/config/compile.h"

namespace meltemi::config {
namespace {

using FromListener = envoy::config::listener::v3::Listener;
using FromLimit = envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
using Hcm = envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

FromLimit Limit(uint32_t max_tokens, size_t descriptors) {
  FromLimit limit;
  limit.set_stat_prefix("a");
  const auto fill = [](envoy::type::v3::TokenBucket* bucket, uint32_t max) {
    bucket->set_max_tokens(max);
    bucket->mutable_fill_interval()->set_seconds(1);
  };
  if (max_tokens > 0) fill(limit.mutable_token_bucket(), max_tokens);
  for (size_t i = 0; i < descriptors; ++i) {
    auto* descriptor = limit.add_descriptors();
    auto* entry = descriptor->add_entries();
    entry->set_key("k");
    entry->set_value(Cat(i));
    fill(descriptor->mutable_token_bucket(), 1);
  }
  return limit;
}

FromListener ListenerWith(uint16_t port, const FromLimit& limit) {
  Hcm hcm;
  hcm.mutable_route_config()->set_name("80");
  auto* filter = hcm.add_http_filters();
  filter->set_name("envoy.filters.http.local_ratelimit");
  filter->mutable_typed_config()->PackFrom(limit);
  hcm.add_http_filters()->set_name("envoy.filters.http.router");
  FromListener listener;
  listener.set_name(Cat("l", port));
  auto* address = listener.mutable_address()->mutable_socket_address();
  address->set_address("10.0.0.1");
  address->set_port_value(port);
  listener.add_filter_chains()->add_filters()->mutable_typed_config()->PackFrom(hcm);
  return listener;
}

Resources Of(const std::vector<FromListener>& listeners) {
  Resources resources;
  for (const FromListener& listener : listeners) resources.listeners.push_back(&listener);
  return resources;
}

// Of each listener's own bucket.
std::vector<uint32_t> Ids(Compiler* compiler, const std::vector<FromListener>& listeners) {
  const auto snapshot = compiler->Compile(Of(listeners));
  EXPECT_TRUE(snapshot.ok()) << snapshot.status();
  std::vector<uint32_t> ids;
  if (!snapshot.ok()) return ids;
  for (const Listener& listener : (*snapshot)->listeners) {
    ids.push_back(std::get<HttpManager>(listener.filter).rate_limit->bucket->id);
  }
  return ids;
}

TEST(RateLimitBuckets, KeepTheirIdsWhileTheySayTheSame) {
  Compiler compiler({});
  const FromListener a = ListenerWith(80, Limit(1, 0)), b = ListenerWith(81, Limit(1, 0));
  const std::vector<uint32_t> first = Ids(&compiler, {a, b});
  ASSERT_EQ(first.size(), 2u);
  EXPECT_NE(first[0], first[1]);
  EXPECT_EQ(Ids(&compiler, {b, a}), (std::vector<uint32_t>{first[1], first[0]}));
  const FromListener other = ListenerWith(80, Limit(2, 0));
  const std::vector<uint32_t> changed = Ids(&compiler, {other, b});
  EXPECT_GT(changed[0], first[1]);
  EXPECT_EQ(changed[1], first[1]);
  EXPECT_GT(Ids(&compiler, {a, b})[0], changed[0]);  // full again: the old one was forgotten
}

TEST(RateLimitBuckets, AreListedOnceAndInOrder) {
  Compiler compiler({});
  const std::vector<FromListener> listeners = {ListenerWith(80, Limit(1, 3)),
                                               ListenerWith(81, Limit(1, 0))};
  const auto snapshot = compiler.Compile(Of(listeners));
  ASSERT_TRUE(snapshot.ok());
  const auto& buckets = (*snapshot)->buckets;
  ASSERT_EQ(buckets.size(), 5u);
  for (size_t i = 1; i < buckets.size(); ++i) EXPECT_LT(buckets[i - 1].id, buckets[i].id);
}

TEST(RateLimitBuckets, OfConnectionsAreNotShared) {
  Compiler compiler({});
  FromLimit limit = Limit(1, 1);
  limit.set_local_rate_limit_per_downstream_connection(true);
  const std::vector<FromListener> listeners = {ListenerWith(80, limit)};
  const auto snapshot = compiler.Compile(Of(listeners));
  ASSERT_TRUE(snapshot.ok());
  EXPECT_TRUE((*snapshot)->buckets.empty());
}

TEST(RateLimitBuckets, DescriptorsHaveABound) {
  Compiler compiler({});
  const size_t most = limits::kRateLimitDescriptorsMax;
  for (const size_t count : {most - 1, most, most + 1}) {
    const std::vector<FromListener> listeners = {ListenerWith(80, Limit(0, count))};
    EXPECT_EQ(compiler.Check(Of(listeners)).ok(), count <= most) << count;
  }
}

TEST(RateLimitBuckets, HaveABound) {
  Compiler compiler({});
  std::vector<FromListener> listeners;
  const size_t each = limits::kRateLimitDescriptorsMax;
  static_assert(limits::kConfigBucketsMax % limits::kRateLimitDescriptorsMax == 0);
  for (size_t i = 1; i < limits::kConfigBucketsMax / each; ++i) {
    listeners.push_back(ListenerWith(static_cast<uint16_t>(i), Limit(0, each)));
  }
  for (const size_t last : {each - 1, each, each + 1}) {
    std::vector<FromListener> all = listeners;
    all.push_back(ListenerWith(1000, Limit(last > each ? 1 : 0, std::min(last, each))));
    const absl::Status status = compiler.Check(Of(all));
    EXPECT_EQ(status.ok(), last <= each) << status;
  }
}

}  // namespace
}  // namespace meltemi::config
