#include "l7/policy/jwt/jwt.h"

#include <algorithm>
#include <limits>

#include "l7/base/limits.h"
#include "l7/policy/jwt/base64url.h"

namespace meltemi::policy {
namespace {

// A claim that is absent is fine, one of the wrong type is not: the issuer meant something by it.
bool ReadText(const Json& claims, std::string_view name, std::string* out) {
  const Json* claim = claims.Find(name);
  if (claim == nullptr) return true;
  if (claim->AsString() == nullptr) return false;
  *out = *claim->AsString();
  return true;
}

bool ReadDate(const Json& claims, std::string_view name, std::optional<UnixTime>* out) {
  const Json* claim = claims.Find(name);
  if (claim == nullptr) return true;
  const std::optional<int64_t> seconds = claim->AsInteger();
  if (!seconds || *seconds < 0) return false;
  *out = UnixTime{*seconds};
  return true;
}

// A string or an array of strings: RFC 7519 4.1.3.
bool ReadAudiences(const Json& claims, std::vector<std::string>* out) {
  const Json* claim = claims.Find("aud");
  if (claim == nullptr) return true;
  if (claim->AsString() != nullptr) {
    out->push_back(*claim->AsString());
    return true;
  }
  if (claim->kind() != Json::Kind::kArray) return false;
  for (const Json& item : claim->items()) {
    if (item.AsString() == nullptr) return false;
    out->push_back(*item.AsString());
  }
  return true;
}

JwtVerdict ReadHeader(std::string_view part, Jwt* out) {
  const std::optional<std::string> bytes = Base64UrlDecode(part);
  if (!bytes) return JwtVerdict::kMalformed;
  const absl::StatusOr<Json> header = Json::Parse(*bytes);
  if (!header.ok() || !header->IsObject()) return JwtVerdict::kMalformed;
  // RFC 7515 4.1.11: who does not know an extension that is critical must refuse; we know none.
  if (header->Find("crit") != nullptr) return JwtVerdict::kMalformed;
  const Json* alg = header->Find("alg");
  if (alg == nullptr || alg->AsString() == nullptr) return JwtVerdict::kMalformed;
  if (!ReadText(*header, "kid", &out->kid) || !ReadText(*header, "typ", &out->typ)) {
    return JwtVerdict::kMalformed;
  }
  const std::optional<JwtAlgorithm> algorithm = JwtAlgorithmByName(*alg->AsString());
  if (!algorithm) return JwtVerdict::kAlgorithmNotAllowed;
  out->algorithm = *algorithm;
  return JwtVerdict::kOk;
}

JwtVerdict ReadPayload(std::string_view part, Jwt* out) {
  const std::optional<std::string> bytes = Base64UrlDecode(part);
  if (!bytes) return JwtVerdict::kMalformed;
  absl::StatusOr<Json> claims = Json::Parse(*bytes);
  if (!claims.ok() || !claims->IsObject()) return JwtVerdict::kMalformed;
  out->claims = *std::move(claims);
  const bool good =
      ReadText(out->claims, "iss", &out->issuer) && ReadText(out->claims, "sub", &out->subject) &&
      ReadDate(out->claims, "exp", &out->expires) &&
      ReadDate(out->claims, "nbf", &out->not_before) &&
      ReadDate(out->claims, "iat", &out->issued) && ReadAudiences(out->claims, &out->audiences);
  out->payload_base64url = std::string(part);
  return good ? JwtVerdict::kOk : JwtVerdict::kMalformed;
}

JwtVerdict CheckDates(const Jwt& token, const JwtRequirements& required, UnixTime now) {
  const int64_t skew = required.clock_skew.nanos() / 1'000'000'000;
  if (!token.expires && required.expiry_required) return JwtVerdict::kNoExpiry;
  // Differences, not sums: a date of a token may be as large as an integer can be.
  if (token.not_before && token.not_before->seconds - now.seconds > skew) {
    return JwtVerdict::kNotYetValid;
  }
  if (token.expires && now.seconds - token.expires->seconds >= skew) return JwtVerdict::kExpired;
  return JwtVerdict::kOk;
}

bool AudienceFits(const Jwt& token, const JwtRequirements& required) {
  return required.audiences.empty() ||
         std::any_of(token.audiences.begin(), token.audiences.end(), [&](const std::string& a) {
           return std::find(required.audiences.begin(), required.audiences.end(), a) !=
                  required.audiences.end();
         });
}

JwtVerdict CheckSignature(const Jwt& token, const Jwks& keys) {
  int tries = 0;
  for (const Jwk& key : keys.keys()) {
    // A key without a name may be any token's; a token without one may be any key's.
    if (!token.kid.empty() && !key.kid.empty() && token.kid != key.kid) continue;
    if (key.algorithm.value_or(token.algorithm) != token.algorithm) continue;
    if (!key.key.Fits(token.algorithm)) continue;
    if (++tries > limits::kJwtKeyTriesMax) break;
    if (key.key.Verify(token.algorithm, token.signing_input, token.signature)) {
      return JwtVerdict::kOk;
    }
  }
  return tries == 0 ? JwtVerdict::kNoKey : JwtVerdict::kBadSignature;
}

}  // namespace

std::string_view Describe(JwtVerdict verdict) {
  switch (verdict) {
    case JwtVerdict::kOk:
      return "Jwt is valid";
    case JwtVerdict::kMissing:
      return "Jwt is missing";
    case JwtVerdict::kMalformed:
      return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case JwtVerdict::kAlgorithmNotAllowed:
      return "Jwt header [alg] is not supported";
    case JwtVerdict::kWrongIssuer:
      return "Jwt issuer is not configured";
    case JwtVerdict::kWrongAudience:
      return "Audiences in Jwt are not allowed";
    case JwtVerdict::kNotYetValid:
      return "Jwt not yet valid";
    case JwtVerdict::kExpired:
      return "Jwt is expired";
    case JwtVerdict::kNoExpiry:
      return "Jwt has no expiration";
    case JwtVerdict::kNoKey:
      return "Jwks doesn't have key to match kid or alg from Jwt";
    case JwtVerdict::kBadSignature:
      return "Jwt verification fails";
  }
  return "";
}

JwtVerdict ParseJwt(std::string_view text, Jwt* out) {
  *out = Jwt();
  if (text.empty()) return JwtVerdict::kMissing;
  if (text.size() > limits::kJwtBytesMax) return JwtVerdict::kMalformed;
  const size_t first = text.find('.');
  const size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos) {
    return JwtVerdict::kMalformed;
  }
  const JwtVerdict header = ReadHeader(text.substr(0, first), out);
  if (header != JwtVerdict::kOk) return header;
  const JwtVerdict payload = ReadPayload(text.substr(first + 1, second - first - 1), out);
  if (payload != JwtVerdict::kOk) return payload;
  const std::optional<std::string> signature = Base64UrlDecode(text.substr(second + 1));
  if (!signature || signature->empty()) return JwtVerdict::kMalformed;
  out->signature = *signature;
  out->signing_input = std::string(text.substr(0, second));
  return JwtVerdict::kOk;
}

JwtVerdict VerifyJwt(const Jwt& token, const Jwks& keys, const JwtRequirements& required,
                     UnixTime now) {
  if (!required.issuer.empty() && token.issuer != required.issuer) return JwtVerdict::kWrongIssuer;
  if (!AudienceFits(token, required)) return JwtVerdict::kWrongAudience;
  const JwtVerdict dates = CheckDates(token, required, now);
  if (dates != JwtVerdict::kOk) return dates;
  return CheckSignature(token, keys);
}

}  // namespace meltemi::policy
