#include "l7/telemetry/access_log.h"

#include "gtest/gtest.h"

namespace meltemi::telemetry {
namespace {

AccessRecord Example() {
  AccessRecord r;
  r.start_unix_nanos = 1'500'000'000'123'456'789;
  r.duration = Duration::Millis(12);
  r.upstream_service_time = Duration::Millis(10);
  r.response_code = 200;
  r.protocol = Protocol::kHttp11;
  r.bytes_received = 3;
  r.bytes_sent = 178;
  r.downstream_remote = {*IpAddr::Parse("10.1.0.11"), 40'000};
  r.downstream_local = {*IpAddr::Parse("10.96.0.1"), 9080};
  r.upstream_host = {*IpAddr::Parse("fd00::7"), 80};
  r.upstream_local = {*IpAddr::Parse("fd00::1"), 33'000};
  r.method.Set("GET");
  r.path.Set("/reviews/0");
  r.authority.Set("reviews:9080");
  r.user_agent.Set("curl/7.88.1");
  r.request_id.Set("id-1");
  r.response_code_details.Set("via_upstream");
  r.upstream_cluster.Set("outbound|9080|v1|reviews");
  r.route_name.Set("default");
  return r;
}

// Goal: byte-compatible with Envoy's default format, which people parse.
TEST(AccessLog, EnvoyDefaultFormat) {
  auto format = AccessLogFormat::Parse(
      "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
      "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
      "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
      "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n");
  ASSERT_TRUE(format.ok()) << format.status();
  std::string line;
  format->Append(Example(), &line);
  EXPECT_EQ(line,
            "[2017-07-14T02:40:00.123Z] \"GET /reviews/0 HTTP/1.1\" 200 - 3 178 12 10 \"-\" "
            "\"curl/7.88.1\" \"id-1\" \"reviews:9080\" \"[fd00::7]:80\"\n");
}

TEST(AccessLog, FlagsAndAbsentValues) {
  AccessRecord r = Example();
  r.response_code = 503;
  r.response_flags = kUpstreamConnectionFailure | kUpstreamRetryLimitExceeded;
  r.upstream_service_time = Duration::Nanos(-1);
  r.upstream_host = {};
  auto format = AccessLogFormat::Parse(
      "%RESPONSE_FLAGS% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %UPSTREAM_HOST% %% "
      "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(USER-AGENT):4%");
  ASSERT_TRUE(format.ok()) << format.status();
  std::string line;
  format->Append(r, &line);
  EXPECT_EQ(line, "UF,URX - - % 10.1.0.11 curl");
}

TEST(AccessLog, UnknownOperatorsAreNamed) {
  EXPECT_EQ(AccessLogFormat::Parse("%NO_SUCH%").status().message(),
            "operator %NO_SUCH% is not supported");
  EXPECT_FALSE(AccessLogFormat::Parse("%START_TIME").ok());
  EXPECT_FALSE(AccessLogFormat::Parse("%REQ(:PATH):x%").ok());
}

}  // namespace
}  // namespace meltemi::telemetry
