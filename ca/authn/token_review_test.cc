#include "ca/authn/token_review.h"

#include <gtest/gtest.h>

#include "ca/testing/http_server.h"
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

absl::StatusOr<Caller> Review(int port, testing::MemoryFiles* files) {
  const auto http = MakeHttpClient({.url = Cat("http://127.0.0.1:", port)});
  CHECK(http.ok());
  TokenReviewVerifier verifier(http->get(), files,
                               {.audiences = {"istio-ca"}, .own_token_file = "/own"}, Domains());
  return verifier.Verify("the.token\"", kNow);
}

TEST(TokenReview, AsksTheApiServerAndBelievesIt) {
  testing::MemoryFiles files;
  files.content()["/own"] = "secret\n";
  testing::HttpServer server(
      {Cat("HTTP/1.0 201 Created\r\nContent-Length: ", sizeof(kGood) - 1, "\r\n\r\n", kGood)});
  const auto caller = Review(server.port(), &files);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->identity.Uri(), "spiffe://cluster.local/ns/istio-system/sa/ztunnel");
  EXPECT_EQ(caller->method, "tokenreview");
  EXPECT_EQ(caller->node, "node-a");
  EXPECT_EQ(caller->pod, "ztunnel-x");
  EXPECT_EQ(caller->pod_uid, "u2");
  const std::string& request = server.requests().at(0);
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
    testing::HttpServer server({answer});
    EXPECT_EQ(Review(server.port(), &files).status().code(), absl::StatusCode::kUnavailable)
        << answer;
  }
  EXPECT_EQ(Review(1, &files).status().code(), absl::StatusCode::kUnavailable);
  files.content().clear();
  EXPECT_EQ(Review(1, &files).status().message(),
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

}  // namespace
}  // namespace meltemi::ca
