// HPACK (RFC 7541) by nghttp2's coder, whose memory is ours: HpackMemory keeps what is freed, so
// that nothing comes from the heap once a worker is warm. nghttp2's sessions are not used: they
// cost more than a whole request may (see README.md in this folder).
//
// Thread: the worker's. Bounds: the dynamic tables (4,096 bytes each way), HeaderLimits.
#ifndef MELTEMI_L7_HTTP2_HPACK_H_
#define MELTEMI_L7_HTTP2_HPACK_H_

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "l7/base/slice.h"
#include "l7/http/header_block.h"

namespace meltemi::http2 {

// Free lists by size behind nghttp2's allocator. One per worker, shared by its sessions.
class HpackMemory {
 public:
  HpackMemory();
  HpackMemory(const HpackMemory&) = delete;
  HpackMemory& operator=(const HpackMemory&) = delete;

  nghttp2_mem* allocator() { return &allocator_; }
  size_t heap_blocks() const { return blocks_.size() + large_; }  // taken from the heap so far

 private:
  static constexpr int kClasses = 9;  // 32 bytes to 8 KB
  struct Header {
    size_t size_class;
    Header* next;
  };
  void* Take(size_t bytes);
  void Give(void* memory);

  nghttp2_mem allocator_;
  std::array<Header*, kClasses> free_{};
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  size_t large_ = 0;
};

// One decoded block: pseudo-header fields apart from the others (RFC 9113 8.3).
struct Fields {
  explicit Fields(BufferPool* pool) : headers(pool) {}
  http::HeaderBlock headers;
  // Null views when absent; they live as long as `headers`.
  std::string_view method, scheme, authority, path, status, protocol;
  bool malformed = false;  // a pseudo-header field twice, unknown, or after a regular one
};

struct HeaderLimits {
  uint32_t bytes_max = 60 * 1024;  // of names, values and 32 for each (RFC 9113 10.5.1)
  uint32_t count_max = 100;
};

// Decodes header blocks in pieces, as frames bring them. What is over the limits is decoded all the
// same (the table must follow, RFC 9113 10.5.1) and thrown away.
class HpackDecoder {
 public:
  enum class Result : uint8_t {
    kOk,
    kTooLarge,  // bytes_max or count_max: the message is refused, the connection lives
    kNoMemory,  // the same
    kBroken,    // COMPRESSION_ERROR
  };
  explicit HpackDecoder(HpackMemory* memory);
  ~HpackDecoder();
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;

  // Begins a block; its fields are added to `out`, which must live until its end.
  void Begin(const HeaderLimits& limits, Fields* out);
  // `last`: the block ends with these bytes.
  Result Decode(std::span<const uint8_t> bytes, bool last);

 private:
  void Take(const nghttp2_nv& field);
  void TakePseudo(std::string_view name, std::string_view value);

  nghttp2_hd_inflater* inflater_ = nullptr;
  HeaderLimits limits_;
  Fields* out_ = nullptr;
  uint32_t bytes_ = 0, count_ = 0;
  Result result_ = Result::kOk;
};

class HpackEncoder {
 public:
  explicit HpackEncoder(HpackMemory* memory);
  ~HpackEncoder();
  HpackEncoder(const HpackEncoder&) = delete;
  HpackEncoder& operator=(const HpackEncoder&) = delete;

  // SETTINGS_HEADER_TABLE_SIZE of the peer.
  void SetTableSize(uint32_t bytes);
  // Appends the block of `fields`, with `reserve` bytes free before it in the first slice. False
  // when the pool is exhausted: nothing has been encoded.
  bool Encode(std::span<const nghttp2_nv> fields, uint32_t reserve, BufferPool* pool, Chain* out);

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

// A field for Encode, referring to the texts. Values that differ from message to message are not
// put into the table.
nghttp2_nv Field(std::string_view name, std::string_view value, http::Known known);

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_HPACK_H_
