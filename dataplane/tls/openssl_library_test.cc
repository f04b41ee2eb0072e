#include "dataplane/tls/openssl_library.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace meltemi::tls {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;

// Signed by itself, in DER.
std::vector<uint8_t> CertificateOf(EVP_PKEY* key, const EVP_MD* digest) {
  const CertificatePtr made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  EXPECT_GT(X509_sign(made.get(), key, digest), 0);
  uint8_t* der = nullptr;
  const int n = i2d_X509(made.get(), &der);
  std::vector<uint8_t> bytes(der, der + n);
  OPENSSL_free(der);
  return bytes;
}

CertificatePtr Parse(const std::vector<uint8_t>& der) {
  X509* certificate = X509_new_ex(TlsLibrary(), nullptr);
  const uint8_t* at = der.data();
  EXPECT_NE(d2i_X509(&certificate, &at, static_cast<long>(der.size())), nullptr);
  return {certificate, X509_free};
}

TEST(TlsLibrary, ParsesTheKeysThatItKeepsAndNoOthers) {
  struct Row {
    const char* name;
    EVP_PKEY* key;
    const EVP_MD* digest;
    bool known;
  };
  const Row rows[] = {
      {"RSA", EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}), EVP_sha256(), true},
      {"P-256", EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_sha256(), true},
      {"P-384", EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"), EVP_sha384(), true},
      {"Ed25519", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr, true},
      {"Ed448", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"), nullptr, false},
  };
  for (const Row& row : rows) {
    const KeyPtr key(row.key, EVP_PKEY_free);
    const std::vector<uint8_t> der = CertificateOf(row.key, row.digest);
    const CertificatePtr parsed = Parse(der);
    EVP_PKEY* const found = X509_get0_pubkey(parsed.get());
    EXPECT_EQ(found != nullptr, row.known) << row.name;
    if (found == nullptr) continue;
    EXPECT_EQ(EVP_PKEY_eq(found, row.key), 1) << row.name;
    EXPECT_EQ(X509_verify(parsed.get(), found), 1) << row.name;
  }
}

}  // namespace
}  // namespace meltemi::tls
