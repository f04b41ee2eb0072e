#include "dataplane/tls/record_layer.h"

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

void WriteHeader(uint32_t length, uint8_t* header) {
  header[0] = static_cast<uint8_t>(ContentType::kApplicationData);
  header[1] = 3;
  header[2] = 3;
  header[3] = static_cast<uint8_t>(length >> 8);
  header[4] = static_cast<uint8_t>(length);
}

// The buffer is only this slice's, and has room around it for the rest of the record.
bool FitsInPlace(const Slice& slice) {
  const Buffer* buffer = slice.buffer();
  const auto front = static_cast<size_t>(slice.data() - buffer->memory);
  const size_t back = buffer->capacity - front - slice.size();
  return buffer->refs == 1 && slice.size() <= limits::kTlsRecordBytesMax &&
         front >= kRecordHeaderBytes && back >= 1 + kTagBytes;
}

}  // namespace

BufferUse UseOf(const Chain& chain) {
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

bool RecordLayer::Seal(ContentType type, Chain content, Traffic* traffic, Chain* records) {
  const uint32_t copy_max =
      std::min(limits::kTlsRecordBytesMax, pool_->allocation_max() - kRecordOverheadBytes);
  while (!content.empty()) {
    const uint32_t first = content.front().size();
    if (FitsInPlace(content.front()) && (first == content.size() || first >= kInPlaceBytesMin)) {
      if (!SealInPlace(type, content.PopFront(), traffic, records)) return false;
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

// The slice grows at both ends, inside its buffer.
bool RecordLayer::SealInPlace(ContentType type, Slice content, Traffic* traffic, Chain* records) {
  const uint32_t n = content.size();
  uint8_t* const begin = content.mutable_data() - kRecordHeaderBytes;
  uint8_t* const data = begin + kRecordHeaderBytes;
  data[n] = static_cast<uint8_t>(type);
  pieces_.assign({Piece{.in = data, .out = data, .size = n + 1}});
  SealPieces(type, n, begin, data + n + 1, traffic);
  ++counters_->sealed_in_place;
  records->Append(Slice(content.buffer(), begin, n + kRecordOverheadBytes));
  return true;
}

bool RecordLayer::SealCopy(ContentType type, const Chain& content, uint32_t n, Traffic* traffic,
                           Chain* records) {
  Slice record = pool_->Allocate(n + kRecordOverheadBytes);
  if (record.empty()) return false;
  uint8_t* const data = record.mutable_data() + kRecordHeaderBytes;
  data[n] = static_cast<uint8_t>(type);
  pieces_.clear();
  if (n <= kCopyBytesMax) {
    content.CopyTo(0, n, data);
    pieces_.push_back({.in = data, .out = data, .size = n + 1});
  } else {
    uint32_t done = 0;
    for (const ChainNode* node = content.head(); done < n; node = node->next) {
      const uint32_t part = std::min(node->slice.size(), n - done);
      pieces_.push_back({.in = node->slice.data(), .out = data + done, .size = part});
      done += part;
    }
    pieces_.push_back({.in = data + n, .out = data + n, .size = 1});
  }
  SealPieces(type, n, record.mutable_data(), data + n + 1, traffic);
  records->Append(std::move(record));
  return true;
}

void RecordLayer::SealPieces(ContentType type, uint32_t content_bytes, uint8_t* header,
                             uint8_t* tag, Traffic* traffic) {
  WriteHeader(content_bytes + 1 + kTagBytes, header);
  const auto nonce = NonceOf(*traffic);
  ++traffic->sequence;
  const uint32_t slot = keys_.Use(&traffic->ref, AlgorithmOf(traffic->suite), traffic->key.data());
  aead_->Seal(slot, {.nonce = nonce.data(), .aad = {header, kRecordHeaderBytes}, .pieces = pieces_},
              tag);
  ++counters_->records_out;
  if (type == ContentType::kApplicationData) counters_->bytes_out += content_bytes;
  counters_->keys_expanded = keys_.expanded_count();
}

RecordLayer::Verdict RecordLayer::Open(BufferUse use, Traffic* traffic, Chain* ciphertext,
                                       Opened* opened) {
  if (ciphertext->size() < kRecordHeaderBytes) return Verdict::kNeedMore;
  std::array<uint8_t, kRecordHeaderBytes> header;
  ciphertext->CopyTo(0, kRecordHeaderBytes, header.data());
  // 5.2: the outer type is always application data; the version is ignored (5.1).
  if (header[0] != static_cast<uint8_t>(ContentType::kApplicationData)) {
    return Verdict::kUnexpectedMessage;
  }
  const uint32_t length = uint32_t{header[3]} << 8 | header[4];
  if (length > limits::kTlsRecordBytesMax + kExpansionBytesMax) return Verdict::kRecordOverflow;
  if (length < 1 + kTagBytes) return Verdict::kBadRecordMac;
  if (ciphertext->size() < kRecordHeaderBytes + length) return Verdict::kNeedMore;
  ciphertext->RemovePrefix(kRecordHeaderBytes);
  return OpenBody(use, header, ciphertext->TakePrefix(length), traffic, opened);
}

RecordLayer::Verdict RecordLayer::OpenBody(BufferUse use, std::span<const uint8_t> header,
                                           Chain body, Traffic* traffic, Opened* opened) {
  const auto n = static_cast<uint32_t>(body.size() - kTagBytes);
  std::array<uint8_t, kTagBytes> tag;
  body.CopyTo(n, kTagBytes, tag.data());
  Chain copy;
  if (!PiecesInto(body, n, use == BufferUse::kCopy ? &copy : nullptr)) return Verdict::kNoMemory;
  const auto nonce = NonceOf(*traffic);
  ++traffic->sequence;
  const uint32_t slot = keys_.Use(&traffic->ref, AlgorithmOf(traffic->suite), traffic->key.data());
  counters_->keys_expanded = keys_.expanded_count();
  if (!aead_->Open(slot, {.nonce = nonce.data(), .aad = header, .pieces = pieces_}, tag.data())) {
    return Verdict::kBadRecordMac;
  }
  ++counters_->records_in;
  // 5.4: the inner plaintext, padding included, is at most 2^14 + 1 bytes.
  if (n > limits::kTlsRecordBytesMax + 1) return Verdict::kRecordOverflow;
  const uint32_t content_bytes = Unpadded(n, &opened->type);
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
    Slice slice = node->slice;  // a view: counted up and down again
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

// From the end: zeros are padding, the first other byte is the type (5.4). All zeros: kInvalid.
uint32_t RecordLayer::Unpadded(uint32_t n, ContentType* type) const {
  for (size_t i = pieces_.size(); i > 0; --i) {
    const Piece& piece = pieces_[i - 1];
    for (uint32_t j = piece.size; j > 0; --j) {
      --n;
      if (piece.out[j - 1] != 0) {
        *type = static_cast<ContentType>(piece.out[j - 1]);
        return n;
      }
    }
  }
  *type = ContentType::kInvalid;
  return 0;
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
