// Goal: no text makes the token parser crash, and what it takes is what was signed: the parts spell
// the text again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "l7/policy/jwt/base64url.h"
#include "l7/policy/jwt/jwt.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace policy = meltemi::policy;
  const std::string text(reinterpret_cast<const char*>(data), size);
  policy::Jwt token;
  if (policy::ParseJwt(text, &token) != policy::JwtVerdict::kOk) return 0;
  if (token.signing_input + "." + policy::Base64UrlEncode(token.signature) != text) abort();
  if (policy::VerifyJwt(token, policy::Jwks(), {.expiry_required = false}, {1'700'000'000}) ==
      policy::JwtVerdict::kOk) {
    abort();
  }
  return 0;
}
