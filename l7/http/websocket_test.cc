// The proof of WebSocket's opening handshake.
#include "l7/http/websocket.h"

#include "gtest/gtest.h"

namespace meltemi::http {
namespace {

TEST(WebSocketAccept, IsWhatTheStandardSays) {  // RFC 6455 1.3
  EXPECT_EQ(WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

// Goal: a key of any size is one message of SHA-1, over the ends of its blocks. Method: sizes
// around 64 bytes with the 36 of the GUID; the values are Python's hashlib's.
TEST(WebSocketAccept, TakesKeysOfAnySize) {
  EXPECT_EQ(WebSocketAccept(""), "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
  EXPECT_EQ(WebSocketAccept(std::string(19, 'x')), "qQsxh2Nb/vsnD9od6HBiP6Igif0=");
  EXPECT_EQ(WebSocketAccept(std::string(20, 'x')), "7jD6MP55bPPoLSNhT1mD/AE8sjc=");
  EXPECT_EQ(WebSocketAccept(std::string(100, 'x')), "DJTE+uYDnPxiT+W6VvIG/iPUxv8=");
}

}  // namespace
}  // namespace meltemi::http
