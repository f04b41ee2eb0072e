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
using testing::RsaPublicKey;

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
  // Of RSASSA-PSS the digest is a parameter (RFC 4055).
  for (const EVP_MD* weak : {EVP_sha1(), EVP_sha224()}) {
    EXPECT_EQ(Why(CsrPem(rsa.get(), {.digest = weak, .pss = true})),
              "CSR: signed with a digest that is not accepted");
  }
  for (const EVP_MD* strong : {EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
    EXPECT_EQ(Why(CsrPem(rsa.get(), {.digest = strong, .pss = true})), "");
  }
}

TEST(Csr, RsaKeysAreBounded) {
  const KeyPtr signer = NewKey();
  const auto why = [&signer](const KeyPtr& asks) {
    return Why(CsrPem(signer.get(), {.asks = asks.get()}));
  };
  // Those within the bounds get as far as the signature, which is not theirs.
  constexpr char kGood[] = "CSR: its signature is not its key's";
  EXPECT_EQ(why(RsaPublicKey(limits::kRsaBitsMin - 1, "10001")),
            "CSR: an RSA key of 2047 bits; 2048 to 8192 are accepted");
  EXPECT_EQ(why(RsaPublicKey(limits::kRsaBitsMin, "10001")), kGood);
  EXPECT_EQ(why(RsaPublicKey(limits::kRsaBitsMax, "10001")), kGood);
  EXPECT_EQ(why(RsaPublicKey(limits::kRsaBitsMax + 1, "10001")),
            "CSR: an RSA key of 8193 bits; 2048 to 8192 are accepted");
  EXPECT_EQ(why(RsaPublicKey(2048, "3")), kGood);
  EXPECT_EQ(why(RsaPublicKey(2048, "8000000000000001")), kGood);  // 64 bits
  for (const char* bad : {"1", "4", "10000000000000001"}) {       // the last has 65 bits
    EXPECT_EQ(why(RsaPublicKey(2048, bad)), "CSR: an RSA key with a bad exponent") << bad;
  }
}

TEST(Csr, BrokenExtensionsAreRefused) {
  const KeyPtr key = NewKey();
  const auto why = [&key](int nid, const std::string& der) {
    return Why(CsrPem(key.get(), {.raw_extensions = {{nid, der}}}));
  };
  for (const char* broken : {"", "x", "\x30\x05\x01", "\x02\x01\x01"}) {
    EXPECT_EQ(why(NID_basic_constraints, broken), "CSR: broken basic constraints");
    EXPECT_EQ(why(NID_key_usage, broken), "CSR: a broken key usage");
  }
  // Twice, one of them harmless: neither is believed.
  EXPECT_EQ(Why(CsrPem(key.get(), {.extensions = {{NID_basic_constraints, "CA:FALSE"},
                                                  {NID_basic_constraints, "CA:TRUE"}}})),
            "CSR: broken basic constraints");
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
