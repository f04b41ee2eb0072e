// Tables of matches: each row one rule, one request, the outcome.
#include "l7/route/match.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "l7/route/normalize.h"
#include "l7/route/rewrite.h"

namespace meltemi::route {
namespace {

using config::HeaderMatch;
using config::RouteMatch;
using config::StringMatch;

using Headers = std::map<std::string, std::string, std::less<>>;

template <typename F>
auto With(const Headers& headers, std::string_view path, F&& f) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = headers.find(name);
    if (found == headers.end()) return std::nullopt;
    return std::string_view(found->second);
  };
  return f(RequestView{.method = "GET",
                       .scheme = "http",
                       .authority = "reviews:9080",
                       .path = path,
                       .header = lookup});
}

StringMatch String(StringMatch::Kind kind, std::string value, bool ignore_case = false) {
  StringMatch match;
  match.kind = kind;
  match.ignore_case = ignore_case;
  if (kind == StringMatch::Kind::kRegex) match.regex = std::make_unique<RE2>(value);
  match.value = std::move(value);
  return match;
}

TEST(StringMatch, Kinds) {
  using K = StringMatch::Kind;
  const struct {
    K kind;
    const char* value;
    bool ignore_case;
    const char* text;
    bool matches;
  } rows[] = {
      {K::kExact, "abc", false, "abc", true},   {K::kExact, "abc", false, "ABC", false},
      {K::kExact, "abc", true, "ABC", true},    {K::kExact, "abc", false, "abcd", false},
      {K::kPrefix, "ab", false, "abc", true},   {K::kPrefix, "ab", false, "a", false},
      {K::kPrefix, "ab", true, "ABc", true},    {K::kSuffix, "bc", false, "abc", true},
      {K::kSuffix, "bc", true, "aBC", true},    {K::kSuffix, "bc", false, "c", false},
      {K::kContains, "b", false, "abc", true},  {K::kContains, "b", true, "aBc", true},
      {K::kContains, "x", true, "abc", false},  {K::kRegex, "a.c", false, "abc", true},
      {K::kRegex, "a.c", false, "xabc", false}, {K::kContains, "", true, "", true},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Matches(String(row.kind, row.value, row.ignore_case), row.text), row.matches)
        << row.value << " " << row.text;
  }
}

TEST(PathMatch, Kinds) {
  using P = RouteMatch::Path;
  const struct {
    P kind;
    const char* value;
    bool ignore_case;
    const char* path;
    bool matches;
  } rows[] = {
      {P::kPrefix, "/", false, "/x?y", true},
      {P::kPrefix, "/api", false, "/apis", true},
      {P::kPrefix, "/api", true, "/API/x", true},
      {P::kPrefix, "/api", false, "/ap", false},
      {P::kExact, "/a", false, "/a?q=1", true},
      {P::kExact, "/a", false, "/a/", false},
      {P::kExact, "/a", false, "/a#f", true},
      {P::kExact, "/a", true, "/A", true},
      {P::kSeparatedPrefix, "/api", false, "/api", true},
      {P::kSeparatedPrefix, "/api", false, "/api/v1", true},
      {P::kSeparatedPrefix, "/api", false, "/apis", false},
      {P::kSeparatedPrefix, "/api", false, "/api?x", true},
      {P::kRegex, "/[0-9]+", false, "/12?x", true},
      {P::kRegex, "/[0-9]+", false, "/1a", false},
  };
  Prng prng(1);
  for (const auto& row : rows) {
    RouteMatch match;
    match.path = row.kind;
    match.ignore_case = row.ignore_case;
    if (row.kind == P::kRegex) match.path_regex = std::make_unique<RE2>(row.value);
    match.path_value = row.value;
    const bool matches = With(
        {}, row.path, [&](const RequestView& request) { return Matches(match, request, prng); });
    EXPECT_EQ(matches, row.matches) << row.value << " " << row.path;
  }
}

