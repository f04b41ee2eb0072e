// Writes HTTP/1.1 heads and chunk framing into pool memory. RFC 9112. Headers go out as the block
// has them, after hop-by-hop removal (http::RemoveHopByHop) by the caller; framing fields are
// written here.
#ifndef MELTEMI_L7_HTTP1_SERIALIZER_H_
#define MELTEMI_L7_HTTP1_SERIALIZER_H_

#include <cstdint>
#include <string_view>

#include "l7/base/slice.h"
#include "l7/http/header_block.h"
#include "l7/http/message.h"

namespace meltemi::http1 {

// What the head says about the connection and the body.
struct FramingOut {
  http::Framing framing = http::Framing::kNone;
  uint64_t content_length = 0;        // kLength
  bool announce_zero_length = false;  // kNone: write "content-length: 0"
  bool close = false;                 // write "connection: close"
  bool keep_alive = false;            // write "connection: keep-alive" (to an HTTP/1.0 client)
};

// Append to `out`. False when the pool is exhausted (`out` unchanged).
bool WriteRequestHead(std::string_view method, std::string_view path, std::string_view authority,
                      const http::HeaderBlock& headers, const FramingOut& framing, BufferPool* pool,
                      Chain* out);
bool WriteResponseHead(uint16_t status, std::string_view reason, const http::HeaderBlock& headers,
                       const FramingOut& framing, BufferPool* pool, Chain* out);
// "<hex>\r\n" body "\r\n"; an empty body writes nothing.
bool WriteChunk(Chain body, BufferPool* pool, Chain* out);
// "0\r\n" trailers "\r\n"; trailers as the decoder gives them.
bool WriteLastChunk(std::string_view trailers, BufferPool* pool, Chain* out);

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_SERIALIZER_H_
