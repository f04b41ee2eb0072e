// From a block of fields to a message, and back: RFC 9113 8.2, 8.3. What is malformed is refused
// here, as http::ValidateRequest does for HTTP/1; after it a message looks the same to the engine
// whichever way it came.
#ifndef MELTEMI_L7_HTTP2_MESSAGE_H_
#define MELTEMI_L7_HTTP2_MESSAGE_H_

#include <string_view>

#include "absl/container/inlined_vector.h"
#include "l7/http/message.h"
#include "l7/http/reject.h"
#include "l7/http2/hpack.h"

namespace meltemi::http2 {

// `ended`: the block came with END_STREAM. Framing is kLength when content-length is there, kNone
// when `ended`, else kChunked: "until the end of the stream".
//
// With `extended`, CONNECT is taken. With :protocol (RFC 8441) it becomes what HTTP/1.1 says for
// the same: a GET with Upgrade and without a body. What follows on the stream belongs to the
// protocol.
http::Reject MakeRequest(Fields&& fields, bool ended, bool extended, http::RequestHead* head);
http::Reject MakeResponse(Fields&& fields, std::string_view request_method, bool ended,
                          http::ResponseHead* head);
// Trailers: no pseudo-header fields (8.1).
http::Reject CheckTrailers(const Fields& fields);

using FieldList = absl::InlinedVector<nghttp2_nv, 32>;
// What goes on the wire. Hop-by-hop fields must be gone (http::RemoveHopByHop); texts are referred
// to. `scheme` is "http" or "https".
void ListRequest(std::string_view method, std::string_view scheme, std::string_view authority,
                 std::string_view path, const http::HeaderBlock& headers, FieldList* out);
// RFC 9113 8.5.
void ListConnect(std::string_view authority, const http::HeaderBlock& headers, FieldList* out);
// RFC 8441 4: what HTTP/1.1 says by Connection and Upgrade, which may be among `headers`.
void ListExtendedConnect(std::string_view protocol, std::string_view scheme,
                         std::string_view authority, std::string_view path,
                         const http::HeaderBlock& headers, FieldList* out);
void ListResponse(std::string_view status, const http::HeaderBlock& headers, FieldList* out);
void ListTrailers(const http::HeaderBlock& headers, FieldList* out);

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_MESSAGE_H_
