// Goal: preflights are answered here, responses say who may read them, others go on untouched.
// Method: the engine by hand; whole header values compared.
#include <string>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

constexpr char kOrigin[] = "origin: https://shop.example\r\n";

class CorsTest : public EngineTest {
 protected:
  CorsTest() {
    manager().cors_filter = true;
    config::Cors& cors = route().cors.emplace();
    cors.origins.push_back({.value = "https://shop.example"});
    cors.origins.push_back({.kind = config::StringMatch::Kind::kPrefix, .value = "http://dev."});
    cors.allow_methods = "GET,PUT";
    cors.allow_headers = "x-token";
    cors.expose_headers = "x-total";
    cors.max_age = "600";
    cors.allow_credentials = true;
  }
  static std::string Options(const std::string& extra) {
    return "OPTIONS / HTTP/1.1\r\nHost: backend\r\n" + extra + "\r\n";
  }
  static std::string Preflight(const std::string& origin) {
    return Options("origin: " + origin + "\r\naccess-control-request-method: PUT\r\n");
  }
  static std::string Cors(const std::string& response, const std::string& name) {
    return HeaderOf(response, "access-control-" + name);
  }
};

TEST_F(CorsTest, APreflightIsAnsweredHere) {
  const ConnId down = Accept();
  Send(down, Preflight("https://shop.example"));
  const std::string response = Take(down);
  EXPECT_TRUE(connecting_.empty());
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(Cors(response, "allow-origin"), "https://shop.example");
  EXPECT_EQ(Cors(response, "allow-methods"), "GET,PUT");
  EXPECT_EQ(Cors(response, "allow-headers"), "x-token");
  EXPECT_EQ(Cors(response, "max-age"), "600");
  EXPECT_EQ(Cors(response, "allow-credentials"), "true");
  EXPECT_EQ(Cors(response, "expose-headers"), "(none)");
  EXPECT_EQ(BodyOf(response), "");
  EXPECT_EQ(LastRecord(), "200 - cors_response");
  EXPECT_EQ(engine().counters().cors_origin_valid, 1u);
}

TEST_F(CorsTest, AResponseSaysWhoMayReadIt) {
  const std::string response =
      RoundTrip(Accept(), Get("/", "origin: http://dev.local\r\n"),
                Ok("1", "access-control-allow-origin: *\r\n"));  // the upstream's own is replaced
  EXPECT_EQ(Cors(response, "allow-origin"), "http://dev.local");
  EXPECT_EQ(Cors(response, "allow-credentials"), "true");
  EXPECT_EQ(Cors(response, "expose-headers"), "x-total");
  EXPECT_EQ(Cors(response, "allow-methods"), "(none)");
}

TEST_F(CorsTest, OurOwnRepliesSayItToo) {
  const ConnId down = Accept();
  Send(down, Get("/", kOrigin));
  Refuse();
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_EQ(Cors(response, "allow-origin"), "https://shop.example");
}

TEST_F(CorsTest, AnotherOriginGoesOnUntouched) {
  for (const std::string& request :
       {Get("/", "origin: https://evil.example\r\n"), Preflight("https://evil.example")}) {
    const std::string response = RoundTrip(Accept(), request, Ok("1", "connection: close\r\n"));
    EXPECT_EQ(Cors(response, "allow-origin"), "(none)");
    EXPECT_EQ(BodyOf(response), "1");
  }
  EXPECT_EQ(engine().counters().cors_origin_invalid, 2u);
}

TEST_F(CorsTest, UnmatchedPreflightsMayEndHere) {
  route().cors->forward_unmatched_preflights = false;
  const ConnId down = Accept();
  Send(down, Preflight("https://evil.example"));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_EQ(Cors(response, "allow-origin"), "(none)");
  EXPECT_TRUE(connecting_.empty());
}

TEST_F(CorsTest, OptionsThatAreNoPreflightGoOn) {
  for (const std::string& extra : {std::string(kOrigin), std::string()}) {
    const std::string response =
        RoundTrip(Accept(), Options(extra), Ok("1", "connection: close\r\n"));
    EXPECT_EQ(BodyOf(response), "1");
    EXPECT_EQ(Cors(response, "allow-origin"), extra.empty() ? "(none)" : "https://shop.example");
  }
}

TEST_F(CorsTest, TheRoutesPolicyOverridesTheHosts) {
  host().cors.emplace().origins.push_back({.value = "*"});
  EXPECT_EQ(Cors(RoundTrip(Accept(), Get("/", "origin: http://a\r\n"), Ok("1")), "allow-origin"),
            "(none)");
}

TEST_F(CorsTest, TheHostsPolicyAndAStar) {
  route().cors.reset();
  host().cors.emplace().origins.push_back({.value = "*"});
  EXPECT_EQ(Cors(RoundTrip(Accept(), Get("/", "origin: http://a\r\n"), Ok("1")), "allow-origin"),
            "http://a");
}

TEST_F(CorsTest, NotWithoutTheFilterNorWhenDisabled) {
  route().cors->enabled.reset();
  EXPECT_EQ(Cors(RoundTrip(Accept(), Get("/", kOrigin), Ok("1")), "allow-origin"), "(none)");
}

}  // namespace
}  // namespace meltemi::engine