TEST(HeaderMatch, KindsAndAbsence) {
  using K = HeaderMatch::Kind;
  const Headers headers = {{"a", "1"}, {"n", "15"}, {"bad", "15x"}};
  const struct {
    const char* name;
    K kind;
    bool invert, missing_is_empty;
    const char* value;
    bool matches;
  } rows[] = {
      {"a", K::kPresent, false, false, "", true},
      {"z", K::kPresent, false, false, "", false},
      {"a", K::kPresent, true, false, "", false},
      {"z", K::kPresent, true, false, "", true},
      {"a", K::kString, false, false, "1", true},
      {"a", K::kString, true, false, "1", false},
      {"a", K::kString, true, false, "2", true},
      {"z", K::kString, true, false, "1", false},
      {"z", K::kString, true, true, "1", true},
      {"z", K::kString, false, true, "", true},
      {"n", K::kRange, false, false, "", true},
      {"a", K::kRange, false, false, "", false},
      {"bad", K::kRange, false, false, "", false},
      {":method", K::kString, false, false, "GET", true},
      {":authority", K::kString, false, false, "reviews:9080", true},
      {":path", K::kString, false, false, "/p?q", true},
      {":scheme", K::kString, false, false, "http", true},
      {":other", K::kPresent, false, false, "", false},
      {"host", K::kString, false, false, "reviews:9080", true},
  };
  for (const auto& row : rows) {
    HeaderMatch match;
    match.name = row.name;
    match.kind = row.kind;
    match.invert = row.invert;
    match.missing_is_empty = row.missing_is_empty;
    match.string = String(StringMatch::Kind::kExact, row.value);
    match.range_begin = 10;
    match.range_end = 20;
    const bool matches =
        With(headers, "/p?q", [&](const RequestView& request) { return Matches(match, request); });
    EXPECT_EQ(matches, row.matches) << row.name << " " << row.value << " invert " << row.invert;
  }
}

TEST(QueryMatch, Table) {
  const struct {
    const char* name;
    const char* value;  // null: presence
    const char* path;
    bool matches;
  } rows[] = {
      {"a", nullptr, "/?a", true},  {"a", nullptr, "/?b&a=1", true}, {"a", nullptr, "/?ab", false},
      {"a", nullptr, "/a", false},  {"a", "1", "/?a=1", true},       {"a", "1", "/?a=2&a=1", false},
      {"a", "", "/?a", true},       {"a", "1", "/?x=a=1", false},    {"a", "1", "/?&&a=1&", true},
      {"a", "1", "/?b#a=1", false},
  };
  for (const auto& row : rows) {
    config::QueryMatch match;
    match.name = row.name;
    if (row.value != nullptr) match.value = String(StringMatch::Kind::kExact, row.value);
    EXPECT_EQ(Matches(match, std::string_view(row.path)), row.matches) << row.path;
  }
}

TEST(FindHost, ExactThenSuffixThenPrefixThenAny) {
  config::RouteTable table;
  table.hosts.resize(6);
  for (int i = 0; i < 6; ++i) table.hosts[i].name = std::to_string(i);
  table.exact["reviews"] = 0;
  table.exact["reviews:9080"] = 1;
  table.suffix = {{".b.example", 2}, {".example", 3}};
  table.prefix = {{"api.", 4}};
  table.any = 5;
  const struct {
    const char* authority;
    const char* host;
  } rows[] = {
      {"reviews", "0"},     {"REVIEWS:9080", "1"},
      {"reviews:81", "5"},  {"a.b.example", "2"},
      {"x.example", "3"},   {".example", "5"},
      {"api.x", "4"},       {"api.", "5"},
      {"api.example", "3"}, {"", "5"},
  };
  for (const auto& row : rows) {
    ASSERT_NE(FindHost(table, row.authority), nullptr);
    EXPECT_EQ(FindHost(table, row.authority)->name, row.host) << row.authority;
  }
  table.any = config::kNoIndex;
  EXPECT_EQ(FindHost(table, "nobody"), nullptr);
}

TEST(FindRoute, FirstMatchWinsAndAllConditionsCount) {
  config::VirtualHost host;
  host.routes.resize(2);
  host.routes[0].match.path_value = "/a";
  HeaderMatch user;
  user.name = "end-user";
  user.kind = HeaderMatch::Kind::kString;
  user.string.value = "jason";
  host.routes[0].match.headers.push_back(std::move(user));
  host.routes[1].match.path_value = "/";
  Prng prng(1);
  const auto find = [&](const Headers& headers, std::string_view path) {
    return With(headers, path, [&](const RequestView& request) {
      return FindRoute(host, request, prng) - host.routes.data();
    });
  };
  EXPECT_EQ(find({{"end-user", "jason"}}, "/a"), 0);
  EXPECT_EQ(find({{"end-user", "jane"}}, "/a"), 1);
  EXPECT_EQ(find({{"end-user", "jason"}}, "/b"), 1);
}

