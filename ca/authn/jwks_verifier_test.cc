// Keys that come from a server; those of a file are in caller_test.cc.
#include "ca/authn/jwks_verifier.h"

#include <gtest/gtest.h>

#include "ca/testing/memory_files.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::ca {
namespace {

constexpr char kClaims[] =
    R"({"iss":"i","aud":"istio-ca","exp":1800000000,"sub":"system:serviceaccount:n:s"})";

class FakeServer final : public HttpClient {
 public:
  absl::StatusOr<HttpAnswer> Post(const std::string&, const std::string&,
                                  const std::string&) override {
    return absl::UnimplementedError("POST");
  }
  absl::StatusOr<HttpAnswer> Get(const std::string& path, const std::string& bearer) override {
    asked.push_back(path + " " + bearer);
    return answer;
  }
  absl::StatusOr<HttpAnswer> answer = absl::UnavailableError("away");
  std::vector<std::string> asked;
};

class JwksServer : public ::testing::Test {
 protected:
  void Open() {
    files_.content()["/own"] = "secret\n";
    auto verifier = JwksVerifier::Open(&files_,
                                       {.path = "/openid/v1/jwks",
                                        .http = &server_,
                                        .own_token_file = "/own",
                                        .required = {.issuer = "i", .audiences = {"istio-ca"}}},
                                       *TrustDomains::Make("cluster.local", {}), now_);
    ASSERT_TRUE(verifier.ok()) << verifier.status();
    verifier_ = *std::move(verifier);
  }
  // As the CA's thread: once a second.
  absl::Status Wait(absl::Duration time) {
    absl::Status last;
    for (const absl::Time end = now_ + time; now_ < end;) {
      now_ += absl::Seconds(1);
      last = verifier_->Refresh(now_);
    }
    return last;
  }
  absl::Status Verify(const policy::TestSigner& signer) {
    return verifier_->Verify(signer.Sign(kClaims), now_).status();
  }
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  testing::MemoryFiles files_;
  FakeServer server_;
  std::unique_ptr<JwksVerifier> verifier_;
  policy::TestSigner signer_{"k"}, next_{"next"};
};

TEST_F(JwksServer, IsAskedAsTheCaAndBelieved) {
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  Open();
  EXPECT_EQ(server_.asked, std::vector<std::string>{"/openid/v1/jwks secret"});
  EXPECT_TRUE(Verify(signer_).ok());
  EXPECT_TRUE(Wait(kJwksRefresh - absl::Seconds(1)).ok());
  EXPECT_EQ(server_.asked.size(), 1u);
  EXPECT_TRUE(Wait(absl::Seconds(1)).ok());
  EXPECT_EQ(server_.asked.size(), 2u);
}

TEST_F(JwksServer, MayBeAwayAtTheStart) {
  Open();
  EXPECT_EQ(Verify(signer_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Verify(signer_).message(), "the keys of tokens have not come yet");
  // It is told all the time, and asked again soon.
  EXPECT_EQ(Wait(absl::Seconds(9)).message(), "away");
  EXPECT_EQ(server_.asked.size(), 1u);
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  EXPECT_TRUE(Wait(absl::Seconds(1)).ok());
  EXPECT_TRUE(Verify(signer_).ok());
}

TEST_F(JwksServer, LastGoodKeysStay) {
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  Open();
  const struct {
    absl::StatusOr<HttpAnswer> answer;
    const char* why;
  } kRows[] = {
      {absl::UnavailableError("away"), "away"},
      {HttpAnswer{.status = 403, .body = "{}"}, "/openid/v1/jwks: the server answered 403"},
      {HttpAnswer{.status = 200, .body = "{"}, "/openid/v1/jwks: "},
      {HttpAnswer{.status = 200, .body = ""}, "/openid/v1/jwks: "},
  };
  for (const auto& row : kRows) {
    server_.answer = row.answer;
    const absl::Status told = Wait(kJwksRefresh);
    EXPECT_EQ(std::string(told.message()).rfind(row.why, 0), 0u) << told;
    EXPECT_TRUE(Verify(signer_).ok());
  }
  server_.answer = HttpAnswer{.status = 200, .body = next_.Jwks()};
  EXPECT_TRUE(Wait(kJwksRefreshSoon).ok());
  EXPECT_TRUE(Verify(next_).ok());
  EXPECT_FALSE(Verify(signer_).ok());
}

TEST_F(JwksServer, AKeyThatIsNotThereIsAskedForSoon) {
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  Open();
  server_.answer = HttpAnswer{.status = 200, .body = next_.Jwks()};
  EXPECT_EQ(Verify(next_).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(Wait(kJwksRefreshSoon).ok());
  EXPECT_TRUE(Verify(next_).ok());
  // Nobody makes us ask more often than that.
  EXPECT_FALSE(Verify(signer_).ok());
  Wait(kJwksRefreshSoon - absl::Seconds(1)).IgnoreError();
  EXPECT_EQ(server_.asked.size(), 2u);
}

TEST_F(JwksServer, AClockThatIsSetBackPutsNothingOff) {
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  Open();
  now_ -= absl::Hours(1);
  EXPECT_TRUE(Wait(absl::Seconds(1)).ok());
  EXPECT_EQ(server_.asked.size(), 2u);
}

TEST_F(JwksServer, OurOwnTokenMayBeMissing) {
  server_.answer = HttpAnswer{.status = 200, .body = signer_.Jwks()};
  Open();
  files_.content().erase("/own");
  EXPECT_EQ(Wait(kJwksRefresh).message(),
            "the token for the keys' server: reading /own: not there");
  EXPECT_TRUE(Verify(signer_).ok());
}

}  // namespace
}  // namespace meltemi::ca
