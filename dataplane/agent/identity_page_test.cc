// Goal: /certs has the form of Envoy's page, and the gauges tell what ends when. Method: an
// identity with a certificate, one without, whole texts compared.
#include "dataplane/agent/identity_page.h"

#include <gtest/gtest.h>

#include "dataplane/tls/workload_key/test_ca.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr int64_t kStart = 1'700'000'000;  // 2023-11-14T22:13:20Z
constexpr int64_t kDay = 24 * 3600;
const std::string kReviews = "spiffe://cluster.local/ns/shop/sa/reviews";
const std::string kCart = "spiffe://cluster.local/ns/shop/sa/cart";

class IdentityPageTest : public ::testing::Test {
 protected:
  IdentityPageTest() {
    state_.SetLocal({kReviews, kCart});
    for (const auto& request : state_.Poll(now_, kReviews)) {
      const auto answer =
          ca_.Answer(request.csr_pem, {{kReviews}, {kStart - 120}, {kStart + 3 * kDay / 2}});
      EXPECT_TRUE(state_.OnAnswer(request.id, answer, now_).ok());
    }
  }
  std::vector<std::string> Gauges(int64_t after) {
    std::vector<std::string> out;
    for (const IdentityGauge& g :
         IdentityGauges(state_.Status(), state_.Credentials(), {kStart + after})) {
      out.push_back(Cat(g.name, " ", g.identity, " ", g.value));
    }
    return out;
  }

  IdentityNow now_{Instant::FromNanos(0), {kStart}};
  tls::TestCa ca_;
  IdentityState state_{{}, 1};
};

TEST_F(IdentityPageTest, CertificatesAreShownAsEnvoyShowsThem) {
  const std::string json = CertificatesJson(state_.Credentials(), {kStart + 1});
  const tls::CertificateFacts root = tls::ReadCertificates(ca_.root_pem()).at(0);
  EXPECT_TRUE(
      json.starts_with(Cat("{\"certificates\":[\n{\"ca_cert\":[{\"path\":\"<inline>\","
                           "\"serial_number\":\"",
                           root.serial, "\",\"subject_alt_names\":[],")))
      << json;
  EXPECT_TRUE(json.ends_with(
      Cat("\"cert_chain\":[{\"path\":\"<inline>\",\"serial_number\":\"02\","
          "\"subject_alt_names\":[{\"uri\":\"",
          kReviews,
          "\"}],\"days_until_expiration\":\"1\",\"valid_from\":\"2023-11-14T22:11:20Z\","
          "\"expiration_time\":\"2023-11-16T10:13:20Z\"}]}\n]}\n")))
      << json;
  // One that has ended has no days left, not less.
  EXPECT_NE(CertificatesJson(state_.Credentials(), {kStart + 9 * kDay})
                .find("\"days_until_expiration\":\"0\",\"valid_from\":\"2023-11-14T22:11:20Z\""),
            std::string::npos);
  EXPECT_EQ(CertificatesJson({}, {kStart}), "{\"certificates\":[\n]}\n");
}

TEST_F(IdentityPageTest, EachIdentityTellsWhereItStands) {
  const auto requests = state_.Poll(now_, kCart);
  ASSERT_EQ(requests.size(), 1u);
  const absl::Status refused = absl::UnauthenticatedError("no \"token\"");
  EXPECT_FALSE(state_.OnAnswer(requests[0].id, refused, now_).ok());
  const std::string json = IdentitiesJson(state_.Status(), {kStart});
  const IdentityStatus reviews = state_.Status().at(1);
  EXPECT_EQ(json.find(Cat("{\"identities\":[\n{\"identity\":\"", kCart,
                          "\",\"state\":\"missing\",\"asking\":false,\"issued\":0,"
                          "\"failures_in_a_row\":1,\"failures_total\":1,"
                          "\"last_failure\":\"no \\\"token\\\"\"},\n{\"identity\":\"",
                          kReviews,
                          "\",\"state\":\"ready\",\"serial_number\":\"02\","
                          "\"expiration_time\":\"2023-11-16T10:13:20Z\",\"refresh_time\":\"")),
            0u)
      << json;
  EXPECT_TRUE(
      json.ends_with("\"asking\":false,\"issued\":1,\"failures_in_a_row\":0,\"failures_total\":0,"
                     "\"last_failure\":\"\"}\n]}\n"))
      << json;
  EXPECT_NE(IdentitiesJson({reviews}, reviews.not_after).find("\"state\":\"expired\""),
            std::string::npos);
  EXPECT_EQ(IdentitiesJson({}, {kStart}), "{\"identities\":[\n]}\n");
}

TEST_F(IdentityPageTest, GaugesTellWhatEndsWhen) {
  const auto gauges = Gauges(0);
  ASSERT_EQ(gauges.size(), 7u);
  EXPECT_EQ(gauges[0], Cat("meltemi_identity_ready ", kCart, " 0"));
  EXPECT_EQ(gauges[1], Cat("meltemi_identity_failures_in_a_row ", kCart, " 0"));
  EXPECT_EQ(gauges[2], Cat("meltemi_identity_ready ", kReviews, " 1"));
  EXPECT_EQ(gauges[4], Cat("meltemi_identity_days_to_expiry ", kReviews, " 1.5"));
  EXPECT_EQ(gauges[5], "envoy_server_days_until_first_cert_expiring  1");
  EXPECT_TRUE(gauges[6].starts_with("meltemi_identity_root_days_to_expiry  ")) << gauges[6];
  EXPECT_EQ(Gauges(2 * kDay)[2], Cat("meltemi_identity_ready ", kReviews, " 0"));
  EXPECT_EQ(Gauges(2 * kDay)[5], "envoy_server_days_until_first_cert_expiring  0");
}

TEST_F(IdentityPageTest, AnIssuerBetweenLeafAndRootHasAGauge) {
  // Any certificate does for it: only its date is looked at.
  const auto requests = state_.Poll(now_, kCart);
  ASSERT_EQ(requests.size(), 1u);
  const auto answer =
      ca_.Answer(requests[0].csr_pem, {{kCart}, {kStart - 120}, {kStart + kDay / 2}});
  const IdentityCredentialPtr known = state_.Credentials().at(0);
  const auto credential = std::make_shared<const IdentityCredential>(
      IdentityCredential{.identity = known->identity,
                         .key = known->key,
                         .chain = {.chain_pem = known->chain.chain_pem + answer.at(0),
                                   .trusted_pem = known->chain.trusted_pem,
                                   .not_after = known->chain.not_after}});
  std::vector<std::string> texts;
  for (const IdentityGauge& g : IdentityGauges({}, {credential}, {kStart})) {
    texts.push_back(Cat(g.name, " ", g.identity, " ", g.value));
  }
  EXPECT_EQ(texts.back(), "meltemi_identity_issuer_days_to_expiry  0.5");
  EXPECT_EQ(texts.at(1), "envoy_server_days_until_first_cert_expiring  0");
}

}  // namespace
}  // namespace meltemi::agent
