// Goal: which bucket a request takes from, for each kind of action and each choice between a
// route's rules and its host's. Method: requests by hand; the descriptor's whole text.
#include "l7/policy/rate_limit.h"

#include <map>
#include <utility>

#include "gtest/gtest.h"

namespace meltemi::policy {
namespace {

using config::HostRules;
using config::RateLimitAction;
using config::RateLimitRule;
using Kind = RateLimitAction::Kind;

class RateLimitTest : public ::testing::Test {
 protected:
  template <typename F>
  auto With(F f) {
    const auto lookup = [this](std::string_view name) -> std::optional<std::string_view> {
      const auto found = headers_.find(name);
      return found == headers_.end() ? std::nullopt
                                     : std::optional<std::string_view>(found->second);
    };
    const route::RequestView view{
        .method = "GET", .scheme = "http", .authority = "shop", .path = "/a?b", .header = lookup};
    return f(
        LimitedRequest{.http = view, .source = source_, .cluster = cluster_, .remote = remote_});
  }

  static RateLimitRule Rule(std::vector<RateLimitAction> actions, uint32_t stage = 0) {
    RateLimitRule rule{.stage = stage};
    rule.actions = std::move(actions);
    return rule;
  }
  static std::vector<RateLimitAction> One(RateLimitAction action) {
    std::vector<RateLimitAction> all;
    all.push_back(std::move(action));
    return all;
  }
  static std::vector<RateLimitRule> Generic(std::string value) {
    std::vector<RateLimitRule> rules;
    rules.push_back(Rule(One({.key = "generic_key", .value = std::move(value)})));
    return rules;
  }
  // "(none)": no descriptor.
  std::string Text(const RateLimitRule& rule) {
    return With([&](const LimitedRequest& request) {
      std::string text;
      return DescriptorOf(rule, request, &text) ? text : std::string("(none)");
    });
  }
  // The id of the bucket; 0: none.
  uint32_t Find(const config::LocalRateLimit& limit, const RulesOf& rules) {
    return With([&](const LimitedRequest& request) {
      std::string scratch;
      const auto* bucket = FindDescribed(limit, rules, request, &scratch);
      return bucket == nullptr ? 0 : bucket->id;
    });
  }
  static void Add(std::string_view value, uint32_t id, config::LocalRateLimit* limit) {
    std::string text;
    config::AppendDescriptorEntry("generic_key", value, &text);
    limit->descriptors[text] = static_cast<uint32_t>(limit->buckets.size());
    limit->buckets.push_back({.id = id});
  }

  std::map<std::string, std::string, std::less<>> headers_;
  std::string source_ = "web.default", cluster_ = "backend";
  IpAddr remote_ = *IpAddr::Parse("10.1.2.3");
};

TEST_F(RateLimitTest, EachActionHasItsEntry) {
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kSourceCluster, .key = "source_cluster"}))),
            "14:source_cluster11:web.default");
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kDestinationCluster, .key = "destination_cluster"}))),
            "19:destination_cluster7:backend");
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kRemoteAddress, .key = "remote_address"}))),
            "14:remote_address8:10.1.2.3");
  EXPECT_EQ(Text(Rule(One({.key = "k", .value = "v"}))), "1:k1:v");
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kRequestHeader, .key = "p", .header = ":path"}))),
            "1:p4:/a?b");
}

TEST_F(RateLimitTest, EntriesStandInTheirOrder) {
  headers_["x-user"] = "alice";
  std::vector<RateLimitAction> actions = One({.key = "k", .value = "v"});
  actions.push_back({.kind = Kind::kRequestHeader, .key = "user", .header = "x-user"});
  EXPECT_EQ(Text(Rule(std::move(actions))), "1:k1:v4:user5:alice");
}

TEST_F(RateLimitTest, AnAbsentHeaderIsSkippedOrMakesNone) {
  std::vector<RateLimitAction> actions = One({.key = "k", .value = "v"});
  actions.push_back({.kind = Kind::kRequestHeader, .key = "user", .header = "x-user"});
  RateLimitRule rule = Rule(std::move(actions));
  EXPECT_EQ(Text(rule), "(none)");
  rule.actions[1].skip_if_absent = true;
  EXPECT_EQ(Text(rule), "1:k1:v");
  rule.actions.erase(rule.actions.begin());  // nothing is left
  EXPECT_EQ(Text(rule), "(none)");
}

