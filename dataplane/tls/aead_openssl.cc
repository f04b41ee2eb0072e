#include <memory>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/openssl_ptr.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

class OpenSslAead final : public Aead {
 public:
  // Fetched once: by name at every key it would cost more than the key.
  OpenSslAead()
      : aes128_(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)),
        aes256_(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)) {
    CHECK(aes128_ != nullptr && aes256_ != nullptr);
  }

  void SetKey(uint32_t slot, AeadAlgorithm algorithm, const uint8_t* key) override {
    if (slot >= contexts_.size()) contexts_.resize(slot + 1);
    if (contexts_[slot] == nullptr) contexts_[slot].reset(EVP_CIPHER_CTX_new());
    const CipherPtr& cipher = algorithm == AeadAlgorithm::kAes128Gcm ? aes128_ : aes256_;
    CHECK(EVP_CipherInit_ex(contexts_[slot].get(), cipher.get(), nullptr, key, nullptr, 1) == 1);
  }

  void ClearKey(uint32_t slot) override { EVP_CIPHER_CTX_reset(contexts_[slot].get()); }

  void Seal(uint32_t slot, const AeadInput& input, uint8_t* tag) override {
    EVP_CIPHER_CTX* context = Run(slot, input, 1);
    int n = 0;
    CHECK(EVP_CipherFinal_ex(context, tag, &n) == 1 && n == 0);
    CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1);
  }

  bool Open(uint32_t slot, const AeadInput& input, const uint8_t* tag) override {
    EVP_CIPHER_CTX* context = Run(slot, input, 0);
    int n = 0;
    uint8_t none = 0;
    // The interface takes the expected tag as void*, and does not write to it.
    CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                              const_cast<uint8_t*>(tag)) == 1);
    return EVP_CipherFinal_ex(context, &none, &n) == 1;
  }

  void SealRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header, uint8_t* bytes,
                  uint32_t n) override {
    const Piece piece{.in = bytes, .out = bytes, .size = n};
    Seal(slot, {.nonce = nonce, .aad = {header, kRecordHeaderBytes}, .pieces = {&piece, 1}},
         bytes + n);
  }

  bool OpenRecord(uint32_t slot, const uint8_t* nonce, const uint8_t* header, uint8_t* bytes,
                  uint32_t n) override {
    const Piece piece{.in = bytes, .out = bytes, .size = n};
    return Open(slot, {.nonce = nonce, .aad = {header, kRecordHeaderBytes}, .pieces = {&piece, 1}},
                bytes + n);
  }

 private:
  EVP_CIPHER_CTX* Run(uint32_t slot, const AeadInput& input, int encrypt) {
    EVP_CIPHER_CTX* context = contexts_[slot].get();
    int n = 0;
    CHECK(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, input.nonce, encrypt) == 1);
    if (!input.aad.empty()) {
      CHECK(EVP_CipherUpdate(context, nullptr, &n, input.aad.data(),
                             static_cast<int>(input.aad.size())) == 1);
    }
    for (const Piece& p : input.pieces) {
      if (p.size == 0) continue;  // OpenSSL takes an update without bytes for a mistake
      CHECK(EVP_CipherUpdate(context, p.out, &n, p.in, static_cast<int>(p.size)) == 1);
    }
    return context;
  }

  CipherPtr aes128_, aes256_;
  std::vector<CipherCtxPtr> contexts_;
};

}  // namespace

std::unique_ptr<Aead> MakeOpenSslAead() { return std::make_unique<OpenSslAead>(); }

}  // namespace meltemi::tls
