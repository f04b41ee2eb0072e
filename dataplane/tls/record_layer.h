// RecordLayer: TLS 1.3 records from plaintext and back (RFC 8446 5), for all sessions of a worker.
//
//   record     = header (5: 23, 0x0303, length) || sealed || tag (16)
//   sealed     = content || content type (1) || zeros
//   additional = header;  nonce: key_schedule.h
//
// Owns: the AEAD engine and the cache of expanded keys. Must not know: sessions, messages, OpenSSL.
// Thread: one worker. Bounds: a record's size; buffers come from the pool and may run out.
#ifndef MELTEMI_DATAPLANE_TLS_RECORD_LAYER_H_
#define MELTEMI_DATAPLANE_TLS_RECORD_LAYER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/tls/aead.h"
#include "dataplane/tls/counters.h"
#include "dataplane/tls/key_cache.h"
#include "dataplane/tls/key_schedule.h"
#include "l7/base/slice.h"

namespace meltemi::tls {

enum class ContentType : uint8_t {
  kInvalid = 0,
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
};

inline constexpr uint32_t kRecordOverheadBytes = kRecordHeaderBytes + 1 + kTagBytes;

// May the bytes of a chain be overwritten by what they are opened to?
enum class BufferUse : uint8_t { kInPlace, kCopy };

// kInPlace when nobody but this chain views any of its buffers.
BufferUse UseOfMany(const Chain& chain);
inline BufferUse UseOf(const Chain& chain) {
  if (!chain.one_slice()) return UseOfMany(chain);
  return chain.front().buffer()->refs == 1 ? BufferUse::kInPlace : BufferUse::kCopy;
}

struct Opened {
  ContentType type = ContentType::kInvalid;
  Chain content;
};

class RecordLayer {
 public:
  enum class Verdict : uint8_t {
    kOk,
    kNeedMore,  // no whole record yet; nothing is taken from the chain
    kNoMemory,
    kBadRecordMac,
    kRecordOverflow,
    kUnexpectedMessage,
  };

  RecordLayer(std::unique_ptr<Aead> aead, uint32_t expanded_key_count_max, BufferPool* pool,
              TlsCounters* counters);

  // Appends `content` as records of `type`, each as large as allowed, to `records`. False when the
  // pool is exhausted: the sequence has moved on and what was appended must not be sent.
  [[nodiscard]] bool Seal(ContentType type, Chain&& content, Traffic* traffic, Chain* records);
  // The same for a few bytes: alerts and messages.
  [[nodiscard]] bool SealBytes(ContentType type, std::span<const uint8_t> content, Traffic* traffic,
                               Chain* records);
  // Takes the first record from `ciphertext`. Not kOk and not kNeedMore: the session is over, and
  // of `ciphertext` some may be gone.
  Verdict Open(BufferUse use, Traffic* traffic, Chain* ciphertext, Opened* opened);

  // Forgets the expanded key and overwrites the secrets.
  void Drop(Traffic* traffic);
  // The next key (RFC 8446 7.2).
  void Update(Traffic* traffic);

 private:
  bool SealParts(ContentType type, Chain&& content, Traffic* traffic, Chain* records);
  void SealInPlace(ContentType type, Traffic* traffic, Chain* record);
  bool SealCopy(ContentType type, const Chain& content, uint32_t n, Traffic* traffic,
                Chain* records);
  void CountSealed(ContentType type, uint32_t content_bytes);
  Verdict OpenWhole(uint32_t n, Traffic* traffic, Chain* ciphertext, Opened* opened);
  Verdict OpenParts(BufferUse use, std::span<const uint8_t> header, Chain body, Traffic* traffic,
                    Opened* opened);
  bool PiecesInto(const Chain& body, uint32_t n, Chain* out);
  uint32_t SlotOf(Traffic* traffic) {
    const uint32_t* slot = keys_.Find(traffic->ref);
    return slot != nullptr ? *slot : Expand(traffic);
  }
  uint32_t Expand(Traffic* traffic);

  const std::unique_ptr<Aead> aead_;
  KeyCache keys_;
  BufferPool* const pool_;
  TlsCounters* const counters_;
  std::vector<Piece> pieces_;  // scratch, kept for its capacity
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_RECORD_LAYER_H_
