// The one file that knows ipsec-mb.
#include <intel-ipsec-mb.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/wipe.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

// No early way out: how many bytes agree must not show in the time it takes.
bool TagsEqual(const uint8_t* a, const uint8_t* b) {
  std::array<uint64_t, 2> x, y;
  static_assert(sizeof(x) == kTagBytes);
  std::memcpy(x.data(), a, sizeof(x));
  std::memcpy(y.data(), b, sizeof(y));
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

class IpsecMbAead final : public Aead {
 public:
  IpsecMbAead() : manager_(alloc_mb_mgr(0)) {
    CHECK(manager_ != nullptr);
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager_.get(), &arch);
    CHECK(arch != IMB_ARCH_NONE && imb_get_errno(manager_.get()) == 0);
  }

  void SetKey(uint32_t slot, AeadAlgorithm algorithm, const uint8_t* key) override {
    while (slot / kChunk >= chunks_.size()) chunks_.push_back(std::make_unique<Chunk>());
    Key& k = At(slot);
    k.algorithm = algorithm;
    switch (algorithm) {
      case AeadAlgorithm::kAes128Gcm:
        IMB_AES128_GCM_PRE(manager_.get(), key, &k.data);
        break;
      case AeadAlgorithm::kAes256Gcm:
        IMB_AES256_GCM_PRE(manager_.get(), key, &k.data);
        break;
    }
  }

  void ClearKey(uint32_t slot) override { Wipe(&At(slot).data, sizeof(gcm_key_data)); }

  // By pieces: three calls at least, so only for what is not in one.
  void Seal(uint32_t slot, const AeadInput& input, uint8_t* tag) override {
    const Key& k = At(slot);
    IMB_MGR* m = manager_.get();
    const bool aes128 = k.algorithm == AeadAlgorithm::kAes128Gcm;
    if (input.pieces.size() == 1) {
      const Piece& p = input.pieces.front();
      (aes128 ? m->gcm128_enc : m->gcm256_enc)(&k.data, &context_, p.out, p.in, p.size, input.nonce,
                                               input.aad.data(), input.aad.size(), tag, kTagBytes);
      return;
    }
    Begin(k, input);
    const auto update = aes128 ? m->gcm128_enc_update : m->gcm256_enc_update;
    for (const Piece& p : input.pieces) update(&k.data, &context_, p.out, p.in, p.size);
    (aes128 ? m->gcm128_enc_finalize : m->gcm256_enc_finalize)(&k.data, &context_, tag, kTagBytes);
  }

  bool Open(uint32_t slot, const AeadInput& input, const uint8_t* tag) override {
    const Key& k = At(slot);
    IMB_MGR* m = manager_.get();
    const bool aes128 = k.algorithm == AeadAlgorithm::kAes128Gcm;
    alignas(16) std::array<uint8_t, kTagBytes> computed;
    if (input.pieces.size() == 1) {
      const Piece& p = input.pieces.front();
      (aes128 ? m->gcm128_dec : m->gcm256_dec)(&k.data, &context_, p.out, p.in, p.size, input.nonce,
                                               input.aad.data(), input.aad.size(), computed.data(),
                                               kTagBytes);
      return TagsEqual(computed.data(), tag);
    }
    Begin(k, input);
    const auto update = aes128 ? m->gcm128_dec_update : m->gcm256_dec_update;
    for (const Piece& p : input.pieces) update(&k.data, &context_, p.out, p.in, p.size);
    (aes128 ? m->gcm128_dec_finalize : m->gcm256_dec_finalize)(&k.data, &context_, computed.data(),
                                                               kTagBytes);
    return TagsEqual(computed.data(), tag);
  }

  void SealRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header, uint8_t* bytes,
                  uint32_t n) override {
    const Key& k = At(slot);
    const IMB_MGR* m = manager_.get();
    (k.algorithm == AeadAlgorithm::kAes128Gcm ? m->gcm128_enc : m->gcm256_enc)(
        &k.data, &context_, bytes, bytes, n, nonce, header, kRecordHeaderBytes, bytes + n,
        kTagBytes);
  }

  bool OpenRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header, uint8_t* bytes,
                  uint32_t n) override {
    const Key& k = At(slot);
    const IMB_MGR* m = manager_.get();
    alignas(16) std::array<uint8_t, kTagBytes> computed;
    (k.algorithm == AeadAlgorithm::kAes128Gcm ? m->gcm128_dec : m->gcm256_dec)(
        &k.data, &context_, bytes, bytes, n, nonce, header, kRecordHeaderBytes, computed.data(),
        kTagBytes);
    return TagsEqual(computed.data(), bytes + n);
  }

 private:
  // ipsec-mb's header aligns it only where LINUX is defined; its code always wants it aligned.
  struct alignas(64) Key {
    gcm_key_data data;
    AeadAlgorithm algorithm = AeadAlgorithm::kAes128Gcm;
  };
  static constexpr uint32_t kChunk = 32;
  using Chunk = std::array<Key, kChunk>;

  Key& At(uint32_t slot) { return (*chunks_[slot / kChunk])[slot % kChunk]; }

  void Begin(const Key& k, const AeadInput& input) {
    IMB_MGR* m = manager_.get();
    const bool aes128 = k.algorithm == AeadAlgorithm::kAes128Gcm;
    (aes128 ? m->gcm128_init : m->gcm256_init)(&k.data, &context_, input.nonce, input.aad.data(),
                                               input.aad.size());
  }

  std::unique_ptr<IMB_MGR, FreeManager> manager_;  // 200 KB of function tables and job queues
  std::vector<std::unique_ptr<Chunk>> chunks_;
  gcm_context_data context_;  // scratch of one call
};

}  // namespace

Aead::~Aead() = default;

std::unique_ptr<Aead> MakeIpsecMbAead() { return std::make_unique<IpsecMbAead>(); }

}  // namespace meltemi::tls
