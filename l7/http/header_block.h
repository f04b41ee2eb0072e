// HeaderBlock: the headers of one message, version-free. Names are lower case. Names and values are
// views into memory the block keeps alive: slices of the received bytes (Pin), or its own arena
// (Add, Set and Keep copy into it). Order is the order of arrival; removing keeps it.
//
// Owns: pinned slices and the arena, in which the table of headers lies too: the first 16 headers
// and about 1.4 KB of text are one allocation from the pool, and nothing comes from the heap. Must
// not know: how a message looks on the wire. Thread: the worker's. Bounds: kHttpHeaderCountMax
// lines on input (the parser's), the arena by its pool: what adds returns false when the pool is
// exhausted (the block is then unchanged). A text longer than the pool's largest piece cannot be
// added.
#ifndef MELTEMI_L7_HTTP_HEADER_BLOCK_H_
#define MELTEMI_L7_HTTP_HEADER_BLOCK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "l7/base/slice.h"
#include "l7/http/known_header.h"

namespace meltemi::http {

struct Header {
  std::string_view name;  // lower case
  std::string_view value;
  Known known = Known::kOther;
};

class HeaderBlock {
 private:
  static constexpr uint32_t kChunk = 16;  // a power of two
  struct Chunk {
    Chunk() {}  // the headers are made as they come: to clear sixteen costs more than to parse six
    union {
      std::array<Header, kChunk> at;
    };
    Chunk* next = nullptr;
  };

 public:
  class Iterator {
   public:
    const Header& operator*() const { return chunk_->at[index_ % kChunk]; }
    const Header* operator->() const { return &**this; }
    Iterator& operator++() {
      if (++index_ % kChunk == 0) chunk_ = chunk_->next;
      return *this;
    }
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    friend class HeaderBlock;
    Iterator(const Chunk* chunk, uint32_t index) : chunk_(chunk), index_(index) {}
    const Chunk* chunk_;
    uint32_t index_;
  };
  struct Range {
    Iterator begin() const { return begin_; }
    Iterator end() const { return end_; }
    Iterator begin_, end_;
  };

  explicit HeaderBlock(BufferPool* pool) : pool_(pool) {}
  HeaderBlock(HeaderBlock&& other) noexcept : pool_(other.pool_) { Swap(other); }
  HeaderBlock& operator=(HeaderBlock&& other) noexcept {
    if (this != &other) {
      Clear();
      pool_ = other.pool_;
      Swap(other);
    }
    return *this;
  }

  // Keeps the memory of views given to AddView alive.
  void Pin(Slice slice) { pinned_.Append(std::move(slice)); }
  // The same for a head that was too large for the pool's pieces. At most one.
  void PinHeap(std::unique_ptr<char[]> bytes) { pinned_heap_ = std::move(bytes); }
  // `known` must be FindKnown(lower_name).
  bool AddView(std::string_view lower_name, std::string_view value, Known known);

  // Copies. `lower_name` must be lower case.
  bool Add(std::string_view lower_name, std::string_view value);
  bool Add(Known known, std::string_view value) { return AddCopy(Name(known), value, known); }
  // Replaces all lines of that name by one, which stands where the first one stood.
  bool Set(std::string_view lower_name, std::string_view value);
  bool Set(Known known, std::string_view value);
  size_t Remove(std::string_view lower_name);  // returns how many lines went
  size_t Remove(Known known);
  // A copy of `text` that lives as long as the block; null view when the pool is exhausted.
  std::string_view Keep(std::string_view text);

  // The first line of that name; null view (data() == nullptr) when absent.
  std::string_view Get(Known known) const;
  std::string_view Get(std::string_view lower_name) const;
  bool Has(Known known) const { return (known_mask_ & Bit(known)) != 0; }
  size_t Count(Known known) const;
  // All lines joined by "," (RFC 9110 5.3); absent: nullopt.
  std::optional<std::string> Joined(std::string_view lower_name) const;

  Range headers() const { return {{first_, 0}, {nullptr, size_}}; }
  size_t size() const { return size_; }
  // name: value\r\n of all lines, in bytes.
  size_t wire_bytes() const;
  BufferPool* pool() const { return pool_; }
  void Clear();

 private:
  static constexpr uint64_t Bit(Known known) { return uint64_t{1} << static_cast<int>(known); }
  bool AddCopy(std::string_view lower_name, std::string_view value, Known known);
  bool Append(const Header& header);
  // `bytes` of arena memory aligned to `alignment`; null when the pool is exhausted.
  uint8_t* Take(size_t bytes, size_t alignment);
  template <typename Predicate>
  size_t EraseIf(Predicate predicate);
  template <typename Matches>
  void Replace(Matches matches, const Header& header);
  void Swap(HeaderBlock& other) noexcept;

  BufferPool* pool_;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;  // of the list; chunks that removal has emptied stay in it
  uint32_t size_ = 0;
  uint32_t room_ = 0;        // headers that fit in the chunks there are
  uint64_t known_mask_ = 0;  // which Known are present
  uint8_t* arena_at_ = nullptr;
  uint32_t arena_left_ = 0;
  Chain pinned_;  // received bytes and arena blocks
  std::unique_ptr<char[]> pinned_heap_;
};

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_HEADER_BLOCK_H_
