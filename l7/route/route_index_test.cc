// Goal: a host with an index finds what trying all its routes one by one finds. Method: random
// routes and paths over a small alphabet, the same host without its index as oracle.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "l7/base/text.h"
#include "l7/route/match.h"

namespace meltemi::route {
namespace {

using config::RouteMatch;

std::string RandomPath(Prng& prng, size_t size_max) {
  constexpr std::string_view kAlphabet = "/aB\xff";
  std::string path = "/";
  for (size_t n = prng.Below(size_max); n > 0; --n) path += kAlphabet[prng.Below(4)];
  return path;
}

RouteMatch RandomMatch(Prng& prng) {
  RouteMatch match;
  match.path = static_cast<RouteMatch::Path>(prng.Below(4));
  match.path_value = RandomPath(prng, 6);
  if (match.path == RouteMatch::Path::kRegex) {
    match.path_regex = std::make_unique<RE2>("/a*/?.{0,2}");
  } else if (prng.Below(8) == 0) {
    match.ignore_case = true;
    match.path_value = "/ab";
  } else if (prng.Below(8) == 0) {
    match.path_value.clear();  // matches all
    match.path = RouteMatch::Path::kPrefix;
  }
  if (prng.Below(3) == 0) match.fraction = config::Fraction{1, 2};
  return match;
}

// The number of the route found, and what the next draw is: both ways must draw equally often.
std::pair<ptrdiff_t, uint64_t> Find(const config::VirtualHost& host, const std::string& path,
                                    uint64_t seed) {
  Prng prng(seed);
  const auto none = [](std::string_view) { return std::optional<std::string_view>(); };
  const RequestView request{
      .method = "GET", .scheme = "http", .authority = "a", .path = path, .header = none};
  const config::Route* route = FindRoute(host, request, prng);
  const ptrdiff_t number = route == nullptr ? -1 : route - host.routes.data();
  return {number, prng.Next()};
}

TEST(RouteIndex, FindsWhatTryingAllFinds) {
  int found_count = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    config::VirtualHost host;
    for (size_t n = prng.Below(60); n > 0; --n)
      host.routes.emplace_back().match = RandomMatch(prng);
    for (int i = 0; i < 100; ++i) {
      std::string path = RandomPath(prng, 8);
      if (prng.Below(4) == 0) path += "?q=/a";
      host.index = {};
      const auto expected = Find(host, path, i);
      host.index.Build(host.routes);
      ASSERT_EQ(host.index.empty(), host.routes.size() < config::RouteIndex::kRoutesMin);
      ASSERT_EQ(Find(host, path, i), expected) << "seed " << seed << ", path " << path;
      found_count += expected.first >= 0;
    }
  }
  EXPECT_GT(found_count, 5000);
}

// Each prefix inside the next: more than the index keeps lists for, so that all are tried.
TEST(RouteIndex, ManyNestedPrefixes) {
  for (const int depth : {10, 31, 32, 33, 500}) {
    config::VirtualHost host;
    std::string path;
    for (int i = 0; i < depth; ++i) {
      path += "/a";
      RouteMatch& match = host.routes.emplace_back().match;
      match.path_value = path;
      match.path = RouteMatch::Path::kExact;
      host.routes.emplace_back().match.path_value = path + "/";
    }
    host.index.Build(host.routes);
    EXPECT_EQ(Find(host, path, 1).first, depth == 1 ? 0 : 1) << depth;
    EXPECT_EQ(Find(host, "/a", 1).first, 0);
    EXPECT_EQ(Find(host, "/b", 1).first, -1);
  }
}

TEST(RouteIndex, TheOrderOfRoutesDecides) {
  config::VirtualHost host;
  for (const char* path : {"/a/b", "/a", "/", "/x1", "/x2", "/x3", "/x4", "/a/b/c"}) {
    host.routes.emplace_back().match.path_value = path;
  }
  host.index.Build(host.routes);
  EXPECT_EQ(Find(host, "/a/b/c", 1).first, 0);
  EXPECT_EQ(Find(host, "/a/c", 1).first, 1);
  EXPECT_EQ(Find(host, "/x2", 1).first, 2);
  EXPECT_EQ(Find(host, "x", 1).first, -1);
}

}  // namespace
}  // namespace meltemi::route
