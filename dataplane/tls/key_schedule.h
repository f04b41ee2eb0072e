// Traffic: the keys of one direction of a TLS 1.3 connection, and how they follow from its traffic
// secret (RFC 8446 7.1 to 7.3). A value, part of a session.
//
//   secret -> key, iv                    [7.3]
//   secret -> next secret, at KeyUpdate  [7.2]
//   nonce of record n = iv XOR n         [5.3]
#ifndef MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_
#define MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstring>
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

// What every record needs comes first.
struct Traffic {
  uint64_t sequence = 0;  // of the next record
  KeyRef ref;
  std::array<uint8_t, kNonceBytes> iv{};
  Suite suite = Suite::kAes128GcmSha256;
  std::array<uint8_t, 32> key{};
  std::array<uint8_t, 48> secret{};
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

// Sixteen bytes, of which the nonce is the first twelve: written by one store, so that the engine's
// load of them does not wait for several.
struct alignas(16) Nonce {
  std::array<uint8_t, 16> bytes;
  const uint8_t* data() const { return bytes.data(); }
};

inline Nonce NonceOf(const Traffic& traffic) {
  uint64_t begin;
  uint32_t end;
  std::memcpy(&begin, traffic.iv.data(), sizeof(begin));
  std::memcpy(&end, traffic.iv.data() + sizeof(begin), sizeof(end));
  // The sequence's bytes, big-endian, end with the nonce's: its upper half is bytes 4 to 7.
  const uint64_t sequence = __builtin_bswap64(traffic.sequence);
  begin ^= sequence << 32;
  end ^= static_cast<uint32_t>(sequence >> 32);
  Nonce nonce;
  _mm_store_si128(reinterpret_cast<__m128i*>(nonce.bytes.data()),
                  _mm_set_epi64x(static_cast<int64_t>(uint64_t{end}), static_cast<int64_t>(begin)));
  return nonce;
}

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_KEY_SCHEDULE_H_
