// Builds signing requests for tests, good ones and bad ones.
#ifndef MELTEMI_CA_TESTING_MAKE_CSR_H_
#define MELTEMI_CA_TESTING_MAKE_CSR_H_

#include <string>
#include <vector>

#include "ca/x509/key.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca::testing {

struct CsrOptions {
  std::vector<std::pair<int, std::string>> extensions;      // NID and text as in OpenSSL's config
  std::vector<std::pair<int, std::string>> raw_extensions;  // NID and what shall be DER
  const EVP_MD* digest = EVP_sha256();
  bool pss = false;          // RSASSA-PSS, with that digest
  EVP_PKEY* asks = nullptr;  // the key in the request, when it is not the one that signs it
};

// A public key of that modulus' length and exponent, which nobody has the private part of.
KeyPtr RsaPublicKey(int bits, const std::string& exponent_hex);
KeyPtr NewKey(KeyKind kind = KeyKind::kEcdsaP256);
RequestPtr MakeRequest(EVP_PKEY* key, const CsrOptions& options = {});
std::string CsrPem(EVP_PKEY* key, const CsrOptions& options = {});
std::string CsrDer(EVP_PKEY* key, const CsrOptions& options = {});
// With a key of its own.
std::string CsrPem();

}  // namespace meltemi::ca::testing

#endif  // MELTEMI_CA_TESTING_MAKE_CSR_H_
