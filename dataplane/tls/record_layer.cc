#include "dataplane/tls/record_layer.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

// Up to here a copy and one call of the engine cost less than a call for each piece.
constexpr uint32_t kCopyBytesMax = 2048;
// A part of a longer chain is worth a record of its own from here on; smaller ones are gathered.
constexpr uint32_t kInPlaceBytesMin = 4096;
// What a sealed record may be longer than its content: type, padding, tag (RFC 8446 5.2).
constexpr uint32_t kExpansionBytesMax = 256;
// The inner plaintext, padding included (5.4).
constexpr uint32_t kInnerBytesMax = limits::kTlsRecordBytesMax + 1;

// A record's header, which is authenticated with the content. In sixteen bytes written by one
// store: the engine loads as many, and would wait for several.
class alignas(16) Header {
 public:
  explicit Header(uint32_t length) {
    constexpr uint64_t kTypeAndVersion = 0x03'03'00 | uint64_t{23};  // application data, 1.2
    const uint64_t big_endian = (length >> 8 & 0xFF) | (length & 0xFF) << 8;
    const auto all = static_cast<int64_t>(kTypeAndVersion | big_endian << 24);
    _mm_store_si128(reinterpret_cast<__m128i*>(bytes_.data()), _mm_cvtsi64_si128(all));
  }
  const uint8_t* data() const { return bytes_.data(); }
  void CopyTo(uint8_t* out) const { std::memcpy(out, bytes_.data(), kRecordHeaderBytes); }

 private:
  std::array<uint8_t, 16> bytes_;
};

// Of the record that is next.
Nonce TakeNonce(Traffic* traffic) {
  const Nonce nonce = NonceOf(*traffic);
  ++traffic->sequence;
  return nonce;
}

// The buffer is only this slice's, and has room around it for the rest of the record.
bool FitsInPlace(const Slice& slice) {
  return slice.buffer()->refs == 1 && slice.size() <= limits::kTlsRecordBytesMax &&
         slice.front_room() >= kRecordHeaderBytes && slice.back_room() >= 1 + kTagBytes;
}

// From the end: zeros are padding, the first other byte is the type (5.4). All zeros: kInvalid.
uint32_t Unpadded(const uint8_t* bytes, uint32_t n, ContentType* type) {
  while (n > 0 && bytes[n - 1] == 0) --n;
  *type = n > 0 ? static_cast<ContentType>(bytes[n - 1]) : ContentType::kInvalid;
  return n > 0 ? n - 1 : 0;
}
uint32_t Unpadded(std::span<const Piece> pieces, uint32_t n, ContentType* type) {
  *type = ContentType::kInvalid;
  for (size_t i = pieces.size(); i > 0 && *type == ContentType::kInvalid; --i) {
    const Piece& piece = pieces[i - 1];
    n -= piece.size;
    n += Unpadded(piece.out, piece.size, type);
  }
  return n;
}

}  // namespace

BufferUse UseOfMany(const Chain& chain) {
  for (const ChainNode* node = chain.head(); node != nullptr;) {
    // Slices of one buffer stand side by side: a chain is cut, never shuffled.
    Buffer* const buffer = node->slice.buffer();
    uint32_t views = 0;
    for (; node != nullptr && node->slice.buffer() == buffer; node = node->next) ++views;
    if (buffer->refs != views) return BufferUse::kCopy;
  }
  return BufferUse::kInPlace;
}

RecordLayer::RecordLayer(std::unique_ptr<Aead> aead, uint32_t expanded_key_count_max,
                         BufferPool* pool, TlsCounters* counters)
    : aead_(std::move(aead)),
      keys_(aead_.get(), expanded_key_count_max),
      pool_(pool),
      counters_(counters) {}

bool RecordLayer::Seal(ContentType type, Chain&& content, Traffic* traffic, Chain* records) {
  if (!content.one_slice() || !FitsInPlace(content.front())) {
    return SealParts(type, std::move(content), traffic, records);
  }
  SealInPlace(type, traffic, &content);
  records->Append(std::move(content));
  return true;
}

