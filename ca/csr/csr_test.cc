#include "ca/csr/csr.h"

#include <gtest/gtest.h>

#include "ca/limits.h"
#include "ca/testing/make_csr.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using testing::CsrDer;
using testing::CsrPem;
using testing::NewKey;

std::string Why(const std::string& bytes) {
  return std::string(ParseCsr(bytes).status().message());
}

TEST(Csr, GarbageIsRefusedWithAReason) {
  EXPECT_EQ(Why(""), "CSR: empty");
  EXPECT_EQ(Why("garbage").rfind("CSR: not a PKCS#10 request", 0), 0u);
  EXPECT_EQ(Why("-----BEGIN CERTIFICATE REQUEST-----\n").rfind("CSR: broken PEM", 0), 0u);
  EXPECT_EQ(Why("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "CSR: PEM of something else");
  EXPECT_EQ(Why("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
                .rfind("CSR: not a PKCS#10 request", 0),
            0u);
  const std::string good = CsrPem();
  EXPECT_EQ(Why(good + good), "CSR: more than one PEM block, or text behind it");
  EXPECT_EQ(Why(good + "x"), "CSR: more than one PEM block, or text behind it");
  EXPECT_EQ(Why(CsrDer(NewKey().get()) + "x"), "CSR: bytes behind the request");
}

TEST(Csr, SizeIsBounded) {
  std::string padded = CsrPem();
  padded.resize(limits::kCsrBytesMax, '\n');
  EXPECT_TRUE(ParseCsr(padded).ok()) << Why(padded);
  EXPECT_EQ(Why(padded + "\n"), "CSR: too large");
}

TEST(Csr, OneBitTurnedAnywhereIsRefused) {
  // Goal: the signature covers all that is used. Method: turn one bit of each byte of a request.
  const std::string good = CsrDer(NewKey().get());
  ASSERT_TRUE(ParseCsr(good).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    EXPECT_FALSE(ParseCsr(bad).ok()) << "byte " << i;
  }
}

TEST(Csr, KeysAreOfKindsThatAreSigned) {
  EXPECT_EQ(ParseCsr(CsrPem(NewKey(KeyKind::kEcdsaP256).get()))->key_kind, "ECDSA P-256");
  EXPECT_EQ(ParseCsr(CsrPem(NewKey(KeyKind::kEcdsaP384).get()))->key_kind, "ECDSA P-384");
  EXPECT_EQ(ParseCsr(CsrDer(NewKey(KeyKind::kRsa2048).get()))->key_kind, "RSA 2048");
  const KeyPtr small(EVP_RSA_gen(1024));
  EXPECT_EQ(Why(CsrPem(small.get())), "CSR: an RSA key of 1024 bits; 2048 to 8192 are accepted");
  const KeyPtr p521(EVP_EC_gen("P-521"));
  EXPECT_EQ(Why(CsrPem(p521.get())),
            "CSR: a key of a kind that is not signed (ECDSA P-521); ECDSA P-256, ECDSA P-384 and "
            "RSA are");
  const KeyPtr ed(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(Why(CsrPem(ed.get(), {.digest = nullptr})),
            "CSR: a key of a kind that is not signed; ECDSA P-256, ECDSA P-384 and RSA are");
}

TEST(Csr, WeakDigestsAreRefused) {
  const KeyPtr key = NewKey();
  EXPECT_EQ(Why(CsrPem(key.get(), {.digest = EVP_sha1()})),
            "CSR: signed with a digest that is not accepted");
  const KeyPtr rsa = NewKey(KeyKind::kRsa2048);
  EXPECT_EQ(Why(CsrPem(rsa.get(), {.digest = EVP_md5()})),
            "CSR: signed with a digest that is not accepted");
  EXPECT_TRUE(ParseCsr(CsrPem(key.get(), {.digest = EVP_sha512()})).ok());
}

TEST(Csr, NeverACa) {
  const KeyPtr key = NewKey();
  EXPECT_EQ(Why(CsrPem(key.get(), {.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}}})),
            "CSR: it asks to be a CA");
  EXPECT_EQ(Why(CsrPem(key.get(), {.extensions = {{NID_key_usage, "keyCertSign"}}})),
            "CSR: it asks to sign certificates");
  EXPECT_EQ(Why(CsrPem(key.get(), {.extensions = {{NID_key_usage, "cRLSign"}}})),
            "CSR: it asks to sign certificates");
  EXPECT_TRUE(ParseCsr(CsrPem(key.get(), {.extensions = {{NID_basic_constraints, "CA:FALSE"},
                                                         {NID_key_usage, "digitalSignature"}}}))
                  .ok());
}

TEST(Csr, TellsWhatNamesWereAskedFor) {
  const auto csr = ParseCsr(
      CsrPem(NewKey().get(),
             {.extensions = {{NID_subject_alt_name, "DNS:x,URI:spiffe://d/ns/n/sa/s,URI:b:c"}}}));
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_EQ(csr->uri_names, (std::vector<std::string>{"spiffe://d/ns/n/sa/s", "b:c"}));
  EXPECT_EQ(csr->sha256.size(), 64u);
}

}  // namespace
}  // namespace meltemi::ca
