#include "ca/testing/make_csr.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "l7/base/check.h"

namespace meltemi::ca::testing {

KeyPtr NewKey(KeyKind kind) {
  absl::StatusOr<KeyPtr> key = MakeKey(kind);
  CHECK(key.ok());
  return *std::move(key);
}

KeyPtr RsaPublicKey(int bits, const std::string& exponent_hex) {
  BIGNUM* exponent = nullptr;
  CHECK(BN_hex2bn(&exponent, exponent_hex.c_str()) > 0);
  const BnPtr n(BN_new()), e(exponent);
  CHECK(BN_rand(n.get(), bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1);
  const std::unique_ptr<OSSL_PARAM_BLD, FreeWith<&OSSL_PARAM_BLD_free>> builder(
      OSSL_PARAM_BLD_new());
  CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
  CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  const std::unique_ptr<OSSL_PARAM, FreeWith<&OSSL_PARAM_free>> values(
      OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, FreeWith<&EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  CHECK(EVP_PKEY_fromdata_init(context.get()) == 1);
  CHECK(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, values.get()) == 1);
  return KeyPtr(key);
}

RequestPtr MakeRequest(EVP_PKEY* key, const CsrOptions& options) {
  RequestPtr request(X509_REQ_new());
  CHECK(X509_REQ_set_pubkey(request.get(), options.asks != nullptr ? options.asks : key) == 1);
  const ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  for (const auto& [nid, text] : options.extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, text.c_str());
    CHECK(extension != nullptr);
    sk_X509_EXTENSION_push(extensions.get(), extension);
  }
  for (const auto& [nid, der] : options.raw_extensions) {
    const std::unique_ptr<ASN1_OCTET_STRING, FreeWith<&ASN1_OCTET_STRING_free>> value(
        ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const uint8_t*>(der.data()),
                          static_cast<int>(der.size()));
    sk_X509_EXTENSION_push(extensions.get(),
                           X509_EXTENSION_create_by_NID(nullptr, nid, 0, value.get()));
  }
  if (sk_X509_EXTENSION_num(extensions.get()) > 0) {
    X509_REQ_add_extensions(request.get(), extensions.get());
  }
  const std::unique_ptr<EVP_MD_CTX, FreeWith<&EVP_MD_CTX_free>> signing(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  CHECK(EVP_DigestSignInit(signing.get(), &parameters, options.digest, nullptr, key) == 1);
  if (options.pss) CHECK(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1);
  CHECK(X509_REQ_sign_ctx(request.get(), signing.get()) > 0);
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
