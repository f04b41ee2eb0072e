// Heads of messages, and how their bodies are delimited. Version-free.
#ifndef MELTEMI_L7_HTTP_MESSAGE_H_
#define MELTEMI_L7_HTTP_MESSAGE_H_

#include <cstdint>
#include <string_view>

#include "l7/base/slice.h"
#include "l7/http/header_block.h"

namespace meltemi::http {

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// How the end of a body is known (RFC 9112 6.3).
enum class Framing : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct RequestHead {
  explicit RequestHead(BufferPool* pool) : headers(pool) {}
  std::string_view method;     // views live as long as `headers`
  std::string_view target;     // as received: path with query, absolute URI or "*"
  std::string_view path;       // path with query; set by Validate
  std::string_view authority;  // set by Validate: absolute URI's, else Host's
  Version version = Version::kHttp11;
  HeaderBlock headers;
  Framing framing = Framing::kNone;  // set by Validate
  bool connect = false;              // set by Validate: it is CONNECT; `path` is empty
  bool h2c = false;                  // set by Validate: it offers HTTP/2 by Upgrade
  uint64_t content_length = 0;       // kLength
  bool keep_alive = true;            // set by Validate
  bool expect_continue = false;      // set by Validate
  bool upgrade = false;              // set by Validate: it asks for another protocol, or a tunnel
  uint32_t wire_bytes = 0;           // of the head as received
};

struct ResponseHead {
  explicit ResponseHead(BufferPool* pool) : headers(pool) {}
  uint16_t status = 0;
  std::string_view reason;
  Version version = Version::kHttp11;
  HeaderBlock headers;
  Framing framing = Framing::kNone;  // set by Validate
  uint64_t content_length = 0;
  bool keep_alive = true;
  uint32_t wire_bytes = 0;
};

// RFC 9110 15: a reason phrase for the statuses we write ourselves; "" when unknown.
std::string_view ReasonPhrase(uint16_t status);

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_MESSAGE_H_
