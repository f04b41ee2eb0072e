#include "l7/policy/jwt/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "l7/base/free_with.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/base64url.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::policy {
namespace {

using Bn = std::unique_ptr<BIGNUM, FreeWith<&BN_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<&BIO_free_all>>;
using Params = std::unique_ptr<OSSL_PARAM, FreeWith<&OSSL_PARAM_free>>;
using ParamsBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<&OSSL_PARAM_BLD_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<&EVP_PKEY_CTX_free>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, FreeWith<&EVP_MD_CTX_free>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, FreeWith<&ECDSA_SIG_free>>;

// RFC 7518 3.3 wants 2048 bits at least; above 8192 a signature costs milliseconds.
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr int kRsaExponentBitsMax = 64;

const uint8_t* Bytes(std::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

// The names of a curve, its JWK name and the bytes of a coordinate.
struct Curve {
  std::string_view jwk;
  const char* group;
  JwtKey::Family family;
  size_t bytes;
};
constexpr Curve kCurves[] = {
    {"P-256", "prime256v1", JwtKey::Family::kP256, 32},
    {"P-384", "secp384r1", JwtKey::Family::kP384, 48},
    {"P-521", "secp521r1", JwtKey::Family::kP521, 66},
};

struct AlgorithmInfo {
  std::string_view name;
  const EVP_MD* (*digest)();  // null: the algorithm has its own
  bool pss;
  std::optional<JwtKey::Family> family;  // none: RSA of any size
};
// By JwtAlgorithm.
constexpr AlgorithmInfo kAlgorithms[] = {
    {"RS256", EVP_sha256, false, JwtKey::Family::kRsa},
    {"RS384", EVP_sha384, false, JwtKey::Family::kRsa},
    {"RS512", EVP_sha512, false, JwtKey::Family::kRsa},
    {"PS256", EVP_sha256, true, JwtKey::Family::kRsa},
    {"PS384", EVP_sha384, true, JwtKey::Family::kRsa},
    {"PS512", EVP_sha512, true, JwtKey::Family::kRsa},
    {"ES256", EVP_sha256, false, JwtKey::Family::kP256},
    {"ES384", EVP_sha384, false, JwtKey::Family::kP384},
    {"ES512", EVP_sha512, false, JwtKey::Family::kP521},
    {"EdDSA", nullptr, false, JwtKey::Family::kEd25519},
};
const AlgorithmInfo& Info(JwtAlgorithm algorithm) {
  return kAlgorithms[static_cast<size_t>(algorithm)];
}

EVP_PKEY* FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return key;
}

EVP_PKEY* RsaKey(const std::string& n_bytes, const std::string& e_bytes) {
  if (n_bytes.size() > kRsaBitsMax / 8 + 1 || e_bytes.size() > kRsaExponentBitsMax / 8) {
    return nullptr;
  }
  const Bn n(BN_bin2bn(Bytes(n_bytes), static_cast<int>(n_bytes.size()), nullptr));
  const Bn e(BN_bin2bn(Bytes(e_bytes), static_cast<int>(e_bytes.size()), nullptr));
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr || builder == nullptr) return nullptr;
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return FromParams("RSA", builder.get());
}

EVP_PKEY* EcKey(const Curve& curve, const std::string& x, const std::string& y) {
  if (x.size() != curve.bytes || y.size() != curve.bytes) return nullptr;  // RFC 7518 6.2.1.2
  const std::string point = Cat('\x04', x, y);
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr) return nullptr;
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return FromParams("EC", builder.get());
}

bool GoodRsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  BIGNUM* e = nullptr;
  const bool read = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1;
  const Bn owner(e);
  return read && bits >= kRsaBitsMin && bits <= kRsaBitsMax && BN_is_odd(e) == 1 &&
         BN_num_bits(e) >= 2 && BN_num_bits(e) <= kRsaExponentBitsMax;
}

// r||s of RFC 7518 3.4 as the DER that OpenSSL checks; empty when it has the wrong length.
std::string EcdsaDer(std::string_view raw, size_t coordinate_bytes) {
  if (raw.size() != 2 * coordinate_bytes) return "";
  const EcdsaSig sig(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(Bytes(raw), static_cast<int>(coordinate_bytes), nullptr);
  BIGNUM* s = BN_bin2bn(Bytes(raw) + coordinate_bytes, static_cast<int>(coordinate_bytes), nullptr);
  if (sig == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(sig.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return "";
  }
  uint8_t der[160];  // P-521: 2 * (66 + 4) + 3
  uint8_t* end = der;
  const int length = i2d_ECDSA_SIG(sig.get(), nullptr);
  if (length <= 0 || static_cast<size_t>(length) > sizeof(der)) return "";
  i2d_ECDSA_SIG(sig.get(), &end);
  return std::string(reinterpret_cast<char*>(der), static_cast<size_t>(length));
}

const Curve* CurveOf(JwtKey::Family family) {
  for (const Curve& curve : kCurves) {
    if (curve.family == family) return &curve;
  }
  return nullptr;
}

}  // namespace

std::optional<JwtAlgorithm> JwtAlgorithmByName(std::string_view name) {
  for (size_t i = 0; i < std::size(kAlgorithms); ++i) {
    if (kAlgorithms[i].name == name) return static_cast<JwtAlgorithm>(i);
  }
  return std::nullopt;
}

void JwtKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

absl::StatusOr<JwtKey> JwtKey::Adopt(evp_pkey_st* raw) {
  JwtKey key(Family::kRsa, raw);
  if (EVP_PKEY_is_a(raw, "RSA") == 1) {
    if (GoodRsa(raw)) return key;
    return absl::InvalidArgumentError("an RSA key that is too weak or too large");
  }
  if (EVP_PKEY_is_a(raw, "ED25519") == 1) {
    key.family_ = Family::kEd25519;
    return key;
  }
  char group[64] = "";
  if (EVP_PKEY_is_a(raw, "EC") == 1) {
    EVP_PKEY_get_group_name(raw, group, sizeof(group), nullptr);
  }
  for (const Curve& curve : kCurves) {
    if (std::string_view(group) != curve.group) continue;
    key.family_ = curve.family;
    return key;
  }
  return absl::InvalidArgumentError("a key of a type we do not use");
}

absl::StatusOr<JwtKey> JwtKey::FromPem(std::string_view text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  EVP_PKEY* key =
      bio == nullptr ? nullptr : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr);
  ERR_clear_error();
  if (key == nullptr) return absl::InvalidArgumentError("no PEM public key");
  return Adopt(key);
}

