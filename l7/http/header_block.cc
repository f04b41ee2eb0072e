#include "l7/http/header_block.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace meltemi::http {
namespace {

constexpr size_t kArenaBytes = 2048;  // the pool's small piece

}  // namespace

uint8_t* HeaderBlock::Take(size_t bytes, size_t alignment) {
  size_t skip = -reinterpret_cast<uintptr_t>(arena_at_) & (alignment - 1);
  if (skip + bytes > arena_left_) {
    const size_t need = bytes + alignment - 1;
    if (need > pool_->allocation_max()) return nullptr;
    const size_t size = std::min<size_t>(std::max(kArenaBytes, need), pool_->allocation_max());
    Slice block = pool_->Allocate(static_cast<uint32_t>(size));
    if (block.empty()) return nullptr;
    arena_at_ = block.mutable_data();
    arena_left_ = block.size();
    pinned_.Append(std::move(block));
    skip = -reinterpret_cast<uintptr_t>(arena_at_) & (alignment - 1);
  }
  uint8_t* const at = arena_at_ + skip;
  arena_at_ += skip + bytes;
  arena_left_ -= static_cast<uint32_t>(skip + bytes);
  return at;
}

std::string_view HeaderBlock::Keep(std::string_view text) {
  if (text.empty()) return std::string_view("", 0);
  uint8_t* const at = Take(text.size(), 1);
  if (at == nullptr) return {};
  std::memcpy(at, text.data(), text.size());
  return {reinterpret_cast<const char*>(at), text.size()};
}

bool HeaderBlock::Append(const Header& header) {
  if (size_ == room_) {
    void* const memory = Take(sizeof(Chunk), alignof(Chunk));
    if (memory == nullptr) return false;
    auto* const chunk = ::new (memory) Chunk;
    (first_ == nullptr ? first_ : last_->next) = chunk;
    last_ = chunk;
    room_ += kChunk;
  }
  // Only after a removal that emptied chunks is the last one in use not last_.
  Chunk* chunk = last_;
  if (room_ - size_ > kChunk) {
    chunk = first_;
    for (uint32_t skip = size_ / kChunk; skip > 0; --skip) chunk = chunk->next;
  }
  ::new (&chunk->at[size_++ % kChunk]) Header(header);
  known_mask_ |= header.known == Known::kOther ? 0 : Bit(header.known);
  return true;
}

bool HeaderBlock::AddView(std::string_view lower_name, std::string_view value, Known known) {
  if (value.data() == nullptr) value = std::string_view("", 0);
  return Append({lower_name, value, known});
}

bool HeaderBlock::AddCopy(std::string_view lower_name, std::string_view value, Known known) {
  const std::string_view name = known == Known::kOther ? Keep(lower_name) : Name(known);
  const std::string_view kept = Keep(value);
  if (name.data() == nullptr || kept.data() == nullptr) return false;
  return Append({name, kept, known});
}

bool HeaderBlock::Add(std::string_view lower_name, std::string_view value) {
  return AddCopy(lower_name, value, FindKnown(lower_name));
}

template <typename Predicate>
size_t HeaderBlock::EraseIf(Predicate predicate) {
  Chunk* to = first_;
  uint32_t kept = 0;
  for (const Header& header : headers()) {
    if (predicate(header)) continue;
    Header& place = to->at[kept % kChunk];
    if (&place != &header) place = header;
    if (++kept % kChunk == 0) to = to->next;
  }
  const uint32_t erased = size_ - kept;
  size_ = kept;
  return erased;
}

template <typename Matches>
void HeaderBlock::Replace(Matches matches, const Header& header) {
  bool placed = false;
  Chunk* chunk = first_;
  for (uint32_t i = 0; i < size_; ++i) {
    Header& h = chunk->at[i % kChunk];
    if (i % kChunk == kChunk - 1) chunk = chunk->next;
    if (placed || !matches(h)) continue;
    h = header;
    placed = true;
  }
  const char* const mine = header.value.data();
  EraseIf([&](const Header& h) { return matches(h) && h.value.data() != mine; });
}

bool HeaderBlock::Set(std::string_view lower_name, std::string_view value) {
  const Known known = FindKnown(lower_name);
  if (known != Known::kOther) return Set(known, value);
  const std::string_view old = Get(lower_name);
  if (old.data() == nullptr) return AddCopy(lower_name, value, known);
  // Copies first: the arguments may view lines that go. A fresh, non-empty place also tells the new
  // line from the old ones.
  const std::string_view name = Keep(lower_name);
  uint8_t* const at = Take(value.size() + 1, 1);
  if (name.data() == nullptr || at == nullptr) return false;
  std::copy(value.begin(), value.end(), at);
  const std::string_view kept(reinterpret_cast<const char*>(at), value.size());
  Replace([name](const Header& h) { return h.name == name; }, {name, kept, known});
  return true;
}

bool HeaderBlock::Set(Known known, std::string_view value) {
  if (!Has(known)) return AddCopy(Name(known), value, known);
  uint8_t* const at = Take(value.size() + 1, 1);
  if (at == nullptr) return false;
  std::copy(value.begin(), value.end(), at);
  const std::string_view kept(reinterpret_cast<const char*>(at), value.size());
  Replace([known](const Header& h) { return h.known == known; }, {Name(known), kept, known});
  return true;
}

size_t HeaderBlock::Remove(Known known) {
  if (!Has(known)) return 0;
  known_mask_ &= ~Bit(known);
  return EraseIf([known](const Header& h) { return h.known == known; });
}

size_t HeaderBlock::Remove(std::string_view lower_name) {
  const Known known = FindKnown(lower_name);
  if (known != Known::kOther) return Remove(known);
  return EraseIf([lower_name](const Header& h) { return h.name == lower_name; });
}

std::string_view HeaderBlock::Get(Known known) const {
  if (!Has(known)) return {};
  for (const Header& h : headers()) {
    if (h.known == known) return h.value;
  }
  return {};
}

std::string_view HeaderBlock::Get(std::string_view lower_name) const {
  for (const Header& h : headers()) {
    if (h.name == lower_name) return h.value;
  }
  return {};
}

size_t HeaderBlock::Count(Known known) const {
  if (!Has(known)) return 0;
  size_t count = 0;
  for (const Header& h : headers()) count += h.known == known;
  return count;
}

std::optional<std::string> HeaderBlock::Joined(std::string_view lower_name) const {
  std::optional<std::string> joined;
  for (const Header& h : headers()) {
    if (h.name != lower_name) continue;
    if (joined) {
      joined->append(",").append(h.value);
    } else {
      joined.emplace(h.value);
    }
  }
  return joined;
}

size_t HeaderBlock::wire_bytes() const {
  size_t bytes = 0;
  for (const Header& h : headers()) bytes += h.name.size() + h.value.size() + 4;
  return bytes;
}

void HeaderBlock::Clear() {
  first_ = last_ = nullptr;
  size_ = room_ = 0;
  known_mask_ = 0;
  arena_at_ = nullptr;
  arena_left_ = 0;
  pinned_.Clear();
  pinned_heap_.reset();
}

void HeaderBlock::Swap(HeaderBlock& other) noexcept {
  std::swap(first_, other.first_);
  std::swap(last_, other.last_);
  std::swap(size_, other.size_);
  std::swap(room_, other.room_);
  std::swap(known_mask_, other.known_mask_);
  std::swap(arena_at_, other.arena_at_);
  std::swap(arena_left_, other.arena_left_);
  std::swap(pinned_, other.pinned_);
  std::swap(pinned_heap_, other.pinned_heap_);
}

}  // namespace meltemi::http
