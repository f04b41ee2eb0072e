#include "ca/authn/http_client.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "absl/time/clock.h"
#include "ca/issuer/issuer.h"
#include "ca/testing/http_server.h"
#include "ca/testing/make_csr.h"
#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr char kAnswer[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}";

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

// A root, in a file of its own, and certificates of it. The time is the day's: OpenSSL's client
// knows no other.
class HttpClientTls : public ::testing::Test {
 protected:
  SigningCa NewCa(const std::string& file) {
    const auto material =
        MakeSelfSignedRoot({.trust_domain = "cluster.local"}, absl::Now(), FillSevens);
    CHECK(material.ok());
    std::ofstream(file) << material->root_cert;
    return *SigningCa::Load(*material, "");
  }
  static std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }
  static testing::HttpServer::Tls Certificate(const SigningCa& ca, const std::string& name,
                                              absl::Time at = absl::Now()) {
    const KeyPtr key = testing::NewKey();
    const auto leaf = IssueLeaf(
        ca, key.get(),
        {.identity = {"cluster.local", "n", "s"}, .dns_names = {name}, .ttl = absl::Hours(1)}, at,
        FillSevens);
    CHECK(leaf.ok());
    return {.certificate_pem = leaf->pem, .key_pem = *PrivateKeyToPem(key.get(), "")};
  }
  static absl::StatusOr<HttpAnswer> Get(const std::string& host, int port,
                                        const std::string& ca_file) {
    const auto client =
        MakeHttpClient({.url = Cat("https://", host, ":", port), .ca_file = ca_file});
    CHECK(client.ok());
    return (*client)->Get("/openid/v1/jwks", "secret");
  }
  const SigningCa ca_ = NewCa(Path("roots.pem"));
  const SigningCa other_ = NewCa(Path("other.pem"));
};

TEST_F(HttpClientTls, BelievesAServerOfTheNameAndTheRoots) {
  testing::HttpServer server({kAnswer, kAnswer}, Certificate(ca_, "localhost"));
  const auto answer = Get("localhost", server.port(), Path("roots.pem"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "{}");
  EXPECT_EQ(server.requests().at(0),
            "GET /openid/v1/jwks HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n"
            "Authorization: Bearer secret\r\n\r\n");
  const auto client = MakeHttpClient(
      {.url = Cat("https://localhost:", server.port()), .ca_file = Path("roots.pem")});
  ASSERT_TRUE((*client)->Post("/x", "", "{}").ok());
  EXPECT_EQ(server.requests().at(1),
            "POST /x HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

// Goal: nobody but that server hears our token. Method: what it has read.
TEST_F(HttpClientTls, SaysNothingToOthers) {
  const absl::Time past = absl::Now() - absl::Hours(48), future = absl::Now() + absl::Hours(48);
  auto old = Certificate(ca_, "localhost");
  old.version_max = TLS1_1_VERSION;
  const struct {
    const char* name;
    testing::HttpServer::Tls tls;
    const char* host;
    const char* roots;
    const char* why;
  } kRows[] = {
      {"another name", Certificate(ca_, "kubernetes.default.svc"), "localhost", "roots.pem",
       "TLS with localhost: hostname mismatch"},
      {"an address that it does not name", Certificate(ca_, "localhost"), "127.0.0.1", "roots.pem",
       "TLS with 127.0.0.1: IP address mismatch"},
      {"an unknown CA", Certificate(other_, "localhost"), "localhost", "roots.pem",
       "TLS with localhost: unable to get local issuer certificate"},
      {"the system's roots", Certificate(ca_, "localhost"), "localhost", "",
       "TLS with localhost: unable to get local issuer certificate"},
      {"expired", Certificate(ca_, "localhost", past), "localhost", "roots.pem",
       "TLS with localhost: certificate has expired"},
      {"not valid yet", Certificate(ca_, "localhost", future), "localhost", "roots.pem",
       "TLS with localhost: certificate is not yet valid"},
      {"an old version of TLS", old, "localhost", "roots.pem", "TLS with localhost: "},
      {"no TLS", {}, "localhost", "roots.pem", "TLS with localhost: "},
  };
  for (const auto& row : kRows) {
    testing::HttpServer server({kAnswer}, row.tls);
    const std::string roots = *row.roots == 0 ? "" : Path(row.roots);
    const auto answer = Get(row.host, server.port(), roots);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable) << row.name;
    EXPECT_EQ(std::string(answer.status().message()).rfind(row.why, 0), 0u)
        << row.name << ": " << answer.status();
    EXPECT_TRUE(server.requests().empty()) << row.name;
  }
}

TEST(HttpClient, TakesUrlsOfServersOnly) {
  for (const char* bad :
       {"", "ftp://x", "https://", "https://h/path", "http://:80", "https://h:"}) {
    EXPECT_FALSE(MakeHttpClient({.url = bad}).ok()) << bad;
  }
  for (const char* good : {"https://h", "https://h:6443/", "http://[::1]:80"}) {
    EXPECT_TRUE(MakeHttpClient({.url = good}).ok()) << good;
  }
  EXPECT_FALSE(MakeHttpClient({.url = "https://h", .ca_file = "/nowhere"}).ok());
}

}  // namespace
}  // namespace meltemi::ca
