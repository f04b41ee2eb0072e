// Aead: AES-GCM with many expanded keys, in two engines: ipsec-mb's direct calls (142 cycles for 64
// bytes) and OpenSSL's EVP (863 cycles: the reference, and the choice where ipsec-mb has no code
// for the CPU). Tests hold them against each other on every input.
//
// Owns: expanded keys, by slot (KeyCache decides which key is in which). Thread: one worker.
// Bound: slots are made when first used, 1 KB each; KeyCache bounds their number.
//
// One virtual call per record, not per batch: a record is 60 ns at least, and a second engine in
// the same process is worth the 2 ns.
#ifndef MELTEMI_DATAPLANE_TLS_AEAD_H_
#define MELTEMI_DATAPLANE_TLS_AEAD_H_

#include <cstdint>
#include <memory>
#include <span>

namespace meltemi::tls {

enum class AeadAlgorithm : uint8_t { kAes128Gcm, kAes256Gcm };

inline constexpr uint32_t kRecordHeaderBytes = 5;  // of TLS: what is authenticated besides
inline constexpr uint32_t kTagBytes = 16;
inline constexpr uint32_t kNonceBytes = 12;

// `in` and `out` are equal or do not overlap.
struct Piece {
  const uint8_t* in = nullptr;
  uint8_t* out = nullptr;
  uint32_t size = 0;
};

struct AeadInput {
  const uint8_t* nonce = nullptr;  // kNonceBytes
  std::span<const uint8_t> aad;
  std::span<const Piece> pieces;  // at least one; in order they are the message
};

class Aead {
 public:
  virtual ~Aead();
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  virtual void SetKey(uint32_t slot, AeadAlgorithm algorithm, const uint8_t* key) = 0;
  virtual void ClearKey(uint32_t slot) = 0;  // the expanded key is overwritten
  virtual void Seal(uint32_t slot, const AeadInput& input, uint8_t* tag) = 0;
  // False when the tag is wrong: what has been written to `out` is worth nothing then.
  [[nodiscard]] virtual bool Open(uint32_t slot, const AeadInput& input, const uint8_t* tag) = 0;

  // The same for a record in one piece, which most are: `n` bytes are sealed and opened where they
  // lie, the additional data is a header of kRecordHeaderBytes, and the tag follows the bytes. What
  // is read is in registers: for 64 bytes an AeadInput costs a tenth of the engine.
  virtual void SealRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header,
                          uint8_t* bytes, uint32_t n) = 0;
  [[nodiscard]] virtual bool OpenRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header,
                                        uint8_t* bytes, uint32_t n) = 0;

 protected:
  Aead() = default;
};

std::unique_ptr<Aead> MakeIpsecMbAead();
std::unique_ptr<Aead> MakeOpenSslAead();

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_AEAD_H_
