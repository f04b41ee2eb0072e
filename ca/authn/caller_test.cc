#include "ca/authn/caller.h"

#include <gtest/gtest.h>

#include "ca/authn/jwks_verifier.h"
#include "ca/issuer/issuer.h"
#include "ca/testing/make_csr.h"
#include "ca/testing/memory_files.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::ca {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TrustDomains Domains() { return *TrustDomains::Make("cluster.local", {"old.local"}); }

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

SigningCa NewCa() {
  const auto material = MakeSelfSignedRoot({.trust_domain = "cluster.local"}, kNow, FillSevens);
  return *SigningCa::Load(*material, "");
}

std::string LeafPem(const SigningCa& ca, LeafOptions options) {
  options.ttl = absl::Hours(1);
  return IssueLeaf(ca, testing::NewKey().get(), options, kNow, FillSevens)->pem;
}

TEST(CallerByCertificate, IsWhoTheCertificateSays) {
  const SigningCa ca = NewCa(), other = NewCa();
  const std::string workload = LeafPem(ca, {.identity = {"cluster.local", "n", "s"}});
  const auto caller = CallerByCertificate(workload, ca.roots(), Domains(), kNow);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->identity.Uri(), "spiffe://cluster.local/ns/n/sa/s");
  EXPECT_EQ(caller->method, "certificate");
  EXPECT_EQ(caller->node, "");
  const std::string node = LeafPem(ca, {.identity = {"old.local", "n", "s"}, .node = "node-a"});
  EXPECT_EQ(CallerByCertificate(node, ca.roots(), Domains(), kNow)->node, "node-a");
  EXPECT_EQ(CallerByCertificate(node, ca.roots(), Domains(), kNow)->identity.trust_domain,
            "cluster.local");

  const auto code = [&](const std::string& pem, absl::Time now) {
    return CallerByCertificate(pem, ca.roots(), Domains(), now).status().code();
  };
  EXPECT_EQ(code(workload, kNow + absl::Hours(2)), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(workload, kNow - absl::Hours(1)), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code("", kNow), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(LeafPem(other, {.identity = {"cluster.local", "n", "s"}}), kNow),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code(LeafPem(ca, {.identity = {"evil.local", "n", "s"}}), kNow),
            absl::StatusCode::kPermissionDenied);
}

TEST(IdentityOfSubject, IsAServiceAccount) {
  EXPECT_EQ(IdentityOfSubject(Domains(), "system:serviceaccount:n:s")->Uri(),
            "spiffe://cluster.local/ns/n/sa/s");
  EXPECT_EQ(IdentityOfSubject(Domains(), "spiffe://old.local/ns/n/sa/s")->Uri(),
            "spiffe://cluster.local/ns/n/sa/s");
  for (const char* bad : {"", "alice", "system:node:a", "system:serviceaccount:n",
                          "system:serviceaccount::s", "system:serviceaccount:n:s:x",
                          "spiffe://evil.local/ns/n/sa/s", "spiffe://cluster.local/x"}) {
    EXPECT_FALSE(IdentityOfSubject(Domains(), bad).ok()) << bad;
  }
}

class Jwks : public ::testing::Test {
 protected:
  std::unique_ptr<JwksVerifier> Open() {
    files_.content()["/jwks"] = signer_.Jwks();
    auto verifier = JwksVerifier::Open(
        &files_, {.path = "/jwks", .required = {.issuer = "i", .audiences = {"istio-ca"}}},
        Domains(), kNow);
    EXPECT_TRUE(verifier.ok()) << verifier.status();
    return *std::move(verifier);
  }
  testing::MemoryFiles files_;
  policy::TestSigner signer_{"k"};
};

TEST_F(Jwks, ATokenOfKubernetesNamesPodAndNode) {
  const auto verifier = Open();
  const auto caller =
      verifier->Verify(signer_.Sign(R"({"iss":"i","aud":["istio-ca"],"exp":1700000100,
        "sub":"system:serviceaccount:istio-system:ztunnel","kubernetes.io":{
        "namespace":"istio-system","node":{"name":"node-a","uid":"u1"},
        "pod":{"name":"ztunnel-x","uid":"u2"},"serviceaccount":{"name":"ztunnel","uid":"u3"}}})"),
                       kNow);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->identity.Uri(), "spiffe://cluster.local/ns/istio-system/sa/ztunnel");
  EXPECT_EQ(caller->method, "jwt");
  EXPECT_EQ(caller->node, "node-a");
  EXPECT_EQ(caller->pod, "ztunnel-x");
  EXPECT_EQ(caller->pod_uid, "u2");
}

TEST_F(Jwks, WrongTokensAreRefusedWithTheReason) {
  const auto verifier = Open();
  const policy::TestSigner forger("k");
  struct Row {
    std::string token;
    const char* why;
  };
  const std::string good =
      R"({"iss":"i","aud":"istio-ca","exp":1700000100,"sub":"system:serviceaccount:n:s"})";
  ASSERT_TRUE(verifier->Verify(signer_.Sign(good), kNow).ok());
  const Row kRows[] = {
      {"", "Jwt is missing"},
      {"x.y.z", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
      {forger.Sign(good), "Jwt verification fails"},
      {signer_.Sign(R"({"iss":"i","aud":"istio-ca","exp":1600000000,
          "sub":"system:serviceaccount:n:s"})"),
       "Jwt is expired"},
      {signer_.Sign(R"({"iss":"j","aud":"istio-ca","exp":1700000100,
          "sub":"system:serviceaccount:n:s"})"),
       "Jwt issuer is not configured"},
      {signer_.Sign(R"({"iss":"i","aud":"vault","exp":1700000100,
          "sub":"system:serviceaccount:n:s"})"),
       "Audiences in Jwt are not allowed"},
      {signer_.Sign(R"({"iss":"i","aud":"istio-ca","exp":1700000100,"sub":"alice"})"),
       "the token's subject \"alice\" is no service account"},
      {signer_.Sign(R"({"iss":"i","aud":"istio-ca","exp":1700000100,
          "sub":"system:serviceaccount:n:s","kubernetes.io":{"namespace":"m"}})"),
       "the token's namespace and subject differ"},
  };
  for (const Row& row : kRows) {
    const absl::Status status = verifier->Verify(row.token, kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << row.why;
    EXPECT_EQ(status.message(), row.why);
  }
}

TEST_F(Jwks, KeysAreRenewedAndABrokenFileChangesNothing) {
  const auto verifier = Open();
  const policy::TestSigner next("next");
  const std::string claims =
      R"({"iss":"i","aud":"istio-ca","exp":1700000100,"sub":"system:serviceaccount:n:s"})";
  files_.content()["/jwks"] = "{";
  EXPECT_FALSE(verifier->Refresh(kNow).ok());
  EXPECT_TRUE(verifier->Verify(signer_.Sign(claims), kNow).ok());
  EXPECT_FALSE(verifier->Verify(next.Sign(claims), kNow).ok());
  files_.content()["/jwks"] = next.Jwks();
  EXPECT_TRUE(verifier->Refresh(kNow).ok());
  EXPECT_TRUE(verifier->Verify(next.Sign(claims), kNow).ok());
  EXPECT_FALSE(verifier->Verify(signer_.Sign(claims), kNow).ok());
  files_.content().erase("/jwks");
  EXPECT_FALSE(JwksVerifier::Open(&files_, {.path = "/jwks"}, Domains(), kNow).ok());
}

}  // namespace
}  // namespace meltemi::ca