TEST(Draw, KeepsTheFraction) {
  Prng prng(5);
  for (const uint32_t percent : {0u, 1u, 50u, 99u, 100u}) {
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) hits += Draw({percent, 100}, prng);
    EXPECT_NEAR(hits, percent * 100.0, 170) << percent;  // 3.3 sigma at 50 %
    if (percent % 100 == 0) {
      EXPECT_EQ(hits, static_cast<int>(percent) * 100);
    }
  }
}

TEST(PickCluster, KeepsTheWeights) {
  std::vector<config::WeightedCluster> clusters(3);
  const uint32_t weights[] = {90, 0, 10};
  for (int i = 0; i < 3; ++i) clusters[i].weight = weights[i];
  Prng prng(9);
  int hits[3] = {};
  for (int i = 0; i < 10'000; ++i) ++hits[&PickCluster(clusters, 100, prng) - clusters.data()];
  EXPECT_EQ(hits[1], 0);
  EXPECT_NEAR(hits[2], 1000, 100);
}

TEST(Rewrite, Table) {
  using P = RouteMatch::Path;
  const struct {
    P kind;
    const char* match;
    const char* rewrite;
    const char* path;
    const char* result;
  } rows[] = {
      {P::kPrefix, "/api/", "/", "/api/v1?q", "/v1?q"},
      {P::kPrefix, "/api", "/v2", "/api", "/v2"},
      {P::kExact, "/a", "/b", "/a?x=1", "/b?x=1"},
      {P::kPrefix, "/", "/base/", "/x", "/base/x"},
      {P::kSeparatedPrefix, "/api", "/v2", "/api/x", "/v2/x"},
  };
  for (const auto& row : rows) {
    RouteMatch match;
    match.path = row.kind;
    match.path_value = row.match;
    config::Forward forward;
    forward.prefix_rewrite = row.rewrite;
    std::string out;
    ASSERT_TRUE(RewritePath(forward, match, row.path, &out));
    EXPECT_EQ(out, row.result);
  }
  config::Forward regex;
  regex.regex_rewrite = std::make_unique<RE2>("^/service/([^/]+)(/.*)$");
  regex.regex_substitution = "\\2/instance/\\1";
  std::string out;
  ASSERT_TRUE(RewritePath(regex, {}, "/service/foo/v1/api?q", &out));
  EXPECT_EQ(out, "/v1/api/instance/foo?q");
  EXPECT_FALSE(RewritePath({}, {}, "/x", &out));
}

TEST(Redirect, Table) {
  const auto location = [](config::Redirect redirect, std::string_view path) {
    RouteMatch match;
    match.path_value = "/a";
    return With({}, path, [&](const RequestView& request) {
      return RedirectLocation(redirect, match, request);
    });
  };
  config::Redirect r;
  EXPECT_EQ(location(r, "/a?b"), "http://reviews:9080/a?b");
  r.scheme = "https";
  EXPECT_EQ(location(r, "/a"), "https://reviews/a");
  r.port = 8443;
  EXPECT_EQ(location(r, "/a"), "https://reviews:8443/a");
  r.host = "h";
  r.prefix_rewrite = "/z";
  EXPECT_EQ(location(r, "/a/b?c"), "https://h:8443/z/b?c");
  r.strip_query = true;
  EXPECT_EQ(location(r, "/a/b?c"), "https://h:8443/z/b");
  r.path = "/p?q";
  EXPECT_EQ(location(r, "/a?c"), "https://h:8443/p?q");
}

TEST(NormalizePath, Table) {
  const struct {
    const char* path;
    const char* result;  // null: refused
  } rows[] = {
      {"/a/b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/./b?x=..", "/a/b?x=.."},
      {"/../../a", "/a"},
      {"/a/..", "/"},
      {"/a/.", "/a/"},
      {"/%61%2e%2E/b", "/a../b"},
      {"/%2e%2e/b", "/b"},
      {"/a%2fb", "/a%2Fb"},
      {"/a\\b", "/a/b"},
      {"/%zz", nullptr},
      {"/%4", nullptr},
      {"*", "*"},
      {"/", "/"},
      {"//a", "//a"},
  };
  for (const auto& row : rows) {
    std::string out;
    const bool ok = NormalizePath(row.path, &out);
    EXPECT_EQ(ok, row.result != nullptr) << row.path;
    if (ok && row.result != nullptr) {
      EXPECT_EQ(out, row.result) << row.path;
    }
  }
}

}  // namespace
}  // namespace meltemi::route
