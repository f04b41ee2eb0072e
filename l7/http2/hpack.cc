#include "l7/http2/hpack.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "l7/base/check.h"

namespace meltemi::http2 {
namespace {

constexpr size_t kSmallest = 32;
constexpr size_t kBlocksAtOnce = 16 * 1024;
constexpr size_t kTableBytes = 4096;  // SETTINGS_HEADER_TABLE_SIZE's first value, RFC 9113 6.5.2

}  // namespace

HpackMemory::HpackMemory() {
  allocator_.mem_user_data = this;
  allocator_.malloc = [](size_t size, void* self) {
    return static_cast<HpackMemory*>(self)->Take(size);
  };
  allocator_.free = [](void* memory, void* self) {
    if (memory != nullptr) static_cast<HpackMemory*>(self)->Give(memory);
  };
  allocator_.calloc = [](size_t count, size_t size, void* self) {
    CHECK(size == 0 || count <= SIZE_MAX / size);
    void* const memory = static_cast<HpackMemory*>(self)->Take(count * size);
    std::memset(memory, 0, count * size);
    return memory;
  };
  allocator_.realloc = [](void* memory, size_t size, void* self) -> void* {
    auto* const me = static_cast<HpackMemory*>(self);
    void* const bigger = me->Take(size);
    if (memory == nullptr) return bigger;
    const size_t before = kSmallest << (static_cast<Header*>(memory) - 1)->size_class;
    std::memcpy(bigger, memory, std::min(before, size));
    me->Give(memory);
    return bigger;
  };
}

void* HpackMemory::Take(size_t bytes) {
  const size_t rounded = std::bit_ceil(std::max(bytes, kSmallest));
  const auto size_class = static_cast<size_t>(std::countr_zero(rounded / kSmallest));
  if (size_class >= kClasses) {  // a table's resize: rare, given back to the heap
    ++large_;
    auto* const header = static_cast<Header*>(::operator new(sizeof(Header) + rounded));
    header->size_class = size_class;
    return header + 1;
  }
  if (free_[size_class] == nullptr) {
    const size_t each = sizeof(Header) + rounded;
    const size_t count = std::max<size_t>(1, kBlocksAtOnce / each);
    blocks_.push_back(std::make_unique<std::byte[]>(each * count));
    for (size_t i = 0; i < count; ++i) {
      auto* const header = ::new (blocks_.back().get() + i * each) Header;
      *header = {.size_class = size_class, .next = std::exchange(free_[size_class], header)};
    }
  }
  Header* const header = free_[size_class];
  free_[size_class] = header->next;
  return header + 1;
}

void HpackMemory::Give(void* memory) {
  Header* const header = static_cast<Header*>(memory) - 1;
  if (header->size_class >= kClasses) return ::operator delete(header);
  header->next = std::exchange(free_[header->size_class], header);
}

HpackDecoder::HpackDecoder(HpackMemory* memory) {
  CHECK(nghttp2_hd_inflate_new2(&inflater_, memory->allocator()) == 0);
}

HpackDecoder::~HpackDecoder() { nghttp2_hd_inflate_del(inflater_); }

void HpackDecoder::Begin(const HeaderLimits& limits, Fields* out) {
  limits_ = limits;
  out_ = out;
  bytes_ = count_ = 0;
  result_ = Result::kOk;
}

HpackDecoder::Result HpackDecoder::Decode(std::span<const uint8_t> bytes, bool last) {
  if (result_ == Result::kBroken) return result_;
  // A field may come out without taking bytes, so the end is told by flags, not by the length.
  while (true) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used =
        nghttp2_hd_inflate_hd2(inflater_, &field, &flags, bytes.data(), bytes.size(), last ? 1 : 0);
    if (used < 0) return result_ = Result::kBroken;
    bytes = bytes.subspan(static_cast<size_t>(used));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) Take(field);
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      break;
    }
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && bytes.empty()) break;
  }
  return result_;
}

