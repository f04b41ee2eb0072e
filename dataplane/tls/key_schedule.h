// Traffic: the keys of one direction of a TLS 1.3 connection, and how they follow from its traffic
// secret (RFC 8446 7.1 to 7.3). A value, part of a session.
//
//   secret -> key, iv                    [7.3]
//   secret -> next secret, at KeyUpdate  [7.2]
//   nonce of record n = iv XOR n         [5.3]
#ifndef MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_
#define MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/key_cache.h"

namespace meltemi::tls {

enum class Suite : uint8_t { kAes128GcmSha256, kAes256GcmSha384 };

constexpr AeadAlgorithm AlgorithmOf(Suite suite) {
  return suite == Suite::kAes128GcmSha256 ? AeadAlgorithm::kAes128Gcm : AeadAlgorithm::kAes256Gcm;
}
constexpr uint32_t KeyBytes(Suite suite) { return suite == Suite::kAes128GcmSha256 ? 16 : 32; }
constexpr uint32_t SecretBytes(Suite suite) { return suite == Suite::kAes128GcmSha256 ? 32 : 48; }

struct Traffic {
  std::array<uint8_t, 48> secret{};
  std::array<uint8_t, 32> key{};
  std::array<uint8_t, kNonceBytes> iv{};
  Suite suite = Suite::kAes128GcmSha256;
  KeyRef ref;
  uint64_t sequence = 0;  // of the next record
};

// HKDF-Expand-Label (7.1) for an output of at most one hash.
void ExpandLabel(Suite suite, std::span<const uint8_t> secret, std::string_view label,
                 std::span<uint8_t> out);

// Begins with `secret`; the sequence is 0. The old key's KeyRef must have been dropped.
void SetSecret(Suite suite, std::span<const uint8_t> secret, Traffic* traffic);
// The secret that follows, after KeyUpdate.
void NextSecret(Traffic* traffic);
// Overwrites all secrets.
void WipeTraffic(Traffic* traffic);

inline std::array<uint8_t, kNonceBytes> NonceOf(const Traffic& traffic) {
  std::array<uint8_t, kNonceBytes> nonce = traffic.iv;
  for (int i = 0; i < 8; ++i) {
    nonce[kNonceBytes - 1 - i] ^= static_cast<uint8_t>(traffic.sequence >> (8 * i));
  }
  return nonce;
}

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_
