#include "l7/telemetry/access_log.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "l7/config/log_operators.h"

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

// Goal: of a peer's certificate what Envoy says, of one known by its port the URI alone.
TEST(AccessLog, Peers) {
  auto format = AccessLogFormat::Parse(
      "%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_DNS_SAN%|%DOWNSTREAM_LOCAL_URI_SAN%|"
      "%DOWNSTREAM_PEER_SUBJECT%|%DOWNSTREAM_PEER_ISSUER%|%DOWNSTREAM_PEER_SERIAL%|"
      "%DOWNSTREAM_PEER_FINGERPRINT_256%|%DOWNSTREAM_PEER_CERT_V_START%|"
      "%DOWNSTREAM_PEER_CERT_V_END%|%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_TLS_CIPHER%|"
      "%UPSTREAM_PEER_URI_SAN%|%UPSTREAM_PEER_SUBJECT%|%UPSTREAM_TLS_VERSION%|"
      "%UPSTREAM_TLS_CIPHER%");
  ASSERT_TRUE(format.ok()) << format.status();
  AccessRecord r = Example();
  std::string line;
  format->Append(r, &line);
  EXPECT_EQ(line, "-|-|-|-|-|-|-|-|-|-|-|-|-|-|-");
  auto peers = std::make_unique<PeersRecord>();
  auto certificate = std::make_unique<PeerCertificate>();
  certificate->uris = {"spiffe://a/b", "spiffe://a/c"};
  certificate->subject = "CN=a";
  certificate->issuer = "O=b";
  certificate->serial = "0c";
  certificate->sha256 = "dd";
  certificate->not_before = 1'500'000'000;
  certificate->not_after = 1'500'003'600;
  peers->downstream.certificate = std::move(certificate);
  peers->downstream.local = {"spiffe://a/us"};
  peers->downstream_tls = {.version = 0x0304, .cipher_suite = 0x1302};
  peers->upstream.principal = "spiffe://a/pod";
  peers->upstream_tls = {.version = 0x0303, .cipher_suite = 0x9c};
  r.peers = std::move(peers);
  line.clear();
  format->Append(r, &line);
  EXPECT_EQ(line,
            "spiffe://a/b,spiffe://a/c|-|spiffe://a/us|CN=a|O=b|0c|dd|2017-07-14T02:40:00.000Z|"
            "2017-07-14T03:40:00.000Z|TLSv1.3|TLS_AES_256_GCM_SHA384|spiffe://a/pod|-|TLSv1.2|"
            "0x009C");
}

TEST(AccessLog, ConfigurationsHaveTheSameOperators) {
  for (const std::string_view name : config::LogOperators()) {
    EXPECT_TRUE(AccessLogFormat::Parse("%" + std::string(name) + "%").ok()) << name;
  }
  EXPECT_EQ(config::LogOperators().size(), AccessLogFormat::OperatorCount());
  EXPECT_TRUE(config::CheckLogFormat("%% %start_time% %REQ(:PATH):7%\n").ok());
  EXPECT_EQ(config::CheckLogFormat("%NO_SUCH%").message(), "operator %NO_SUCH% is not supported");
  EXPECT_EQ(config::CheckLogFormat("%REQ(:PATH):x%").message(), "not a length in %REQ(:PATH):x%");
  EXPECT_FALSE(config::CheckLogFormat("%START_TIME").ok());
  EXPECT_TRUE(config::NamesPeers("%DOWNSTREAM_TLS_CIPHER%"));
  EXPECT_FALSE(config::NamesPeers("%START_TIME% _PEER_"));
}

TEST(PeerIdentity, PartsOfAPrincipal) {
  const struct {
    const char *principal, *ns, *account;
  } kRows[] = {
      {"spiffe://td/ns/x/sa/y", "x", "y"}, {"spiffe://td/ns/x/sa/y/z", "", ""},
      {"spiffe://td/ns//sa/y", "", ""},    {"spiffe:///ns/x/sa/y", "", ""},
      {"spiffe://td/ns/x/sa/", "", ""},    {"spiffe://td/nsx/sa/y", "", ""},
      {"https://td/ns/x/sa/y", "", ""},    {"", "", ""},
  };
  for (const auto& row : kRows) {
    const PeerIdentity identity = MakePeerIdentity(row.principal);
    EXPECT_EQ(identity.principal, row.principal);
    EXPECT_EQ(identity.ns, row.ns) << row.principal;
    EXPECT_EQ(identity.service_account, row.account) << row.principal;
  }
}

TEST(AccessLog, UnknownOperatorsAreNamed) {
  EXPECT_EQ(AccessLogFormat::Parse("%NO_SUCH%").status().message(),
            "operator %NO_SUCH% is not supported");
  EXPECT_FALSE(AccessLogFormat::Parse("%START_TIME").ok());
  EXPECT_FALSE(AccessLogFormat::Parse("%REQ(:PATH):x%").ok());
}

}  // namespace
}  // namespace meltemi::telemetry
