// JSON Web Key Sets (RFC 7517, 7518 section 6, 8037): the public keys of a token issuer, parsed
// once into OpenSSL's form. Hostile input: a JWKS comes from somebody's web server. Pure; immutable
// after parsing, so any thread may verify with it. Bounded by limits::kJwksBytesMax and
// kJwksKeysMax.
#ifndef MELTEMI_L7_POLICY_JWT_JWK_H_
#define MELTEMI_L7_POLICY_JWT_JWK_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY, so that who includes this needs no OpenSSL header

namespace meltemi::policy {

enum class JwtAlgorithm : uint8_t {
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
// By its name in RFC 7518; none for others, "none" and the symmetric ones among them.
std::optional<JwtAlgorithm> JwtAlgorithmByName(std::string_view name);

// A key for signatures of one family. Move-only.
class JwtKey {
 public:
  enum class Family : uint8_t { kRsa, kP256, kP384, kP521, kEd25519 };

  // `text` as PEM "PUBLIC KEY", for tests and static configuration.
  static absl::StatusOr<JwtKey> FromPem(std::string_view text);

  Family family() const { return family_; }
  bool Fits(JwtAlgorithm algorithm) const;
  // Is `signature` (as in a JWS: r||s for ECDSA) that of `input`? False when the algorithm does not
  // fit.
  bool Verify(JwtAlgorithm algorithm, std::string_view input, std::string_view signature) const;

 private:
  friend class JwkReader;
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  JwtKey(Family family, evp_pkey_st* key) : family_(family), key_(key) {}
  static absl::StatusOr<JwtKey> Adopt(evp_pkey_st* key);

  Family family_;
  std::unique_ptr<evp_pkey_st, Free> key_;
};

struct Jwk {
  std::string kid;                        // empty: not given
  std::optional<JwtAlgorithm> algorithm;  // the only one this key may be used with
  JwtKey key;
};

class Jwks {
 public:
  Jwks() = default;
  // Keys we cannot use (of other types, for encryption, too weak, broken) are left out and named in
  // skipped(): one bad key must not take the others with it. No usable key at all is an error.
  static absl::StatusOr<Jwks> Parse(std::string_view text);

  const std::vector<Jwk>& keys() const { return keys_; }
  const std::vector<std::string>& skipped() const { return skipped_; }

 private:
  std::vector<Jwk> keys_;
  std::vector<std::string> skipped_;
};

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_JWT_JWK_H_
