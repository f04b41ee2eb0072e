#include "dataplane/tls/workload_key/workload_key.h"

#include <gtest/gtest.h>

#include "dataplane/tls/workload_key/test_ca.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

constexpr char kUri[] = "spiffe://cluster.local/ns/n/sa/s,DNS:x";  // a comma begins no other name
constexpr char kPlain[] = "spiffe://cluster.local/ns/n/sa/s";
constexpr UnixTime kNow{1'700'000'000};
constexpr UnixTime kBefore{1'699'999'000}, kAfter{1'700'001'000};

TEST(WorkloadKey, AsksForExactlyOneName) {
  const auto key = WorkloadKey::Make();
  ASSERT_TRUE(key.ok());
  const auto csr = key->SigningRequest(kUri);
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_TRUE(csr->starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
  const WorkloadKey copy = *key;
  EXPECT_EQ(copy.get(), key->get());
  EXPECT_TRUE(key->PemForThisProcess()->starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST(WorkloadChain, OnlyWhatFitsIsTaken) {
  const WorkloadKey key = *WorkloadKey::Make(), other = *WorkloadKey::Make();
  TestCa ca, stranger;
  const std::string csr = *key.SigningRequest(kPlain);
  const auto good = ca.Answer(csr, {{kPlain}, kBefore, kAfter});
  const auto chain = CheckWorkloadChain(key, kPlain, good, kNow);
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ(chain->chain_pem, good[0]);
  EXPECT_EQ(chain->trusted_pem, ca.root_pem());
  EXPECT_EQ(chain->not_before, kBefore);
  EXPECT_EQ(chain->not_after, kAfter);
  EXPECT_EQ(chain->serial, "02");

  const auto why = [&](const std::vector<std::string>& answer, const WorkloadKey& k,
                       std::string_view uri, UnixTime now) {
    return std::string(CheckWorkloadChain(k, uri, answer, now).status().message());
  };
  EXPECT_EQ(why(good, other, kPlain, kNow), "the CA's answer: of another key");
  EXPECT_EQ(why(good, key, "spiffe://cluster.local/ns/n/sa/t", kNow),
            "the CA's answer: not for spiffe://cluster.local/ns/n/sa/t");
  EXPECT_EQ(why(good, key, kPlain, {1'700'002'000}), "the CA's answer: certificate has expired");
  EXPECT_EQ(why(good, key, kPlain, {1'699'000'000}),
            "the CA's answer: certificate is not yet valid");
  EXPECT_EQ(why({good[0], stranger.root_pem()}, key, kPlain, kNow).rfind("the CA's answer: ", 0),
            0u);
  EXPECT_EQ(why({good[0]}, key, kPlain, kNow),
            "the CA's answer: no chain of a certificate and its roots");
  EXPECT_EQ(why({}, key, kPlain, kNow), "the CA's answer: no chain of a certificate and its roots");
  EXPECT_EQ(why({"", ca.root_pem()}, key, kPlain, kNow), "the CA's answer: no certificate");
  EXPECT_EQ(why({good[0], "x"}, key, kPlain, kNow), "the CA's answer: no root");
  EXPECT_EQ(why({good[0].substr(0, 100), ca.root_pem()}, key, kPlain, kNow),
            "the CA's answer: a broken certificate");
  EXPECT_EQ(why({good[0], std::string(limits::kCertificateChainBytesMax, ' ')}, key, kPlain, kNow),
            "the CA's answer: too large");
  for (const auto& leaf :
       {TestCa::Leaf{{}, kBefore, kAfter}, TestCa::Leaf{{kPlain, "spiffe://x"}, kBefore, kAfter},
        TestCa::Leaf{{kPlain}, kBefore, kAfter, "dns.example"}}) {
    EXPECT_EQ(why(ca.Answer(csr, leaf), key, kPlain, kNow),
              "the CA's answer: not for spiffe://cluster.local/ns/n/sa/s");
  }
}

TEST(Certificates, SayWhatTheyAre) {
  const WorkloadKey key = *WorkloadKey::Make();
  TestCa ca;
  const auto answer = ca.Answer(*key.SigningRequest(kPlain),
                                {{kPlain, "spiffe://x"}, kBefore, kAfter, "dns.example"});
  const auto facts = ReadCertificates(answer[0] + answer[1]);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].serial, "02");
  EXPECT_EQ(facts[0].uris, (std::vector<std::string>{kPlain, "spiffe://x"}));
  EXPECT_EQ(facts[0].dns_names, std::vector<std::string>{"dns.example"});
  EXPECT_EQ(facts[0].not_before, kBefore);
  EXPECT_EQ(facts[0].not_after, kAfter);
  EXPECT_EQ(facts[1].uris, std::vector<std::string>{});
  EXPECT_EQ(ReadCertificates(answer[0] + answer[1].substr(0, 100)).size(), 1u);
  EXPECT_TRUE(ReadCertificates("garbage").empty());
}

TEST(WorkloadChain, RootsAreBounded) {
  const WorkloadKey key = *WorkloadKey::Make();
  TestCa ca;
  auto answer = ca.Answer(*key.SigningRequest(kPlain), {{kPlain}, kBefore, kAfter});
  std::string roots;
  for (int i = 0; i < limits::kCertificateChainMax; ++i) roots += ca.root_pem();
  EXPECT_TRUE(CheckWorkloadChain(key, kPlain, {answer[0], roots}, kNow).ok());
  EXPECT_FALSE(CheckWorkloadChain(key, kPlain, {answer[0], roots + ca.root_pem()}, kNow).ok());
}

}  // namespace
}  // namespace meltemi::tls
