// Goal: what a DestinationRule says of HTTP/2 is read, and what makes no sense is refused by name.
// Method: connectionPool.http as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/testing/built.h"

namespace meltemi::control::pilot::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Read {
  ConnectionPool pool;
  std::vector<std::string> problems;
};

Read ReadHttp(const std::string& http) {
  const Built built =
      Build(absl::StrCat("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
                         "metadata: {name: r}\nspec: {host: h, trafficPolicy: {connectionPool: "
                         "{http: {",
                         http, "}}}}\n"),
            Until::kParsed, "f");
  Read out{.problems = built.problems};
  const auto& rules = built.objects.destination_rules;
  if (rules.size() == 1 && rules[0].policy.all.pool) out.pool = *rules[0].policy.all.pool;
  return out;
}

TEST(ConnectionPool, SaysHowHttp2IsSpoken) {
  const Read nothing = ReadHttp("maxRetries: 1");
  EXPECT_EQ(nothing.pool.h2_upgrade, H2Upgrade::kDefault);
  EXPECT_FALSE(nothing.pool.use_client_protocol);
  const Read all = ReadHttp(
      "h2UpgradePolicy: UPGRADE, useClientProtocol: true, maxConcurrentStreams: 2147483647, "
      "http2KeepAlive: {interval: 30s, timeout: 1ms}");
  EXPECT_THAT(all.problems, IsEmpty());
  EXPECT_EQ(all.pool.h2_upgrade, H2Upgrade::kUpgrade);
  EXPECT_TRUE(all.pool.use_client_protocol);
  EXPECT_EQ(all.pool.max_concurrent_streams, 2147483647u);
  ASSERT_TRUE(all.pool.http2_keepalive.has_value());
  EXPECT_EQ(all.pool.http2_keepalive->interval, absl::Seconds(30));
  EXPECT_EQ(all.pool.http2_keepalive->timeout, absl::Milliseconds(1));
  EXPECT_EQ(ReadHttp("h2UpgradePolicy: DO_NOT_UPGRADE").pool.h2_upgrade, H2Upgrade::kDoNotUpgrade);
}

TEST(ConnectionPool, RefusesWhatMakesNoSense) {
  const struct {
    const char* http;
    const char* problem;
  } kRows[] = {{"h2UpgradePolicy: MAYBE", "http.h2UpgradePolicy"},
               {"useClientProtocol: perhaps", "http.useClientProtocol"},
               {"maxConcurrentStreams: 0", "http.maxConcurrentStreams"},
               {"maxConcurrentStreams: 2147483648", "http.maxConcurrentStreams"},
               {"http2KeepAlive: {timeout: 1s}", "http.http2KeepAlive.interval: required"},
               {"http2KeepAlive: {interval: 1s}", "http.http2KeepAlive.timeout: required"},
               {"http2KeepAlive: {interval: 0s, timeout: 1s}", "http.http2KeepAlive.interval"},
               {"http2KeepAlive: {interval: 1s, timeout: 1s, jitter: 1}", "jitter: unknown field"}};
  for (const auto& row : kRows) {
    EXPECT_THAT(ReadHttp(row.http).problems, ElementsAre(HasSubstr(row.problem))) << row.http;
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::model
