#include "l7/http/header_block.h"

#include <algorithm>
#include <cstring>

namespace meltemi::http {
namespace {

constexpr uint32_t kArenaBytes = 1024;

template <typename Headers, typename Predicate>
size_t EraseIf(Headers& headers, Predicate predicate) {
  const auto end = std::remove_if(headers.begin(), headers.end(), predicate);
  const size_t erased = headers.end() - end;
  headers.erase(end, headers.end());
  return erased;
}

}  // namespace

std::string_view HeaderBlock::Keep(std::string_view text) {
  if (text.empty()) return std::string_view("", 0);
  if (arena_.size() - arena_used_ < text.size()) {
    const auto need = static_cast<uint32_t>(text.size());
    if (need > pool_->allocation_max()) return {};
    arena_ = pool_->Allocate(std::min(std::max(kArenaBytes, need), pool_->allocation_max()));
    arena_used_ = 0;
    if (arena_.empty()) return {};
    pinned_.push_back(arena_);
  }
  uint8_t* at = arena_.mutable_data() + arena_used_;
  std::memcpy(at, text.data(), text.size());
  arena_used_ += static_cast<uint32_t>(text.size());
  return {reinterpret_cast<const char*>(at), text.size()};
}

bool HeaderBlock::AddCopy(std::string_view lower_name, std::string_view value, Known known) {
  const std::string_view name = known == Known::kOther ? Keep(lower_name) : Name(known);
  const std::string_view kept = Keep(value);
  if (name.data() == nullptr || kept.data() == nullptr) return false;
  headers_.push_back({name, kept, known});
  return true;
}

bool HeaderBlock::Add(std::string_view lower_name, std::string_view value) {
  return AddCopy(lower_name, value, FindKnown(lower_name));
}

bool HeaderBlock::Set(std::string_view lower_name, std::string_view value) {
  const Known known = FindKnown(lower_name);
  if (known != Known::kOther) return Set(known, value);
  const std::string_view kept = Keep(value);
  if (kept.data() == nullptr) return false;
  const std::string_view name = Keep(lower_name);  // the argument may view a line we remove
  if (name.data() == nullptr) return false;
  Remove(name);
  headers_.push_back({name, kept, Known::kOther});
  return true;
}

bool HeaderBlock::Set(Known known, std::string_view value) {
  const std::string_view kept = Keep(value);
  if (kept.data() == nullptr) return false;
  bool placed = false;
  EraseIf(headers_, [&](Header& h) {
    if (h.known != known) return false;
    if (placed) return true;
    h.value = kept;
    placed = true;
    return false;
  });
  if (!placed) headers_.push_back({Name(known), kept, known});
  return true;
}

size_t HeaderBlock::Remove(Known known) {
  return EraseIf(headers_, [known](const Header& h) { return h.known == known; });
}

size_t HeaderBlock::Remove(std::string_view lower_name) {
  return EraseIf(headers_, [lower_name](const Header& h) { return h.name == lower_name; });
}

std::string_view HeaderBlock::Get(Known known) const {
  for (const Header& h : headers_) {
    if (h.known == known) return h.value.data() == nullptr ? std::string_view("") : h.value;
  }
  return {};
}

std::string_view HeaderBlock::Get(std::string_view lower_name) const {
  for (const Header& h : headers_) {
    if (h.name == lower_name) return h.value.data() == nullptr ? std::string_view("") : h.value;
  }
  return {};
}

size_t HeaderBlock::Count(Known known) const {
  return std::count_if(headers_.begin(), headers_.end(),
                       [known](const Header& h) { return h.known == known; });
}

std::optional<std::string> HeaderBlock::Joined(std::string_view lower_name) const {
  std::optional<std::string> joined;
  for (const Header& h : headers_) {
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
  for (const Header& h : headers_) bytes += h.name.size() + h.value.size() + 4;
  return bytes;
}

void HeaderBlock::Clear() {
  headers_.clear();
  pinned_.clear();
  arena_ = Slice();
  arena_used_ = 0;
}

}  // namespace meltemi::http
