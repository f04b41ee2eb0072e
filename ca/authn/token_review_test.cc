#include "ca/authn/token_review.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "ca/testing/memory_files.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TrustDomains Domains() { return *TrustDomains::Make("cluster.local", {}); }

constexpr char kGood[] = R"({"status":{"authenticated":true,"audiences":["istio-ca"],"user":{
    "username":"system:serviceaccount:istio-system:ztunnel","extra":{
    "authentication.kubernetes.io/pod-name":["ztunnel-x"],
    "authentication.kubernetes.io/pod-uid":["u2"],
    "authentication.kubernetes.io/node-name":["node-a"]}}}})";

// A fake API server: it answers one request with the text it was given, on a thread of its own, and
// keeps the request. It reviews nothing.
class FakeApiServer {
 public:
  explicit FakeApiServer(std::string answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    CHECK(listen(listener_, 1) == 0);
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    url_ = Cat("http://127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  ~FakeApiServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  const std::string& url() const { return url_; }
  const std::string& request() const { return request_; }  // after the answer has come

 private:
  void Serve() {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    char buffer[4096];
    while (request_.find("]}}") == std::string::npos) {
      const ssize_t n = recv(client, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      request_.append(buffer, static_cast<size_t>(n));
    }
    CHECK(send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(answer_.size()));
    close(client);
  }
  const std::string answer_;
  std::string url_;
  std::string request_;
  int listener_;
  std::thread thread_;
};

absl::StatusOr<Caller> Review(const std::string& url, testing::MemoryFiles* files) {
  const auto http = MakeHttpPost({.url = url});
  CHECK(http.ok());
  TokenReviewVerifier verifier(http->get(), files,
                               {.audiences = {"istio-ca"}, .own_token_file = "/own"}, Domains());
  return verifier.Verify("the.token\"", kNow);
}

TEST(TokenReview, AsksTheApiServerAndBelievesIt) {
  testing::MemoryFiles files;
  files.content()["/own"] = "secret\n";
  FakeApiServer server(
      Cat("HTTP/1.0 201 Created\r\nContent-Length: ", sizeof(kGood) - 1, "\r\n\r\n", kGood));
  const auto caller = Review(server.url(), &files);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->identity.Uri(), "spiffe://cluster.local/ns/istio-system/sa/ztunnel");
  EXPECT_EQ(caller->method, "tokenreview");
  EXPECT_EQ(caller->node, "node-a");
  EXPECT_EQ(caller->pod, "ztunnel-x");
  EXPECT_EQ(caller->pod_uid, "u2");
  const std::string& request = server.request();
  EXPECT_TRUE(request.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.0\r\n"));
  EXPECT_NE(request.find("\r\nAuthorization: Bearer secret\r\n"), std::string::npos);
  const auto body = policy::Json::Parse(request.substr(request.find("\r\n\r\n") + 4));
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Find("spec")->StringOf("token"), "the.token\"");
  EXPECT_EQ(body->Find({"spec", "audiences"})->items()[0].text(), "istio-ca");
}

TEST(TokenReview, AnApiServerInTroubleIsNoVerdict) {
  testing::MemoryFiles files;
  files.content()["/own"] = "secret";
  for (const char* answer : {"HTTP/1.0 403 Forbidden\r\n\r\n{}", "HTTP/1.0 500 Oops\r\n\r\n",
                             "nonsense", "HTTP/1.0 200 OK\r\n\r\n{", "HTTP/1.0 200 OK\r\n\r\n{}",
                             "", "HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":{}}"}) {
    FakeApiServer server(answer);
    EXPECT_EQ(Review(server.url(), &files).status().code(), absl::StatusCode::kUnavailable)
        << answer;
  }
  EXPECT_EQ(Review("http://127.0.0.1:1", &files).status().code(), absl::StatusCode::kUnavailable);
  files.content().clear();
  EXPECT_EQ(Review("http://127.0.0.1:1", &files).status().message(),
            "the token for the API server: reading /own: not there");
}

TEST(TokenReview, AnswersAreReadStrictly) {
  struct Row {
    const char* status;
    const char* why;
  };
  const Row kRows[] = {
      {R"({"authenticated":false,"error":"expired"})",
       "TokenReview: the token is not valid: expired"},
      {R"({"error":""})", "TokenReview: the token is not valid"},
      {R"({"authenticated":"true"})", "TokenReview: the token is not valid"},
      {R"({"authenticated":true,"user":{"username":"system:serviceaccount:n:s"}})",
       "TokenReview: the token is for another audience"},
      {R"({"authenticated":true,"audiences":["x"],"user":{"username":"y"}})",
       "TokenReview: the token is for another audience"},
      {R"({"authenticated":true,"audiences":["istio-ca"],"user":{"username":"alice"}})",
       "the token's subject \"alice\" is no service account"},
  };
  for (const Row& row : kRows) {
    const absl::Status status =
        ReadTokenReview(Cat(R"({"status":)", row.status, "}"), {"istio-ca"}, Domains()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << row.status;
    EXPECT_EQ(status.message(), row.why);
  }
}

TEST(HttpPost, TakesUrlsOfServersOnly) {
  for (const char* bad :
       {"", "ftp://x", "https://", "https://h/path", "http://:80", "https://h:"}) {
    EXPECT_FALSE(MakeHttpPost({.url = bad}).ok()) << bad;
  }
  for (const char* good : {"https://h", "https://h:6443/", "http://[::1]:80"}) {
    EXPECT_TRUE(MakeHttpPost({.url = good}).ok()) << good;
  }
  EXPECT_FALSE(MakeHttpPost({.url = "https://h", .ca_file = "/nowhere"}).ok());
}

}  // namespace
}  // namespace meltemi::ca
