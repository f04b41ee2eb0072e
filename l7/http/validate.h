// The one place that decides whether a message may pass, and where its body ends: the defence
// against request smuggling (RFC 9112 6, 11.2; RFC 9110 5.5, 7.2). Stricter than the RFC where two
// readings exist: both framings at once, differing or list-valued lengths, folded lines and unknown
// transfer codings are refused, never repaired.
//
// Pure. Called by l7/http1's decoders (and later by HTTP/2's) on the worker's thread.
#ifndef MELTEMI_L7_HTTP_VALIDATE_H_
#define MELTEMI_L7_HTTP_VALIDATE_H_

#include <cstdint>
#include <string_view>

#include "l7/http/message.h"
#include "l7/http/reject.h"

namespace meltemi::http {

// Sets path, authority, framing, content_length, keep_alive, expect_continue, upgrade, connect,
// h2c.
Reject ValidateRequest(RequestHead* head);
// Sets framing, content_length, keep_alive. `request_method` decides about HEAD's missing body;
// 101 is taken only where the request has asked for another protocol, and it must name one; a 2xx
// to CONNECT (kTunnel) has no body, whatever it says (RFC 9110 9.3.6).
enum class Asked : uint8_t { kResponse, kUpgrade, kTunnel };
Reject ValidateResponse(std::string_view request_method, Asked asked, ResponseHead* head);

// Content-Length: at most one line with one valid value.
Reject ReadContentLength(const HeaderBlock& headers, bool* present, uint64_t* length);

// RFC 9110 7.6.1: Connection, what it lists, and the fixed hop-by-hop fields go. Framing fields
// stay out too: the serializer writes its own.
void RemoveHopByHop(HeaderBlock* headers);

// uri-host [":" port], RFC 3986 3.2.2 restricted to what a URI may hold; not empty.
bool ValidAuthority(std::string_view authority);
// Of a valid one: it says a port, which is not 0.
bool HasPort(std::string_view authority);
// One line of Upgrade that `connection` options list (RFC 9110 7.8); null view: none, or several.
std::string_view UpgradeOf(const HeaderBlock& headers);
// True when `list` (comma separated) has `token`, ASCII case ignored.
bool HasToken(std::string_view list, std::string_view lower_token);

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_VALIDATE_H_
