#include "l7/http1/head_parser.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/text.h"

namespace meltemi::http1 {
namespace {

using http::Reject;

std::string Fields(const http::HeaderBlock& block) {
  std::string text;
  for (const http::Header& h : block.headers()) AppendTo(&text, h.name, "=", h.value, ";");
  return text;
}

TEST(ParseRequestHead, GivesViewsIntoTheBytes) {
  HeapBufferPool pool;
  http::RequestHead head(&pool);
  std::string bytes =
      "POST /a/b?c=%20 HTTP/1.1\r\nHOST:example.com\r\nX-Mixed_Case: \t two  words\t \r\nempty:\r\n"
      "high: \xc3\xa9\r\n\r\n";
  ASSERT_EQ(ParseRequestHead(bytes.data(), bytes.data() + bytes.size(), {}, &head), Reject::kNone);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/a/b?c=%20");
  EXPECT_EQ(head.version, http::Version::kHttp11);
  EXPECT_EQ(head.wire_bytes, bytes.size());
  EXPECT_EQ(Fields(head.headers), "host=example.com;x-mixed_case=two  words;empty=;high=\xc3\xa9;");
  EXPECT_EQ(head.headers.Get(http::Known::kHost), "example.com");
  EXPECT_GE(head.target.data(), bytes.data());
  EXPECT_LT(head.target.data(), bytes.data() + bytes.size());
}

struct Row {
  std::string_view head;
  Reject reject;
};

using std::string_view_literals::operator""sv;

TEST(ParseRequestHead, RefusesByName) {
  const Row rows[] = {
      {"GET / HTTP/1.0\r\n\r\n", Reject::kNone},
      {"M!#$%&'*+-.^_`|~0 / HTTP/1.1\r\n\r\n", Reject::kNone},
      {" GET / HTTP/1.1\r\n\r\n", Reject::kBadMethod},
      {"G(T / HTTP/1.1\r\n\r\n", Reject::kBadMethod},
      {"GET\t/ HTTP/1.1\r\n\r\n", Reject::kBadMethod},
      {"GET  / HTTP/1.1\r\n\r\n", Reject::kBadTarget},
      {"GET /\r\n\r\n", Reject::kBadTarget},
      {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Reject::kBadTarget},
      {"GET /a\tb HTTP/1.1\r\n\r\n", Reject::kBadTarget},
      {"GET /a b HTTP/1.1\r\n\r\n", Reject::kBadRequestLine},
      {"GET / HTTP/1.1 \r\n\r\n", Reject::kBadRequestLine},
      {"GET /  HTTP/1.1\r\n\r\n", Reject::kBadRequestLine},
      {"GET / http/1.1\r\n\r\n", Reject::kBadRequestLine},
      {"GET / HTTP/1.2\r\n\r\n", Reject::kBadVersion},
      {"GET / HTTP/2.0\r\n\r\n", Reject::kBadVersion},
      {"PRI * HTTP/2.0\r\n\r\n", Reject::kBadVersion},
      {"GET / HTTP/1.1\n\r\n\r\n", Reject::kBareLineEnd},
      {"GET / HTTP/1.1\r\na b: c\r\n\r\n", Reject::kBadHeaderName},
      {"GET / HTTP/1.1\r\na : c\r\n\r\n", Reject::kBadHeaderName},
      {"GET / HTTP/1.1\r\n: c\r\n\r\n", Reject::kBadHeaderName},
      {"GET / HTTP/1.1\r\nabc\r\n\r\n", Reject::kBadHeaderName},
      {"GET / HTTP/1.1\r\na\0b: c\r\n\r\n"sv, Reject::kBadHeaderName},
      {"GET / HTTP/1.1\r\na: b\0c\r\n\r\n"sv, Reject::kBadHeaderValue},
      {"GET / HTTP/1.1\r\na: b\x7f\r\n\r\n", Reject::kBadHeaderValue},
      {"GET / HTTP/1.1\r\na: b\x0b\r\n\r\n", Reject::kBadHeaderValue},
      {"GET / HTTP/1.1\r\na: b\rc\r\n\r\n", Reject::kBareLineEnd},
      {"GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", Reject::kBareLineEnd},
      {"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", Reject::kObsoleteFold},
      {"GET / HTTP/1.1\r\n a: b\r\n\r\n", Reject::kObsoleteFold},
  };
  for (const Row& row : rows) {
    HeapBufferPool pool;
    http::RequestHead head(&pool);
    std::string bytes(row.head);
    EXPECT_EQ(
        http::DetailsOf(ParseRequestHead(bytes.data(), bytes.data() + bytes.size(), {}, &head)),
        http::DetailsOf(row.reject))
        << row.head;
  }
}

TEST(ParseResponseHead, ReadsTheStatusLine) {
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\n\r\n", Reject::kNone},
      {"HTTP/1.0 404 Not Found at all\r\n\r\n", Reject::kNone},
      {"HTTP/1.1 200 \r\n\r\n", Reject::kNone},
      {"HTTP/1.1 200\r\n\r\n", Reject::kNone},
      {"HTTP/1.1 2000 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/1.1 20 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/1.1 099 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/1.1 +20 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/1.1  200 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/2.0 200 OK\r\n\r\n", Reject::kBadStatusLine},
      {"ICY 200 OK\r\n\r\n", Reject::kBadStatusLine},
      {"HTTP/1.1 200 O\nK\r\n\r\n", Reject::kBareLineEnd},
      {"\r\n\r\n", Reject::kBadStatusLine},
  };
  for (const Row& row : rows) {
    HeapBufferPool pool;
    http::ResponseHead head(&pool);
    std::string bytes(row.head);
    EXPECT_EQ(
        http::DetailsOf(ParseResponseHead(bytes.data(), bytes.data() + bytes.size(), {}, &head)),
        http::DetailsOf(row.reject))
        << row.head;
  }
  HeapBufferPool pool;
  http::ResponseHead head(&pool);
  std::string bytes = "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n";
  ASSERT_EQ(ParseResponseHead(bytes.data(), bytes.data() + bytes.size(), {}, &head), Reject::kNone);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not Found");
  EXPECT_EQ(head.version, http::Version::kHttp10);
  EXPECT_EQ(Fields(head.headers), "server=x;");
}

TEST(ParseRequestHead, BoundsTheNumberOfFields) {
  for (const int count : {99, 100, 101}) {
    HeapBufferPool pool;
    http::RequestHead head(&pool);
    std::string bytes = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < count; ++i) AppendTo(&bytes, "x-", i, ": v\r\n");
    bytes += "\r\n";
    EXPECT_EQ(ParseRequestHead(bytes.data(), bytes.data() + bytes.size(), {}, &head),
              count <= 100 ? Reject::kNone : Reject::kTooManyHeaders)
        << count;
  }
}

TEST(ParseRequestHead, TellsWhenThePoolIsExhausted) {
  HeapBufferPool pool(2048, 0);
  http::RequestHead head(&pool);
  std::string bytes = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
  EXPECT_EQ(ParseRequestHead(bytes.data(), bytes.data() + bytes.size(), {}, &head),
            Reject::kNoMemory);
}

}  // namespace
}  // namespace meltemi::http1
