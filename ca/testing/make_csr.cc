#include "ca/testing/make_csr.h"

#include <openssl/pem.h>

#include "l7/base/check.h"

namespace meltemi::ca::testing {

KeyPtr NewKey(KeyKind kind) {
  absl::StatusOr<KeyPtr> key = MakeKey(kind);
  CHECK(key.ok());
  return *std::move(key);
}

RequestPtr MakeRequest(EVP_PKEY* key, const CsrOptions& options) {
  RequestPtr request(X509_REQ_new());
  CHECK(X509_REQ_set_pubkey(request.get(), key) == 1);
  const ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  for (const auto& [nid, text] : options.extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, text.c_str());
    CHECK(extension != nullptr);
    sk_X509_EXTENSION_push(extensions.get(), extension);
  }
  if (!options.extensions.empty()) X509_REQ_add_extensions(request.get(), extensions.get());
  CHECK(X509_REQ_sign(request.get(), key, options.digest) > 0);
  return request;
}

std::string CsrPem(EVP_PKEY* key, const CsrOptions& options) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509_REQ(bio.get(), MakeRequest(key, options).get()) == 1);
  return Contents(bio.get());
}

std::string CsrDer(EVP_PKEY* key, const CsrOptions& options) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  CHECK(i2d_X509_REQ_bio(bio.get(), MakeRequest(key, options).get()) == 1);
  return Contents(bio.get());
}

std::string CsrPem() { return CsrPem(NewKey().get()); }

}  // namespace meltemi::ca::testing