bool RecordLayer::SealParts(ContentType type, Chain&& content, Traffic* traffic, Chain* records) {
  const uint32_t copy_max =
      std::min(limits::kTlsRecordBytesMax, pool_->allocation_max() - kRecordOverheadBytes);
  while (!content.empty()) {
    const uint32_t first = content.front().size();
    if (FitsInPlace(content.front()) && (first == content.size() || first >= kInPlaceBytesMin)) {
      Chain record = content.TakePrefix(first);
      SealInPlace(type, traffic, &record);
      records->Append(std::move(record));
      continue;
    }
    const auto n = static_cast<uint32_t>(std::min<size_t>(content.size(), copy_max));
    if (!SealCopy(type, content, n, traffic, records)) return false;
    content.RemovePrefix(n);
  }
  return true;
}

bool RecordLayer::SealBytes(ContentType type, std::span<const uint8_t> content, Traffic* traffic,
                            Chain* records) {
  CHECK(content.size() <= 64);
  Chain chain;
  return AppendCopy(pool_, {reinterpret_cast<const char*>(content.data()), content.size()},
                    &chain) &&
         SealCopy(type, chain, static_cast<uint32_t>(content.size()), traffic, records);
}

// The only slice of `record` grows at both ends, inside its buffer.
void RecordLayer::SealInPlace(ContentType type, Traffic* traffic, Chain* record) {
  const auto n = static_cast<uint32_t>(record->size());
  uint8_t* const bytes = record->front().mutable_data();
  bytes[n] = static_cast<uint8_t>(type);
  record->WidenFront(kRecordHeaderBytes, 1 + kTagBytes);
  const Header header(n + 1 + kTagBytes);
  header.CopyTo(bytes - kRecordHeaderBytes);
  const Nonce nonce = TakeNonce(traffic);
  aead_->SealRecord(SlotOf(traffic), nonce.data(), header.data(), bytes, n + 1);
  ++counters_->sealed_in_place;
  CountSealed(type, n);
}

bool RecordLayer::SealCopy(ContentType type, const Chain& content, uint32_t n, Traffic* traffic,
                           Chain* records) {
  Slice record = pool_->Allocate(n + kRecordOverheadBytes);
  if (record.empty()) return false;
  uint8_t* const data = record.mutable_data() + kRecordHeaderBytes;
  data[n] = static_cast<uint8_t>(type);
  const Header header(n + 1 + kTagBytes);
  header.CopyTo(record.mutable_data());
  const Nonce nonce = TakeNonce(traffic);
  if (n <= kCopyBytesMax) {
    content.CopyTo(0, n, data);
    aead_->SealRecord(SlotOf(traffic), nonce.data(), header.data(), data, n + 1);
  } else {
    pieces_.clear();
    uint32_t done = 0;
    for (const ChainNode* node = content.head(); done < n; node = node->next) {
      const uint32_t part = std::min(node->slice.size(), n - done);
      pieces_.push_back({.in = node->slice.data(), .out = data + done, .size = part});
      done += part;
    }
    pieces_.push_back({.in = data + n, .out = data + n, .size = 1});
    aead_->Seal(
        SlotOf(traffic),
        {.nonce = nonce.data(), .aad = {header.data(), kRecordHeaderBytes}, .pieces = pieces_},
        data + n + 1);
  }
  CountSealed(type, n);
  records->Append(std::move(record));
  return true;
}

void RecordLayer::CountSealed(ContentType type, uint32_t content_bytes) {
  ++counters_->records_out;
  if (type == ContentType::kApplicationData) counters_->bytes_out += content_bytes;
}

uint32_t RecordLayer::Expand(Traffic* traffic) {
  const uint32_t slot =
      keys_.Expand(&traffic->ref, AlgorithmOf(traffic->suite), traffic->key.data());
  counters_->keys_expanded = keys_.expanded_count();
  return slot;
}

// The record lies in the first slice, in one piece: most do. `n` bytes are sealed.
inline RecordLayer::Verdict RecordLayer::OpenWhole(uint32_t n, Traffic* traffic, Chain* ciphertext,
                                                   Opened* opened) {
  uint8_t* const header = ciphertext->front().mutable_data();
  uint8_t* const bytes = header + kRecordHeaderBytes;
  const Nonce nonce = TakeNonce(traffic);
  if (!aead_->OpenRecord(SlotOf(traffic), nonce.data(), header, bytes, n)) {
    return Verdict::kBadRecordMac;
  }
  ++counters_->records_in;
  if (n > kInnerBytesMax) return Verdict::kRecordOverflow;
  const uint32_t content_bytes = Unpadded(bytes, n, &opened->type);
  if (opened->type == ContentType::kInvalid) return Verdict::kUnexpectedMessage;
  opened->content = ciphertext->TakePrefix(kRecordHeaderBytes + n + kTagBytes);
  opened->content.RemoveSuffix(n - content_bytes + kTagBytes);
  opened->content.RemovePrefix(kRecordHeaderBytes);
  return Verdict::kOk;
}