TEST_F(RateLimitTest, UnknownSourceAndClusterMakeNone) {
  source_ = cluster_ = "";
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kSourceCluster, .key = "source_cluster"}))), "(none)");
  EXPECT_EQ(Text(Rule(One({.kind = Kind::kDestinationCluster, .key = "d"}))), "(none)");
}

TEST_F(RateLimitTest, MasksAtEveryEdge) {
  const auto masked = [&](const char* ip, uint8_t v4, uint8_t v6) {
    remote_ = *IpAddr::Parse(ip);
    return Text(
        Rule(One({.kind = Kind::kMaskedRemoteAddress, .v4_bits = v4, .v6_bits = v6, .key = "m"})));
  };
  EXPECT_EQ(masked("10.255.255.255", 0, 0), "1:m9:0.0.0.0/0");
  EXPECT_EQ(masked("10.255.255.255", 7, 0), "1:m10:10.0.0.0/7");
  EXPECT_EQ(masked("10.255.255.255", 31, 0), "1:m17:10.255.255.254/31");
  EXPECT_EQ(masked("10.255.255.255", 32, 0), "1:m17:10.255.255.255/32");
  EXPECT_EQ(masked("2001:db8:ffff::1", 0, 33), "1:m18:2001:db8:8000::/33");
  EXPECT_EQ(masked("2001:db8::1", 0, 128), "1:m15:2001:db8::1/128");
}

TEST_F(RateLimitTest, HeadersMatchOrDoNot) {
  RateLimitAction action{.kind = Kind::kHeaderValueMatch, .key = "header_match", .value = "v"};
  action.headers.push_back({.name = "x-user"});
  RateLimitRule rule = Rule(One(std::move(action)));
  EXPECT_EQ(Text(rule), "(none)");
  rule.actions[0].expect_match = false;
  EXPECT_EQ(Text(rule), "12:header_match1:v");
  headers_["x-user"] = "";
  EXPECT_EQ(Text(rule), "(none)");
  rule.actions[0].expect_match = true;
  EXPECT_EQ(Text(rule), "12:header_match1:v");
}

TEST_F(RateLimitTest, TheFirstKnownDescriptorOfTheStageDecides) {
  config::LocalRateLimit limit;
  Add("b", 2, &limit);
  Add("c", 3, &limit);
  std::vector<RateLimitRule> rules = Generic("a");
  rules.push_back(Rule(One({.key = "generic_key", .value = "c"}), 1));
  EXPECT_EQ(Find(limit, {.route = rules}), 0u);
  limit.stage = 1;
  EXPECT_EQ(Find(limit, {.route = rules}), 3u);
  limit.stage = 0;
  for (const char* value : {"c", "b"}) {
    rules.push_back(Rule(One({.key = "generic_key", .value = value})));
  }
  EXPECT_EQ(Find(limit, {.route = rules}), 3u);
}

TEST_F(RateLimitTest, RouteAndHost) {
  const std::vector<RateLimitRule> a = Generic("a"), b = Generic("b"), other = Generic("x");
  config::LocalRateLimit limit;
  Add("a", 1, &limit);
  Add("b", 2, &limit);
  const struct {
    HostRules host_rules;
    RulesOf rules;
    uint32_t want;
  } kRows[] = {
      {HostRules::kOverride, {.route = a, .host = b}, 1},
      {HostRules::kOverride, {.route = other, .host = b}, 0},
      {HostRules::kOverride, {.host = b}, 2},
      {HostRules::kOverride, {.route = other, .host = b, .include_host = true}, 2},
      {HostRules::kInclude, {.route = other, .host = b}, 2},
      {HostRules::kInclude, {.route = a, .host = b}, 1},
      {HostRules::kIgnore, {.host = b}, 0},
      {HostRules::kIgnore, {.host = b, .include_host = true}, 2},
  };
  for (const auto& row : kRows) {
    limit.host_rules = row.host_rules;
    EXPECT_EQ(Find(limit, row.rules), row.want) << (&row - kRows);
  }
}

}  // namespace
}  // namespace meltemi::policy
