// Parses the head of an HTTP/1 message, zero-copy: names are made lower case in place, everything else
// stays where it is. RFC 9112 2-5, strict: CR LF only, no folding, no space before the colon.
//
// Pure. The bytes must be a whole head, ending with the empty line (FindHeadEnd); they must live as
// long as the head's HeaderBlock, which the caller sees to with Pin.
#ifndef MELTEMI_L7_HTTP1_HEAD_PARSER_H_
#define MELTEMI_L7_HTTP1_HEAD_PARSER_H_

#include <cstdint>

#include "l7/http/message.h"
#include "l7/http/reject.h"

namespace meltemi::http1 {

struct HeadLimits {
  uint32_t header_bytes_max = 60 * 1024;
  uint32_t header_count_max = 100;
};

http::Reject ParseRequestHead(char* head, char* end, const HeadLimits& limits,
                              http::RequestHead* out);
http::Reject ParseResponseHead(char* head, char* end, const HeadLimits& limits,
                               http::ResponseHead* out);
// Field lines up to and including the empty line: also a chunked body's trailers (RFC 9112 7.1.2).
http::Reject ParseFields(char* p, char* end, const HeadLimits& limits, http::HeaderBlock* out);

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_HEAD_PARSER_H_
