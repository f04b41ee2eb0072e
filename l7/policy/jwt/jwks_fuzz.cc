// Goal: no text makes the key set parser crash, its keys can be used, and a signature of zeros is
// nobody's.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "l7/policy/jwt/jwk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace policy = meltemi::policy;
  const auto jwks = policy::Jwks::Parse({reinterpret_cast<const char*>(data), size});
  if (!jwks.ok()) return 0;
  for (const policy::Jwk& key : jwks->keys()) {
    for (int i = 0; i <= static_cast<int>(policy::JwtAlgorithm::kEdDsa); ++i) {
      const auto algorithm = static_cast<policy::JwtAlgorithm>(i);
      // An Ed25519 key may be a point of small order, under which anything verifies: the issuer
      // would only harm itself.
      if (algorithm == policy::JwtAlgorithm::kEdDsa) continue;
      if (key.key.Verify(algorithm, "input", std::string(64, '\0'))) abort();
    }
  }
  return 0;
}
