#include "l7/policy/jwt/signing_for_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/base64url.h"

namespace meltemi::policy {
namespace {

std::string Fixed(const BIGNUM* number) {
  std::string out(32, '\0');
  CHECK(BN_bn2binpad(number, reinterpret_cast<uint8_t*>(out.data()), 32) == 32);
  return out;
}

std::string Coordinate(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  const std::string out = Fixed(number);
  BN_free(number);
  return out;
}

}  // namespace

TestSigner::TestSigner(std::string kid) : kid_(std::move(kid)), key_(EVP_EC_gen("P-256")) {
  CHECK(key_ != nullptr);
}

TestSigner::~TestSigner() { EVP_PKEY_free(key_); }

std::string TestSigner::Jwk() const {
  return Cat(R"({"kty":"EC","crv":"P-256","kid":")", kid_, R"(","x":")",
             Base64UrlEncode(Coordinate(key_, OSSL_PKEY_PARAM_EC_PUB_X)), R"(","y":")",
             Base64UrlEncode(Coordinate(key_, OSSL_PKEY_PARAM_EC_PUB_Y)), R"("})");
}

std::string TestSigner::Jwks() const { return Cat(R"({"keys":[)", Jwk(), "]}"); }

std::string TestSigner::Sign(std::string_view claims) const {
  return Sign(Cat(R"({"alg":"ES256","kid":")", kid_, R"("})"), claims);
}

std::string TestSigner::Sign(std::string_view header, std::string_view claims) const {
  const std::string input = Cat(Base64UrlEncode(header), ".", Base64UrlEncode(claims));
  uint8_t der[80];
  size_t length = sizeof(der);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_) == 1);
  CHECK(EVP_DigestSign(context, der, &length, reinterpret_cast<const uint8_t*>(input.data()),
                       input.size()) == 1);
  EVP_MD_CTX_free(context);
  const uint8_t* at = der;
  ECDSA_SIG* sig = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(length));
  CHECK(sig != nullptr);
  const std::string raw = Fixed(ECDSA_SIG_get0_r(sig)) + Fixed(ECDSA_SIG_get0_s(sig));
  ECDSA_SIG_free(sig);
  return Cat(input, ".", Base64UrlEncode(raw));
}

}  // namespace meltemi::policy