RecordLayer::Verdict RecordLayer::Open(BufferUse use, Traffic* traffic, Chain* ciphertext,
                                       Opened* opened) {
  if (ciphertext->size() < kRecordHeaderBytes) return Verdict::kNeedMore;
  std::array<uint8_t, kRecordHeaderBytes> copy;
  const Slice& front = ciphertext->front();
  const uint8_t* header = front.data();
  if (front.size() < kRecordHeaderBytes) {
    ciphertext->CopyTo(0, kRecordHeaderBytes, copy.data());
    header = copy.data();
  }
  // 5.2: the outer type is always application data; the version is ignored (5.1).
  if (header[0] != static_cast<uint8_t>(ContentType::kApplicationData)) {
    return Verdict::kUnexpectedMessage;
  }
  const uint32_t length = uint32_t{header[3]} << 8 | header[4];
  if (length > limits::kTlsRecordBytesMax + kExpansionBytesMax) return Verdict::kRecordOverflow;
  if (length < 1 + kTagBytes) return Verdict::kBadRecordMac;
  if (ciphertext->size() < kRecordHeaderBytes + length) return Verdict::kNeedMore;
  if (use == BufferUse::kInPlace && front.size() >= kRecordHeaderBytes + length) {
    return OpenWhole(length - kTagBytes, traffic, ciphertext, opened);
  }
  if (header != copy.data()) std::memcpy(copy.data(), header, kRecordHeaderBytes);
  ciphertext->RemovePrefix(kRecordHeaderBytes);
  return OpenParts(use, copy, ciphertext->TakePrefix(length), traffic, opened);
}

RecordLayer::Verdict RecordLayer::OpenParts(BufferUse use, std::span<const uint8_t> header,
                                            Chain body, Traffic* traffic, Opened* opened) {
  const auto n = static_cast<uint32_t>(body.size() - kTagBytes);
  std::array<uint8_t, kTagBytes> tag;
  body.CopyTo(n, kTagBytes, tag.data());
  Chain copy;
  if (!PiecesInto(body, n, use == BufferUse::kCopy ? &copy : nullptr)) return Verdict::kNoMemory;
  const Nonce nonce = TakeNonce(traffic);
  const AeadInput input{.nonce = nonce.data(), .aad = header, .pieces = pieces_};
  if (!aead_->Open(SlotOf(traffic), input, tag.data())) return Verdict::kBadRecordMac;
  ++counters_->records_in;
  if (n > kInnerBytesMax) return Verdict::kRecordOverflow;
  const uint32_t content_bytes = Unpadded(pieces_, n, &opened->type);
  if (opened->type == ContentType::kInvalid) return Verdict::kUnexpectedMessage;
  if (use == BufferUse::kCopy) {
    ++counters_->opened_copied;
    body = std::move(copy);
  }
  opened->content = body.TakePrefix(content_bytes);
  return Verdict::kOk;
}

// The first n bytes of `body` as pieces, opened where they lie, or into new buffers.
bool RecordLayer::PiecesInto(const Chain& body, uint32_t n, Chain* out) {
  pieces_.clear();
  for (const ChainNode* node = body.head(); n > 0; node = node->next) {
    const Slice& slice = node->slice;
    const uint32_t size = std::min(slice.size(), n);
    n -= size;
    for (uint32_t done = 0; done < size;) {
      uint8_t* const in = slice.mutable_data() + done;
      if (out == nullptr) {
        pieces_.push_back({.in = in, .out = in, .size = size});
        break;
      }
      const uint32_t part = std::min(size - done, pool_->allocation_max());
      Slice target = pool_->Allocate(part);
      if (target.empty()) return false;
      pieces_.push_back({.in = in, .out = target.mutable_data(), .size = part});
      out->Append(std::move(target));
      done += part;
    }
  }
  return true;
}

void RecordLayer::Drop(Traffic* traffic) {
  keys_.Drop(&traffic->ref);
  WipeTraffic(traffic);
}

void RecordLayer::Update(Traffic* traffic) {
  keys_.Drop(&traffic->ref);
  NextSecret(traffic);
}

}  // namespace meltemi::tls
