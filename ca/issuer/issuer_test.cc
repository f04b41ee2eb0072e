#include "ca/issuer/issuer.h"

#include <gtest/gtest.h>

#include "ca/testing/make_csr.h"
#include "ca/x509/certificate.h"

namespace meltemi::ca {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

// Counts up, so that two calls never give the same.
class CountingEntropy {
 public:
  void operator()(absl::Span<uint8_t> bytes) {
    for (uint8_t& b : bytes) b = *next_ += 1;
  }

 private:
  std::shared_ptr<uint8_t> next_ = std::make_shared<uint8_t>(0);
};

struct Made {
  CaMaterial material;
  SigningCa ca;
};

Made MakeRoot(RootOptions options = {.trust_domain = "cluster.local"}) {
  auto material = MakeSelfSignedRoot(options, kNow, CountingEntropy());
  EXPECT_TRUE(material.ok()) << material.status();
  auto ca = SigningCa::Load(*material, options.passphrase);
  EXPECT_TRUE(ca.ok()) << ca.status();
  return {*material, *std::move(ca)};
}

LeafOptions Options() {
  return {.identity = {"cluster.local", "default", "reviews"},
          .ttl = absl::Hours(24),
          .backdate = absl::Minutes(2)};
}

TEST(Issuer, LeafSaysTheProvenIdentityAndNothingElse) {
  const Made root = MakeRoot();
  const KeyPtr key = testing::NewKey();
  const auto leaf = IssueLeaf(root.ca, key.get(), Options(), kNow, CountingEntropy());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  const auto c = CertificateFromPem(leaf->pem);
  ASSERT_TRUE(c.ok());
  EXPECT_EQ(UriNames(c->get()),
            std::vector<std::string>{"spiffe://cluster.local/ns/default/sa/reviews"});
  EXPECT_EQ(DnsNames(c->get()), std::vector<std::string>{});
  EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(c->get())), 0);
  const int san = X509_get_ext_by_NID(c->get(), NID_subject_alt_name, -1);
  EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(c->get(), san)), 1);
  EXPECT_EQ(X509_check_ca(c->get()), 0);
  EXPECT_EQ(X509_get_key_usage(c->get()), uint32_t{KU_DIGITAL_SIGNATURE});
  EXPECT_EQ(X509_get_extended_key_usage(c->get()), uint32_t{XKU_SSL_SERVER | XKU_SSL_CLIENT});
  EXPECT_EQ(NotBefore(c->get()), kNow - absl::Minutes(2));
  EXPECT_EQ(NotAfter(c->get()), kNow + absl::Hours(24));
  EXPECT_EQ(SerialHex(c->get()), leaf->serial);
  EXPECT_EQ(leaf->serial, "4102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(c->get()), key.get()), 1);
  EXPECT_TRUE(VerifyChain(c->get(), {}, root.ca.roots(), ChainUse::kClient, kNow).ok());
  EXPECT_FALSE(
      VerifyChain(c->get(), {}, root.ca.roots(), ChainUse::kClient, kNow + absl::Hours(25)).ok());
}

TEST(Issuer, ANodesCertificateNamesIt) {
  const Made root = MakeRoot();
  LeafOptions options = Options();
  options.node = "node-a";
  options.dns_names = {"ca.example", "a,DNS:b"};
  const auto leaf = IssueLeaf(root.ca, testing::NewKey(KeyKind::kRsa2048).get(), options, kNow,
                              CountingEntropy());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  const auto c = CertificateFromPem(leaf->pem);
  EXPECT_EQ(CommonName(c->get()), "node-a");
  EXPECT_EQ(OrganizationalUnit(c->get()), kNodeUnit);
  EXPECT_EQ(DnsNames(c->get()), (std::vector<std::string>{"ca.example", "a,DNS:b"}));
  EXPECT_EQ(X509_get_key_usage(c->get()), uint32_t{KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT});
}

