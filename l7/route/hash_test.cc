// Goal: each hash policy takes what it says from a request, and several fold as Envoy's do.
#include "l7/route/hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "l7/base/xx_hash.h"

namespace meltemi::route {
namespace {

using config::HashPolicy;
using Kind = HashPolicy::Kind;

struct Request {
  std::string path = "/";
  std::map<std::string, std::string, std::less<>> headers;
};

RequestHash Hash(const std::vector<HashPolicy>& policies, const Request& request) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = request.headers.find(name);
    if (found == request.headers.end()) return std::nullopt;
    return found->second;
  };
  const RequestView view{
      .method = "GET", .scheme = "http", .authority = "a", .path = request.path, .header = lookup};
  return HashOf(policies, {.request = view,
                           .client = {*IpAddr::Parse("10.0.0.9"), 1234},
                           .local = {*IpAddr::Parse("10.0.0.1"), 80}});
}

TEST(HashOf, Header) {
  const std::vector<HashPolicy> policies = {{.kind = Kind::kHeader, .name = "x-user"}};
  EXPECT_EQ(Hash(policies, {.headers = {{"x-user", "ann"}}}).hash, XxHash64("ann"));
  EXPECT_EQ(Hash(policies, {}).hash, std::nullopt);
}

TEST(HashOf, SourceIpIsWithoutThePort) {
  EXPECT_EQ(Hash({{.kind = Kind::kSourceIp}}, {}).hash, XxHash64("10.0.0.9"));
}

TEST(HashOf, QueryParameter) {
  const std::vector<HashPolicy> policies = {{.kind = Kind::kQueryParameter, .name = "u"}};
  EXPECT_EQ(Hash(policies, {.path = "/?uu=1&u=2&u=3"}).hash, XxHash64("2"));
  EXPECT_EQ(Hash(policies, {.path = "/?u"}).hash, XxHash64(""));
  EXPECT_EQ(Hash(policies, {.path = "/u=2"}).hash, std::nullopt);
  EXPECT_EQ(Hash(policies, {.path = "/#?u=2"}).hash, std::nullopt);
}

TEST(HashOf, CookieOfTheRequest) {
  const std::vector<HashPolicy> policies = {{.kind = Kind::kCookie, .name = "id"}};
  EXPECT_EQ(Hash(policies, {.headers = {{"cookie", "xid=1; id=\"7\";id=8"}}}).hash, XxHash64("7"));
  const RequestHash none = Hash(policies, {.headers = {{"cookie", "idx=1; id"}}});
  EXPECT_EQ(none.hash, std::nullopt);
  EXPECT_TRUE(none.set_cookie.empty());
}

TEST(HashOf, CookieIsMadeOnceThenFound) {
  const std::vector<HashPolicy> policies = {
      {.kind = Kind::kCookie, .name = "id", .ttl = Duration::Seconds(60), .path = "/a"}};
  const RequestHash made = Hash(policies, {});
  ASSERT_EQ(made.set_cookie.size(), 1u);
  const std::string& line = made.set_cookie[0];
  EXPECT_EQ(line.substr(0, 4), "id=\"");
  EXPECT_EQ(line.substr(20), "\"; Max-Age=60; Path=/a; HttpOnly");
  const RequestHash found = Hash(policies, {.headers = {{"cookie", line.substr(0, 21)}}});
  EXPECT_EQ(found.hash, made.hash);
  EXPECT_TRUE(found.set_cookie.empty());
}

TEST(HashOf, CookieOfASessionHasNoAge) {
  const RequestHash made = Hash({{.kind = Kind::kCookie, .name = "id", .ttl = Duration()}}, {});
  EXPECT_EQ(made.set_cookie[0].substr(20), "\"; HttpOnly");
}

TEST(HashOf, SeveralAreFolded) {
  const Request request{.path = "/?q=1", .headers = {{"a", "x"}}};
  const HashPolicy missing{.kind = Kind::kHeader, .name = "none"};
  const HashPolicy header{.kind = Kind::kHeader, .name = "a"};
  const HashPolicy query{.kind = Kind::kQueryParameter, .name = "q"};
  EXPECT_EQ(Hash({missing, header, query}, request).hash,
            std::rotl(XxHash64("x"), 1) ^ XxHash64("1"));
}

TEST(HashOf, TerminalEndsItWhenThereIsAHash) {
  const Request request{.path = "/?q=1", .headers = {{"a", "x"}}};
  const HashPolicy missing{.kind = Kind::kHeader, .terminal = true, .name = "none"};
  const HashPolicy header{.kind = Kind::kHeader, .terminal = true, .name = "a"};
  const HashPolicy query{.kind = Kind::kQueryParameter, .name = "q"};
  EXPECT_EQ(Hash({missing, header, query}, request).hash, XxHash64("x"));
}

}  // namespace
}  // namespace meltemi::route
