#include <gtest/gtest.h>

#include "ca/limits.h"
#include "ca/x509/certificate.h"
#include "ca/x509/key.h"

namespace meltemi::ca {
namespace {

CertPtr SelfMade() {
  const absl::StatusOr<KeyPtr> key = MakeKey(KeyKind::kEcdsaP256);
  CertPtr c(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(c.get()), 0x1234);
  ASN1_TIME_set(X509_getm_notBefore(c.get()), 1'000);
  ASN1_TIME_set(X509_getm_notAfter(c.get()), 4'102'444'800);  // a GeneralizedTime
  X509_set_pubkey(c.get(), key->get());
  X509_sign(c.get(), key->get(), EVP_sha256());
  return c;
}

TEST(Pem, CertificatesAreCountedAndBounded) {
  const std::string one = ToPem(SelfMade().get());
  std::string text;
  for (size_t i = 0; i < limits::kCertificatesMax; ++i) text += one;
  EXPECT_EQ(CertificatesFromPem(text)->size(), limits::kCertificatesMax);
  EXPECT_EQ(CertificatesFromPem(text + one).status().message(), "PEM: too many certificates");
  EXPECT_FALSE(CertificateFromPem(one + one).ok());
  EXPECT_FALSE(CertificatesFromPem("").ok());
  EXPECT_FALSE(CertificatesFromPem(std::string(limits::kPemBytesMax + 1, ' ')).ok());
}

TEST(Pem, OnlyCertificates) {
  const auto key = MakeKey(KeyKind::kEcdsaP256);
  EXPECT_EQ(CertificatesFromPem(*PrivateKeyToPem(key->get(), "")).status().message(),
            "PEM: something that is no certificate");
  EXPECT_EQ(CertificatesFromPem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
                .status()
                .message(),
            "PEM: a broken certificate");
  std::string cut = ToPem(SelfMade().get());
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(CertificatesFromPem(cut).ok());
}

TEST(Certificate, TellsItsFacts) {
  const CertPtr c = SelfMade();
  EXPECT_EQ(NotBefore(c.get()), absl::FromUnixSeconds(1'000));
  EXPECT_EQ(NotAfter(c.get()), absl::FromUnixSeconds(4'102'444'800));
  EXPECT_EQ(SerialHex(c.get()), "1234");
  EXPECT_EQ(CommonName(c.get()), "");
  EXPECT_TRUE(UriNames(c.get()).empty());
}

TEST(Key, KindsHaveNames) {
  EXPECT_EQ(*KeyKindByName("ecdsa-p256"), KeyKind::kEcdsaP256);
  EXPECT_EQ(*KeyKindByName("rsa-4096"), KeyKind::kRsa4096);
  EXPECT_FALSE(KeyKindByName("rsa-1024").ok());
  EXPECT_EQ(DescribeKey(MakeKey(KeyKind::kEcdsaP384)->get()), "ECDSA P-384");
}

}  // namespace
}  // namespace meltemi::ca
