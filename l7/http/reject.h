// Why a message was refused: a name for the log (response_code_details), a status for the client
// and a counter. One table makes all three.
#ifndef MELTEMI_L7_HTTP_REJECT_H_
#define MELTEMI_L7_HTTP_REJECT_H_

#include <cstdint>
#include <string_view>

namespace meltemi::http {

// id, status to answer a request with, response_code_details
#define MELTEMI_HTTP_REJECTS(R)                                             \
  R(kBadRequestLine, 400, "http1.invalid_request_line")                     \
  R(kBadStatusLine, 502, "http1.invalid_status_line")                       \
  R(kBadMethod, 400, "http1.invalid_method")                                \
  R(kBadTarget, 400, "http1.invalid_url")                                   \
  R(kBadVersion, 505, "http1.unsupported_version")                          \
  R(kBadHeaderName, 400, "http1.invalid_header_name")                       \
  R(kBadHeaderValue, 400, "http1.invalid_characters")                       \
  R(kBareLineEnd, 400, "http1.bare_line_end")                               \
  R(kObsoleteFold, 400, "http1.obsolete_line_folding")                      \
  R(kHeadersTooLarge, 431, "request_headers_too_large")                     \
  R(kTooManyHeaders, 431, "http1.too_many_headers")                         \
  R(kHostMissing, 400, "missing_host_header")                               \
  R(kHostDuplicate, 400, "http1.duplicate_host")                            \
  R(kHostInvalid, 400, "http1.invalid_host")                                \
  R(kLengthInvalid, 400, "http1.invalid_content_length")                    \
  R(kLengthDuplicate, 400, "http1.duplicate_content_length")                \
  R(kLengthWithEncoding, 400, "http1.content_length_and_transfer_encoding") \
  R(kEncodingUnsupported, 501, "http1.invalid_transfer_encoding")           \
  R(kEncodingInHttp10, 400, "http1.transfer_encoding_in_http10")            \
  R(kConnectRefused, 405, "http1.connect_not_allowed")                      \
  R(kConnectWithBody, 400, "http1.body_disallowed")                         \
  R(kExpectUnknown, 417, "http1.unknown_expectation")                       \
  R(kBadChunk, 400, "http1.invalid_chunk")                                  \
  R(kBadChunkExtension, 400, "http1.invalid_chunk_extension")               \
  R(kChunkLineTooLong, 400, "http1.chunk_line_too_long")                    \
  R(kTrailersTooLarge, 431, "http1.trailers_too_large")                     \
  R(kBadTrailer, 400, "http1.invalid_trailer")                              \
  R(kSwitchingRefused, 502, "http1.unexpected_switching_protocols")         \
  R(kHttp2Field, 400, "http2.invalid.header.field")                         \
  R(kHttp2Messaging, 400, "http2.violation.of.messaging.rule")              \
  R(kHttp2Settings, 400, "http1.invalid_http2_settings")                    \
  R(kNoMemory, 503, "overload")

enum class Reject : uint8_t {
  kNone,
#define MELTEMI_REJECT_ENUM(id, status, details) id,
  MELTEMI_HTTP_REJECTS(MELTEMI_REJECT_ENUM)
#undef MELTEMI_REJECT_ENUM
      kCount,
};

uint16_t StatusOf(Reject reject);           // 0 for kNone
std::string_view DetailsOf(Reject reject);  // "" for kNone

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_REJECT_H_
