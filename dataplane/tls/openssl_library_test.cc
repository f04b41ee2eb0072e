#include "dataplane/tls/openssl_library.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "dataplane/tls/openssl_ptr.h"
#include "dataplane/tls/testing/self_signed.h"

namespace meltemi::tls {
namespace {

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
    const PkeyPtr key(row.key);
    const X509Ptr parsed = ParseAsLibssl(SelfSigned(row.key, row.digest));
    ASSERT_NE(parsed, nullptr) << row.name;
    EVP_PKEY* const found = X509_get0_pubkey(parsed.get());
    EXPECT_EQ(found != nullptr, row.known) << row.name;
    if (found == nullptr) continue;
    EXPECT_EQ(EVP_PKEY_eq(found, row.key), 1) << row.name;
    EXPECT_EQ(X509_verify(parsed.get(), found), 1) << row.name;
  }
}

}  // namespace
}  // namespace meltemi::tls
