#include "l7/http/validate.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"

namespace meltemi::http {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

struct RequestRow {
  std::string name;
  std::string method = "GET", target = "/";
  Version version = Version::kHttp11;
  Lines lines = {{"host", "h"}};
  Reject reject = Reject::kNone;
  std::string path = "/", authority = "h";
  Framing framing = Framing::kNone;
  uint64_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;
  bool upgrade = false;
  bool connect = false;
  bool h2c = false;
};

const RequestRow kRequests[] = {
    {.name = "plain"},
    {.name = "query", .target = "/a?b", .path = "/a?b"},
    {.name = "no host", .lines = {}, .reject = Reject::kHostMissing},
    {.name = "no host in 1.0",
     .version = Version::kHttp10,
     .lines = {},
     .authority = "",
     .keep_alive = false},
    {.name = "two hosts",
     .lines = {{"host", "h"}, {"host", "h"}},
     .reject = Reject::kHostDuplicate},
    {.name = "empty host", .lines = {{"host", ""}}, .reject = Reject::kHostInvalid},
    {.name = "user", .lines = {{"host", "a@h"}}, .reject = Reject::kHostInvalid},
    {.name = "path in host", .lines = {{"host", "h/x"}}, .reject = Reject::kHostInvalid},
    {.name = "port", .lines = {{"host", "h:65535"}}, .authority = "h:65535"},
    {.name = "port too large", .lines = {{"host", "h:65536"}}, .reject = Reject::kHostInvalid},
    {.name = "port empty", .lines = {{"host", "h:"}}, .reject = Reject::kHostInvalid},
    {.name = "port signed", .lines = {{"host", "h:+1"}}, .reject = Reject::kHostInvalid},
    {.name = "ipv6", .lines = {{"host", "[fd00::1]:80"}}, .authority = "[fd00::1]:80"},
    {.name = "ipv6 open", .lines = {{"host", "[fd00::1"}}, .reject = Reject::kHostInvalid},
    {.name = "ipv6 bare", .lines = {{"host", "fd00::1"}}, .reject = Reject::kHostInvalid},
    {.name = "ipv6 then text", .lines = {{"host", "[fd00::1]x"}}, .reject = Reject::kHostInvalid},
    {.name = "absolute wins",
     .target = "http://other:1/p?q",
     .path = "/p?q",
     .authority = "other:1"},
    {.name = "absolute without path", .target = "HTTP://other", .authority = "other"},
    {.name = "absolute with query only",
     .target = "https://other?q",
     .path = "/?q",
     .authority = "other"},
    {.name = "absolute, bad host", .target = "http://a@b/", .reject = Reject::kBadTarget},
    {.name = "absolute still needs host",
     .target = "http://other/",
     .lines = {},
     .reject = Reject::kHostMissing},
    {.name = "other scheme", .target = "ftp://h/", .reject = Reject::kBadTarget},
    {.name = "no slash", .target = "x", .reject = Reject::kBadTarget},
    {.name = "fragment", .target = "/a#b", .reject = Reject::kBadTarget},
    {.name = "star", .method = "OPTIONS", .target = "*", .path = "*"},
    {.name = "star of a get", .target = "*", .reject = Reject::kBadTarget},
    {.name = "options absolute",
     .method = "OPTIONS",
     .target = "http://o",
     .path = "*",
     .authority = "o"},
    {.name = "connect",
     .method = "CONNECT",
     .target = "other:1",
     .path = "",
     .authority = "other:1",
     .upgrade = true,
     .connect = true},
    {.name = "connect to IPv6",
     .method = "CONNECT",
     .target = "[fd00::1]:443",
     .path = "",
     .authority = "[fd00::1]:443",
     .upgrade = true,
     .connect = true},
    {.name = "connect without port",
     .method = "CONNECT",
     .target = "h",
     .reject = Reject::kBadTarget},
    {.name = "connect to IPv6 without port",
     .method = "CONNECT",
     .target = "[fd00::1]",
     .reject = Reject::kBadTarget},
    {.name = "connect to port 0",
     .method = "CONNECT",
     .target = "h:00",
     .reject = Reject::kBadTarget},
    {.name = "connect to a path", .method = "CONNECT", .reject = Reject::kBadTarget},
    {.name = "connect to a URI",
     .method = "CONNECT",
     .target = "http://h:1/",
     .reject = Reject::kBadTarget},
    {.name = "connect without host",
     .method = "CONNECT",
     .target = "h:1",
     .lines = {},
     .reject = Reject::kHostMissing},
    {.name = "connect with a body",
     .method = "CONNECT",
     .target = "h:1",
     .lines = {{"host", "h:1"}, {"content-length", "1"}},
     .reject = Reject::kConnectWithBody},
    {.name = "connect with chunks",
     .method = "CONNECT",
     .target = "h:1",
     .lines = {{"host", "h:1"}, {"transfer-encoding", "chunked"}},
     .reject = Reject::kConnectWithBody},
    {.name = "connect in 1.0",
     .method = "CONNECT",
     .target = "h:1",
     .version = Version::kHttp10,
     .reject = Reject::kConnectRefused},
    {.name = "length",
     .lines = {{"host", "h"}, {"content-length", "5"}},
     .framing = Framing::kLength,
     .content_length = 5},
    {.name = "length 0", .lines = {{"host", "h"}, {"content-length", "0"}}},
    {.name = "length twice",
     .lines = {{"host", "h"}, {"content-length", "5"}, {"content-length", "5"}},
     .reject = Reject::kLengthDuplicate},
    {.name = "length list",
     .lines = {{"host", "h"}, {"content-length", "5, 5"}},
     .reject = Reject::kLengthInvalid},
    {.name = "length empty",
     .lines = {{"host", "h"}, {"content-length", ""}},
     .reject = Reject::kLengthInvalid},
    {.name = "length signed",
     .lines = {{"host", "h"}, {"content-length", "+5"}},
     .reject = Reject::kLengthInvalid},
    {.name = "length hex",
     .lines = {{"host", "h"}, {"content-length", "0x5"}},
     .reject = Reject::kLengthInvalid},
    {.name = "length of 19 digits",
     .lines = {{"host", "h"}, {"content-length", "9999999999999999999"}},
     .framing = Framing::kLength,
     .content_length = 9999999999999999999u},
    {.name = "length of 20 digits",
     .lines = {{"host", "h"}, {"content-length", "18446744073709551616"}},
     .reject = Reject::kLengthInvalid},
    {.name = "chunked",
     .lines = {{"host", "h"}, {"transfer-encoding", "Chunked"}},
     .framing = Framing::kChunked},
    {.name = "both",
     .lines = {{"host", "h"}, {"transfer-encoding", "chunked"}, {"content-length", "5"}},
     .reject = Reject::kLengthWithEncoding},
    {.name = "both, length 0",
     .lines = {{"host", "h"}, {"content-length", "0"}, {"transfer-encoding", "chunked"}},
     .reject = Reject::kLengthWithEncoding},
    {.name = "gzip",
     .lines = {{"host", "h"}, {"transfer-encoding", "gzip, chunked"}},
     .reject = Reject::kEncodingUnsupported},
    {.name = "identity",
     .lines = {{"host", "h"}, {"transfer-encoding", "identity"}},
     .reject = Reject::kEncodingUnsupported},
    {.name = "empty encoding",
     .lines = {{"host", "h"}, {"transfer-encoding", ""}},
     .reject = Reject::kEncodingUnsupported},
    {.name = "chunked twice",
     .lines = {{"host", "h"}, {"transfer-encoding", "chunked"}, {"transfer-encoding", "chunked"}},
     .reject = Reject::kEncodingUnsupported},
    {.name = "chunked in 1.0",
     .version = Version::kHttp10,
     .lines = {{"host", "h"}, {"transfer-encoding", "chunked"}},
     .reject = Reject::kEncodingInHttp10},
    {.name = "close", .lines = {{"host", "h"}, {"connection", "x, Close"}}, .keep_alive = false},
    {.name = "close wins",
     .lines = {{"host", "h"}, {"connection", "close"}, {"connection", "keep-alive"}},
     .keep_alive = false},
    {.name = "1.0 keeps alive when asked",
     .version = Version::kHttp10,
     .lines = {{"host", "h"}, {"connection", "Keep-Alive"}}},
    {.name = "websocket",
     .lines = {{"host", "h"}, {"connection", "upgrade"}, {"upgrade", "websocket"}},
     .upgrade = true},
    {.name = "websocket in 1.0",
     .version = Version::kHttp10,
     .lines = {{"host", "h"}, {"connection", "upgrade"}, {"upgrade", "websocket"}},
     .keep_alive = false},
    {.name = "h2c without settings is ignored",
     .lines = {{"host", "h"}, {"connection", "Upgrade, HTTP2-Settings"}, {"upgrade", "h2c"}}},
    {.name = "h2c",
     .lines = {{"host", "h"},
               {"connection", "Upgrade, HTTP2-Settings"},
               {"upgrade", "h2c"},
               {"http2-settings", ""}},
     .h2c = true},
    {.name = "h2c with two settings is ignored",
     .lines = {{"host", "h"},
               {"connection", "Upgrade, HTTP2-Settings"},
               {"upgrade", "h2c"},
               {"http2-settings", ""},
               {"http2-settings", ""}}},
    {.name = "h2c whose settings are not listed is ignored",
     .lines =
         {{"host", "h"}, {"connection", "Upgrade"}, {"upgrade", "h2c"}, {"http2-settings", ""}}},
    {.name = "h2c and another",
     .lines = {{"host", "h"},
               {"connection", "upgrade, http2-settings"},
               {"upgrade", "h2c, websocket"},
               {"http2-settings", ""}},
     .upgrade = true},
    {.name = "upgrade not listed", .lines = {{"host", "h"}, {"upgrade", "websocket"}}},
    {.name = "expect",
     .lines = {{"host", "h"}, {"expect", "100-Continue"}, {"content-length", "1"}},
     .framing = Framing::kLength,
     .content_length = 1,
     .expect_continue = true},
    {.name = "expect without body", .lines = {{"host", "h"}, {"expect", "100-continue"}}},
    {.name = "expect else",
     .lines = {{"host", "h"}, {"expect", "x"}},
     .reject = Reject::kExpectUnknown},
};

// Goal: every rule of RFC 9110/9112 that decides about a request, with its refusal. Method: table.
TEST(ValidateRequest, DecidesAsTheTableSays) {
  for (const RequestRow& row : kRequests) {
    SCOPED_TRACE(row.name);
    HeapBufferPool pool;
    RequestHead head(&pool);
    head.method = row.method;
    head.target = row.target;
    head.version = row.version;
    for (const auto& [name, value] : row.lines) ASSERT_TRUE(head.headers.Add(name, value));
    EXPECT_EQ(DetailsOf(ValidateRequest(&head)), DetailsOf(row.reject));
    if (row.reject != Reject::kNone) continue;
    EXPECT_EQ(head.path, row.path);
    EXPECT_EQ(head.authority, row.authority);
    EXPECT_EQ(head.framing, row.framing);
    EXPECT_EQ(head.content_length, row.content_length);
    EXPECT_EQ(head.keep_alive, row.keep_alive);
    EXPECT_EQ(head.expect_continue, row.expect_continue);
    EXPECT_EQ(head.upgrade, row.upgrade);
    EXPECT_EQ(head.connect, row.connect);
    EXPECT_EQ(head.h2c, row.h2c);
  }
}

struct ResponseRow {
  std::string name;
  uint16_t status = 200;
  std::string method = "GET";
  Lines lines;
  Reject reject = Reject::kNone;
  Framing framing = Framing::kNone;
  bool keep_alive = true;
  Version version = Version::kHttp11;
  Asked asked = Asked::kResponse;
};

const ResponseRow kResponses[] = {
    {.name = "length", .lines = {{"content-length", "5"}}, .framing = Framing::kLength},
    {.name = "length 0", .lines = {{"content-length", "0"}}},
    {.name = "chunked", .lines = {{"transfer-encoding", "chunked"}}, .framing = Framing::kChunked},
    {.name = "until close", .framing = Framing::kUntilClose, .keep_alive = false},
    {.name = "head", .method = "HEAD", .lines = {{"content-length", "5"}}},
    {.name = "head of nothing", .method = "HEAD"},
    {.name = "100", .status = 100},
    {.name = "101", .status = 101, .reject = Reject::kSwitchingRefused},
    {.name = "101 asked for",
     .status = 101,
     .lines = {{"connection", "Upgrade"}, {"upgrade", "websocket"}},
     .asked = Asked::kUpgrade},
    {.name = "101 to nothing",
     .status = 101,
     .lines = {{"connection", "upgrade"}},
     .reject = Reject::kSwitchingRefused,
     .asked = Asked::kUpgrade},
    {.name = "101 not listed",
     .status = 101,
     .lines = {{"upgrade", "websocket"}},
     .reject = Reject::kSwitchingRefused,
     .asked = Asked::kUpgrade},
    {.name = "101 to two",
     .status = 101,
     .lines = {{"connection", "upgrade"}, {"upgrade", "a"}, {"upgrade", "b"}},
     .reject = Reject::kSwitchingRefused,
     .asked = Asked::kUpgrade},
    {.name = "200 to connect",
     .lines = {{"content-length", "5"}, {"transfer-encoding", "chunked"}},
     .asked = Asked::kTunnel},
    {.name = "101 to connect",
     .status = 101,
     .lines = {{"connection", "Upgrade"}, {"upgrade", "websocket"}},
     .reject = Reject::kSwitchingRefused,
     .asked = Asked::kTunnel},
    {.name = "403 to connect",
     .status = 403,
     .lines = {{"content-length", "5"}},
     .framing = Framing::kLength,
     .asked = Asked::kTunnel},
    {.name = "204", .status = 204},
    {.name = "204 with a body announced",
     .status = 204,
     .lines = {{"content-length", "5"}},
     .keep_alive = false},
    {.name = "204 chunked",
     .status = 204,
     .lines = {{"transfer-encoding", "chunked"}},
     .keep_alive = false},
    {.name = "304", .status = 304, .lines = {{"content-length", "5"}}},
    {.name = "both",
     .lines = {{"content-length", "5"}, {"transfer-encoding", "chunked"}},
     .reject = Reject::kLengthWithEncoding},
    {.name = "two lengths",
     .lines = {{"content-length", "5"}, {"content-length", "6"}},
     .reject = Reject::kLengthDuplicate},
    {.name = "gzip",
     .lines = {{"transfer-encoding", "gzip"}},
     .reject = Reject::kEncodingUnsupported},
    {.name = "close",
     .lines = {{"content-length", "1"}, {"connection", "close"}},
     .framing = Framing::kLength,
     .keep_alive = false},
    {.name = "1.0",
     .lines = {{"content-length", "1"}},
     .framing = Framing::kLength,
     .keep_alive = false,
     .version = Version::kHttp10},
    {.name = "1.0 chunked",
     .lines = {{"transfer-encoding", "chunked"}},
     .reject = Reject::kEncodingInHttp10,
     .version = Version::kHttp10},
};

TEST(ValidateResponse, DecidesAsTheTableSays) {
  for (const ResponseRow& row : kResponses) {
    SCOPED_TRACE(row.name);
    HeapBufferPool pool;
    ResponseHead head(&pool);
    head.status = row.status;
    head.version = row.version;
    for (const auto& [name, value] : row.lines) ASSERT_TRUE(head.headers.Add(name, value));
    EXPECT_EQ(DetailsOf(ValidateResponse(row.method, row.asked, &head)), DetailsOf(row.reject));
    if (row.reject != Reject::kNone) continue;
    EXPECT_EQ(head.framing, row.framing);
    EXPECT_EQ(head.keep_alive, row.keep_alive);
  }
}

TEST(RemoveHopByHop, RemovesTheFixedOnesAndTheListed) {
  HeapBufferPool pool;
  HeaderBlock block(&pool);
  for (const auto& [name, value] : Lines{{"host", "h"},
                                         {"connection", "X-Private, close"},
                                         {"connection", "http2-settings,, Host, Content-Length"},
                                         {"x-private", "1"},
                                         {"http2-settings", "AAA"},
                                         {"keep-alive", "timeout=5"},
                                         {"proxy-connection", "x"},
                                         {"te", "trailers"},
                                         {"transfer-encoding", "chunked"},
                                         {"upgrade", "h2c"},
                                         {"content-length", "5"},
                                         {"close", "not hop by hop"},
                                         {"x-end", "2"}}) {
    ASSERT_TRUE(block.Add(name, value));
  }
  RemoveHopByHop(&block);
  std::string left;
  for (const Header& h : block.headers()) left += std::string(h.name) + " ";
  EXPECT_EQ(left, "host content-length close x-end ");
}

TEST(Reject, HasAStatusAndANameEach) {
  for (int i = 1; i < static_cast<int>(Reject::kCount); ++i) {
    EXPECT_GE(StatusOf(static_cast<Reject>(i)), 400);
    EXPECT_FALSE(DetailsOf(static_cast<Reject>(i)).empty());
  }
  EXPECT_EQ(StatusOf(Reject::kNone), 0);
}

}  // namespace
}  // namespace meltemi::http
