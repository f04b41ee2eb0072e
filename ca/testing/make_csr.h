// Builds signing requests for tests, good ones and bad ones.
#ifndef MELTEMI_CA_TESTING_MAKE_CSR_H_
#define MELTEMI_CA_TESTING_MAKE_CSR_H_

#include <string>
#include <vector>

#include "ca/x509/key.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca::testing {

struct CsrOptions {
  std::vector<std::pair<int, std::string>> extensions;  // NID and text as in OpenSSL's config
  const EVP_MD* digest = EVP_sha256();
};

KeyPtr NewKey(KeyKind kind = KeyKind::kEcdsaP256);
RequestPtr MakeRequest(EVP_PKEY* key, const CsrOptions& options = {});
std::string CsrPem(EVP_PKEY* key, const CsrOptions& options = {});
std::string CsrDer(EVP_PKEY* key, const CsrOptions& options = {});
// With a key of its own.
std::string CsrPem();

}  // namespace meltemi::ca::testing

#endif  // MELTEMI_CA_TESTING_MAKE_CSR_H_