bool JwtKey::Fits(JwtAlgorithm algorithm) const { return Info(algorithm).family == family_; }

bool JwtKey::Verify(JwtAlgorithm algorithm, std::string_view input,
                    std::string_view signature) const {
  if (!Fits(algorithm)) return false;
  const AlgorithmInfo& info = Info(algorithm);
  std::string der;
  if (const Curve* curve = CurveOf(family_)) {
    der = EcdsaDer(signature, curve->bytes);
    if (der.empty()) return false;
    signature = der;
  }
  const MdContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by the context
  bool good =
      context != nullptr && EVP_DigestVerifyInit(context.get(), &options,
                                                 info.digest == nullptr ? nullptr : info.digest(),
                                                 nullptr, key_.get()) == 1;
  if (good && info.pss) {
    // RFC 7518 3.5: the salt is as long as the digest.
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  good = good && EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(input),
                                  input.size()) == 1;
  ERR_clear_error();
  return good;
}

// Reads one member of "keys".
class JwkReader {
 public:
  static absl::StatusOr<Jwk> Read(const Json& json) {
    if (!json.IsObject()) return absl::InvalidArgumentError("not an object");
    if (const std::string use = json.StringOf("use"); !use.empty() && use != "sig") {
      return absl::InvalidArgumentError("not for signatures");
    }
    std::optional<JwtAlgorithm> algorithm;
    if (const Json* alg = json.Find("alg")) {
      algorithm = JwtAlgorithmByName(alg->text());
      if (!algorithm) return absl::InvalidArgumentError(Cat("alg ", alg->text(), " is not used"));
    }
    absl::StatusOr<JwtKey> key = Key(json);
    if (!key.ok()) return key.status();
    if (algorithm && !key->Fits(*algorithm)) {
      return absl::InvalidArgumentError("alg and kty do not fit");
    }
    return Jwk{.kid = json.StringOf("kid"), .algorithm = algorithm, .key = *std::move(key)};
  }

 private:
  static absl::StatusOr<JwtKey> Key(const Json& json) {
    const std::string kty = json.StringOf("kty");
    EVP_PKEY* key = nullptr;
    if (kty == "RSA") {
      key = RsaKey(Member(json, "n"), Member(json, "e"));
    } else if (kty == "EC") {
      for (const Curve& curve : kCurves) {
        if (json.StringOf("crv") != curve.jwk) continue;
        key = EcKey(curve, Member(json, "x"), Member(json, "y"));
      }
    } else if (kty == "OKP" && json.StringOf("crv") == "Ed25519") {
      const std::string x = Member(json, "x");
      key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(x), x.size());
      ERR_clear_error();
    } else {
      return absl::InvalidArgumentError(Cat("kty ", kty, " is not used"));
    }
    if (key == nullptr) return absl::InvalidArgumentError(Cat("a broken ", kty, " key"));
    return JwtKey::Adopt(key);
  }
  static std::string Member(const Json& json, std::string_view name) {
    return Base64UrlDecode(json.StringOf(name)).value_or("");
  }
};

absl::StatusOr<Jwks> Jwks::Parse(std::string_view text) {
  if (text.size() > limits::kJwksBytesMax) return absl::InvalidArgumentError("JWKS: too large");
  const absl::StatusOr<Json> json = Json::Parse(text);
  if (!json.ok()) return absl::InvalidArgumentError(Cat("JWKS: ", json.status().message()));
  const Json* keys = json->Find("keys");
  if (keys == nullptr || keys->kind() != Json::Kind::kArray) {
    return absl::InvalidArgumentError("JWKS: no array \"keys\"");
  }
  if (keys->items().size() > limits::kJwksKeysMax) {
    return absl::InvalidArgumentError("JWKS: too many keys");
  }
  Jwks out;
  for (size_t i = 0; i < keys->items().size(); ++i) {
    absl::StatusOr<Jwk> key = JwkReader::Read(keys->items()[i]);
    if (key.ok()) {
      out.keys_.push_back(*std::move(key));
    } else {
      out.skipped_.push_back(Cat("keys[", i, "]: ", key.status().message()));
    }
  }
  if (!out.keys_.empty()) return out;
  return absl::InvalidArgumentError(Cat("JWKS: no usable key", out.skipped_.empty() ? "" : "; ",
                                        out.skipped_.empty() ? std::string() : out.skipped_[0]));
}

}  // namespace meltemi::policy
