// Parses the head of an HTTP/1 message, zero-copy: names are made lower case in place, everything
// else stays where it is. RFC 9112 2-5, strict: CR LF only, no folding, no space before the colon.
//
// Lower-casing writes into the received bytes: nobody else may give them a meaning that depends on
// the case of a field name (a sender's retransmission queue that shares the buffer may well).
//
// Pure. The bytes must be a whole head, ending with the empty line (FindHeadEnd); they must live as
// long as the head's HeaderBlock, which the caller sees to with Pin.
#ifndef MELTEMI_L7_HTTP1_HEAD_PARSER_H_
#define MELTEMI_L7_HTTP1_HEAD_PARSER_H_

#include <cstdint>
#include <string_view>

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
struct FieldLine {
  std::string_view name;  // lower case; empty: this was the empty line that ends the fields
  std::string_view value;
};
// One field line at *p, which moves past it. Also of a chunked body's trailers (RFC 9112 7.1.2).
http::Reject ParseField(char** p, char* end, FieldLine* out);
// Field lines up to and including the empty line.
http::Reject ParseFields(char* p, char* end, const HeadLimits& limits, http::HeaderBlock* out);

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_HEAD_PARSER_H_