TEST(Issuer, NamesMayBeLong) {
  const std::string domain(255, 'd'), node(253, 'n');
  const Made root = MakeRoot({.trust_domain = domain});
  LeafOptions options = Options();
  options.identity.trust_domain = domain;
  options.node = node;
  const auto leaf = IssueLeaf(root.ca, testing::NewKey().get(), options, kNow, CountingEntropy());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  const auto c = CertificateFromPem(leaf->pem);
  EXPECT_EQ(CommonName(c->get()), node);
  EXPECT_TRUE(VerifyChain(c->get(), {}, root.ca.roots(), ChainUse::kClient, kNow).ok());
}

TEST(Issuer, ALeafEndsWithItsIssuer) {
  const Made root = MakeRoot({.trust_domain = "d", .ttl = absl::Hours(30)});
  const KeyPtr key = testing::NewKey();
  const auto leaf =
      IssueLeaf(root.ca, key.get(), Options(), kNow + absl::Hours(10), CountingEntropy());
  EXPECT_EQ(leaf->not_after, kNow + absl::Hours(30));
  const auto late =
      IssueLeaf(root.ca, key.get(), Options(), kNow + absl::Hours(30), CountingEntropy());
  EXPECT_EQ(late.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Issuer, TtlIsBounded) {
  const TtlPolicy policy;
  EXPECT_EQ(*ChooseTtl(absl::ZeroDuration(), policy), absl::Hours(24));
  EXPECT_EQ(*ChooseTtl(policy.min, policy), policy.min);
  EXPECT_EQ(*ChooseTtl(policy.max, policy), policy.max);
  EXPECT_FALSE(ChooseTtl(policy.min - absl::Seconds(1), policy).ok());
  EXPECT_FALSE(ChooseTtl(policy.max + absl::Seconds(1), policy).ok());
  EXPECT_FALSE(ChooseTtl(-absl::Seconds(1), policy).ok());
  EXPECT_FALSE(ChooseTtl(absl::InfiniteDuration(), policy).ok());
}

TEST(SigningCa, RefusesWhatDoesNotFitTogether) {
  const Made one = MakeRoot(), two = MakeRoot({.trust_domain = "other"});
  const auto why = [](CaMaterial m, const std::string& passphrase = "") {
    return std::string(SigningCa::Load(m, passphrase).status().message());
  };
  CaMaterial m = one.material;
  m.ca_key = two.material.ca_key;
  EXPECT_EQ(why(m), "ca-key.pem is not the key of ca-cert.pem");
  m = one.material;
  m.root_cert = two.material.root_cert;
  EXPECT_EQ(why(m).rfind("ca-cert.pem does not lead to root-cert.pem", 0), 0u) << why(m);
  m = one.material;
  m.ca_cert = "";
  EXPECT_EQ(why(m), "ca-cert.pem: PEM: no certificate");
  m = one.material;
  m.ca_key = "x";
  EXPECT_EQ(why(m).rfind("ca-key.pem: no private key in PEM", 0), 0u);
  const KeyPtr key = testing::NewKey();
  m = one.material;
  m.ca_cert = IssueLeaf(one.ca, key.get(), Options(), kNow, CountingEntropy())->pem;
  m.ca_key = *PrivateKeyToPem(key.get(), "");
  EXPECT_EQ(why(m).rfind("ca-cert.pem may not sign certificates", 0), 0u) << why(m);
}

TEST(SigningCa, KeyUnderAPassphrase) {
  const Made root = MakeRoot({.trust_domain = "d", .passphrase = "open sesame"});
  EXPECT_NE(root.material.ca_key.find("ENCRYPTED"), std::string::npos);
  EXPECT_EQ(SigningCa::Load(root.material, "").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SigningCa::Load(root.material, "wrong").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(SigningCa, EveryKindOfKeySigns) {
  for (const KeyKind kind : {KeyKind::kEcdsaP256, KeyKind::kEcdsaP384, KeyKind::kRsa2048}) {
    const Made root = MakeRoot({.trust_domain = "d", .key_kind = kind});
    const auto leaf =
        IssueLeaf(root.ca, testing::NewKey().get(), Options(), kNow, CountingEntropy());
    ASSERT_TRUE(leaf.ok());
    const auto c = CertificateFromPem(leaf->pem);
    EXPECT_TRUE(VerifyChain(c->get(), {}, root.ca.roots(), ChainUse::kClient, kNow).ok());
  }
}

}  // namespace
}  // namespace meltemi::ca
