// JSON Web Tokens signed as JWS in compact form (RFC 7519, 7515; the advice of RFC 8725): parsing,
// signature, and the checks of the registered claims. Hostile input. Pure: now is a parameter.
// Verifying costs 30 to 150 us; who verifies the same token often keeps the verdict until it
// expires.
#ifndef MELTEMI_L7_POLICY_JWT_JWT_H_
#define MELTEMI_L7_POLICY_JWT_JWT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/time.h"
#include "l7/policy/jwt/json.h"
#include "l7/policy/jwt/jwk.h"

namespace meltemi::policy {

enum class JwtVerdict : uint8_t {
  kOk,
  kMissing,
  kMalformed,
  kAlgorithmNotAllowed,
  kWrongIssuer,
  kWrongAudience,
  kNotYetValid,
  kExpired,
  kNoExpiry,
  kNoKey,
  kBadSignature,
};
// The text of Envoy's 401 body where it has one ("Jwt is expired").
std::string_view Describe(JwtVerdict verdict);

struct Jwt {
  JwtAlgorithm algorithm = JwtAlgorithm::kRs256;
  std::string kid;
  std::string typ;
  Json claims;
  std::string payload_base64url;  // as it came, to forward it
  std::string issuer;
  std::string subject;
  std::vector<std::string> audiences;
  std::optional<UnixTime> expires;
  std::optional<UnixTime> not_before;
  std::optional<UnixTime> issued;
  std::string signing_input;
  std::string signature;
};

// kOk, kMissing, kMalformed or kAlgorithmNotAllowed. What it says is not yet proven.
JwtVerdict ParseJwt(std::string_view text, Jwt* out);

struct JwtRequirements {
  std::string issuer;                  // empty: any
  std::vector<std::string> audiences;  // one of them; empty: any
  Duration clock_skew = Duration::Seconds(60);
  bool expiry_required = true;
};

// The claims first, for they are cheap, then the signature with a key of the set that fits: by kid
// when the token names one, else by algorithm, at most kJwtKeyTriesMax of them.
JwtVerdict VerifyJwt(const Jwt& token, const Jwks& keys, const JwtRequirements& required,
                     UnixTime now);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_JWT_JWT_H_
