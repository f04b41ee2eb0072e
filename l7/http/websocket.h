// The one header of WebSocket's opening handshake (RFC 6455) that somebody between HTTP/1.1 and
// HTTP/2 has to make: the proof that a server has understood the client. Pure.
#ifndef MELTEMI_L7_HTTP_WEBSOCKET_H_
#define MELTEMI_L7_HTTP_WEBSOCKET_H_

#include <string>
#include <string_view>

namespace meltemi::http {

// Sec-WebSocket-Accept for a Sec-WebSocket-Key: RFC 6455 4.2.2, 5.4.
std::string WebSocketAccept(std::string_view key);

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_WEBSOCKET_H_
