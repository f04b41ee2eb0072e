// HeaderBlock: the headers of one message, version-free. Names are lower case. Names and values are
// views into memory the block keeps alive: slices of the received bytes (Pin), or its own arena (Add,
// Set copy into it). Order is the order of arrival; removing keeps it.
//
// Owns: pinned slices and arena slices. Must not know: how a message looks on the wire.
// Thread: the worker's. Bounds: kHttpHeaderCountMax lines on input (the parser's), arena by its pool:
// Add and Set return false when the pool is exhausted.
#ifndef MELTEMI_L7_HTTP_HEADER_BLOCK_H_
#define MELTEMI_L7_HTTP_HEADER_BLOCK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "l7/base/slice.h"
#include "l7/http/known_header.h"

namespace meltemi::http {

struct Header {
  std::string_view name;  // lower case
  std::string_view value;
  Known known = Known::kOther;
};

class HeaderBlock {
 public:
  explicit HeaderBlock(BufferPool* pool) : pool_(pool) {}
  HeaderBlock(HeaderBlock&&) = default;
  HeaderBlock& operator=(HeaderBlock&&) = default;

  // Keeps the memory of views given to AddView alive.
  void Pin(Slice slice) { pinned_.push_back(std::move(slice)); }
  void AddView(std::string_view lower_name, std::string_view value, Known known) {
    headers_.push_back({lower_name, value, known});
  }

  // Copies. `lower_name` must be lower case. False when the pool is exhausted.
  bool Add(std::string_view lower_name, std::string_view value);
  bool Add(Known known, std::string_view value) { return AddCopy(Name(known), value, known); }
  // Replaces all lines of that name by one.
  bool Set(std::string_view lower_name, std::string_view value);
  bool Set(Known known, std::string_view value);
  size_t Remove(std::string_view lower_name);  // returns how many lines went
  size_t Remove(Known known);
  // A copy of `text` that lives as long as the block; empty when the pool is exhausted.
  std::string_view Keep(std::string_view text);

  // The first line of that name; null view (data() == nullptr) when absent.
  std::string_view Get(Known known) const;
  std::string_view Get(std::string_view lower_name) const;
  bool Has(Known known) const { return Get(known).data() != nullptr; }
  size_t Count(Known known) const;
  // All lines joined by "," (RFC 9110 5.3); absent: nullopt.
  std::optional<std::string> Joined(std::string_view lower_name) const;

  const absl::InlinedVector<Header, 16>& headers() const { return headers_; }
  size_t size() const { return headers_.size(); }
  // name: value\r\n of all lines, in bytes.
  size_t wire_bytes() const;
  BufferPool* pool() const { return pool_; }
  void Clear();

 private:
  bool AddCopy(std::string_view lower_name, std::string_view value, Known known);

  BufferPool* pool_;
  absl::InlinedVector<Header, 16> headers_;
  absl::InlinedVector<Slice, 3> pinned_;
  Slice arena_;             // the block in use, also in pinned_
  uint32_t arena_used_ = 0;
};

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_HEADER_BLOCK_H_