void HpackDecoder::Take(const nghttp2_nv& field) {
  if (result_ != Result::kOk) return;
  bytes_ += static_cast<uint32_t>(field.namelen + field.valuelen + 32);
  if (bytes_ > limits_.bytes_max || ++count_ > limits_.count_max) {
    result_ = Result::kTooLarge;
    return;
  }
  const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
  const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
  if (name.starts_with(':')) {
    TakePseudo(name, value);
  } else if (!out_->headers.Add(name, value)) {
    result_ = Result::kNoMemory;
  }
}

void HpackDecoder::TakePseudo(std::string_view name, std::string_view value) {
  std::string_view* const slot = name == ":method"      ? &out_->method
                                 : name == ":path"      ? &out_->path
                                 : name == ":authority" ? &out_->authority
                                 : name == ":scheme"    ? &out_->scheme
                                 : name == ":status"    ? &out_->status
                                 : name == ":protocol"  ? &out_->protocol
                                                        : nullptr;
  if (slot == nullptr || slot->data() != nullptr || out_->headers.size() > 0) {
    out_->malformed = true;
    return;
  }
  *slot = out_->headers.Keep(value);
  if (slot->data() == nullptr) result_ = Result::kNoMemory;
}

HpackEncoder::HpackEncoder(HpackMemory* memory) {
  CHECK(nghttp2_hd_deflate_new2(&deflater_, kTableBytes, memory->allocator()) == 0);
}

HpackEncoder::~HpackEncoder() { nghttp2_hd_deflate_del(deflater_); }

void HpackEncoder::SetTableSize(uint32_t bytes) {
  CHECK(nghttp2_hd_deflate_change_table_size(deflater_, std::min<size_t>(bytes, kTableBytes)) == 0);
}

bool HpackEncoder::Encode(std::span<const nghttp2_nv> fields, uint32_t reserve, BufferPool* pool,
                          Chain* out) {
  size_t room = reserve + nghttp2_hd_deflate_bound(deflater_, fields.data(), fields.size());
  absl::InlinedVector<Slice, 4> slices;
  absl::InlinedVector<nghttp2_vec, 4> pieces;
  uint32_t skip = reserve;
  while (room > 0) {
    const auto size = static_cast<uint32_t>(std::min<size_t>(room, pool->allocation_max()));
    Slice slice = pool->Allocate(size);
    if (slice.empty()) return false;
    pieces.push_back({.base = slice.mutable_data() + skip, .len = slice.size() - skip});
    slices.push_back(std::move(slice));
    skip = 0;
    room -= size;
  }
  const ssize_t written = nghttp2_hd_deflate_hd_vec(deflater_, pieces.data(), pieces.size(),
                                                    fields.data(), fields.size());
  CHECK(written >= 0);  // the bound was right, and HpackMemory never says no
  size_t left = static_cast<size_t>(written) + reserve;
  for (Slice& slice : slices) {
    const auto used = static_cast<uint32_t>(std::min<size_t>(left, slice.size()));
    slice.RemoveSuffix(slice.size() - used);
    left -= used;
    if (used > 0) out->Append(std::move(slice));
  }
  return true;
}

nghttp2_nv Field(std::string_view name, std::string_view value, http::Known known) {
  using http::Known;
  const bool varies = known == Known::kContentLength || known == Known::kDate ||
                      known == Known::kLocation || known == Known::kXRequestId ||
                      known == Known::kEnvoyUpstreamServiceTime ||
                      known == Known::kEnvoyOriginalPath || name == ":path" || name == "etag" ||
                      name == "grpc-timeout";
  // RFC 7541 7.1.3: short secrets are not compared with what an attacker sends.
  const bool secret =
      known == Known::kAuthorization || (known == Known::kCookie && value.size() < 20);
  nghttp2_nv nv;
  nv.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  nv.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  nv.namelen = name.size();
  nv.valuelen = value.size();
  nv.flags = varies || secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  return nv;
}

}  // namespace meltemi::http2
