#include "dataplane/tls/key_schedule.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

#include "dataplane/tls/wipe.h"
#include "l7/base/check.h"

namespace meltemi::tls {

// HkdfLabel = length (2) || "tls13 " + label (1 + n) || context (1 + 0). The output is one hash at
// most: HKDF-Expand is HMAC(secret, HkdfLabel || 1) then (RFC 5869 2.3).
void ExpandLabel(Suite suite, std::span<const uint8_t> secret, std::string_view label,
                 std::span<uint8_t> out) {
  constexpr std::string_view kPrefix = "tls13 ";
  CHECK(out.size() <= SecretBytes(suite) && label.size() <= 12);
  std::array<uint8_t, 2 + 1 + 6 + 12 + 1 + 1> info;
  uint8_t* p = info.data();
  *p++ = 0;
  *p++ = static_cast<uint8_t>(out.size());
  *p++ = static_cast<uint8_t>(kPrefix.size() + label.size());
  p = std::copy(kPrefix.begin(), kPrefix.end(), p);
  p = std::copy(label.begin(), label.end(), p);
  *p++ = 0;
  *p++ = 1;
  std::array<uint8_t, EVP_MAX_MD_SIZE> hash;
  unsigned hash_bytes = 0;
  const EVP_MD* digest = suite == Suite::kAes128GcmSha256 ? EVP_sha256() : EVP_sha384();
  CHECK(HMAC(digest, secret.data(), static_cast<int>(secret.size()), info.data(),
             static_cast<size_t>(p - info.data()), hash.data(), &hash_bytes) != nullptr);
  CHECK(out.size() <= hash_bytes);
  std::memcpy(out.data(), hash.data(), out.size());
  Wipe(hash.data(), hash.size());
}

void SetSecret(Suite suite, std::span<const uint8_t> secret, Traffic* traffic) {
  CHECK(secret.size() == SecretBytes(suite) && traffic->ref.stamp == 0);
  std::memmove(traffic->secret.data(), secret.data(), secret.size());
  traffic->suite = suite;
  traffic->sequence = 0;
  const std::span<const uint8_t> own(traffic->secret.data(), SecretBytes(suite));
  ExpandLabel(suite, own, "key", {traffic->key.data(), KeyBytes(suite)});
  ExpandLabel(suite, own, "iv", traffic->iv);
}

void NextSecret(Traffic* traffic) {
  std::array<uint8_t, 48> next;
  const std::span<uint8_t> out(next.data(), SecretBytes(traffic->suite));
  ExpandLabel(traffic->suite, {traffic->secret.data(), out.size()}, "traffic upd", out);
  SetSecret(traffic->suite, out, traffic);
  Wipe(next.data(), next.size());
}

void WipeTraffic(Traffic* traffic) {
  Wipe(traffic->secret.data(), traffic->secret.size());
  Wipe(traffic->key.data(), traffic->key.size());
  Wipe(traffic->iv.data(), traffic->iv.size());
}

}  // namespace meltemi::tls
