#include "l7/http1/serializer.h"

#include <string>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"

namespace meltemi::http1 {
namespace {

TEST(Serializer, WritesARequestHead) {
  HeapBufferPool pool;
  http::HeaderBlock headers(&pool);
  ASSERT_TRUE(headers.Add("host", "replaced"));
  ASSERT_TRUE(headers.Add("x-a", ""));
  ASSERT_TRUE(headers.Add("content-length", "999"));
  ASSERT_TRUE(headers.Add("transfer-encoding", "chunked"));
  Chain out;
  ASSERT_TRUE(WriteRequestHead("POST", "/p?q", "h:80", headers,
                               {.framing = http::Framing::kLength, .content_length = 5}, &pool,
                               &out));
  EXPECT_EQ(out.ToString(),
            "POST /p?q HTTP/1.1\r\nhost: h:80\r\nx-a: \r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(out.slice_count(), 1u);
}

TEST(Serializer, WritesAResponseHead) {
  HeapBufferPool pool;
  http::HeaderBlock headers(&pool);
  ASSERT_TRUE(headers.Add("server", "meltemi"));
  Chain out;
  ASSERT_TRUE(
      WriteResponseHead(200, "OK", headers, {.framing = http::Framing::kChunked}, &pool, &out));
  EXPECT_EQ(out.ToString(),
            "HTTP/1.1 200 OK\r\nserver: meltemi\r\ntransfer-encoding: chunked\r\n\r\n");
  out.Clear();
  ASSERT_TRUE(WriteResponseHead(404, "", headers, {.announce_zero_length = true, .close = true},
                                &pool, &out));
  EXPECT_EQ(out.ToString(),
            "HTTP/1.1 404 \r\nserver: meltemi\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  out.Clear();
  ASSERT_TRUE(WriteResponseHead(200, "OK", headers,
                                {.framing = http::Framing::kUntilClose, .keep_alive = true}, &pool,
                                &out));
  EXPECT_EQ(out.ToString(), "HTTP/1.1 200 OK\r\nserver: meltemi\r\nconnection: keep-alive\r\n\r\n");
}

// Goal: a head larger than the pool's largest piece goes out whole.
TEST(Serializer, WritesAMonstrousHead) {
  HeapBufferPool pool;
  HeapBufferPool big(64 * 1024);
  http::HeaderBlock headers(&big);
  ASSERT_TRUE(headers.Add("x-big", std::string(10'000, 'b')));
  Chain out;
  ASSERT_TRUE(WriteResponseHead(200, "OK", headers, {}, &pool, &out));
  EXPECT_EQ(out.ToString(), "HTTP/1.1 200 OK\r\nx-big: " + std::string(10'000, 'b') + "\r\n\r\n");
  EXPECT_GT(out.slice_count(), 4u);
}

TEST(Serializer, FramesChunksAroundTheSameSlices) {
  HeapBufferPool pool;
  Chain body, out;
  ASSERT_TRUE(AppendCopy(&pool, std::string(20, 'a'), &body));
  ASSERT_TRUE(AppendCopy(&pool, "bcdefg", &body));
  const uint8_t* const data = body.front().data();
  ASSERT_TRUE(WriteChunk(std::move(body), &pool, &out));
  EXPECT_EQ(out.ToString(), "1a\r\n" + std::string(20, 'a') + "bcdefg\r\n");
  EXPECT_EQ(out.head()->next->slice.data(), data);
  out.Clear();
  ASSERT_TRUE(WriteChunk(Chain(), &pool, &out));  // an empty chunk would end the body
  EXPECT_TRUE(out.empty());
  ASSERT_TRUE(WriteLastChunk("", &pool, &out));
  ASSERT_TRUE(WriteLastChunk("a: b\r\n", &pool, &out));
  EXPECT_EQ(out.ToString(), "0\r\n\r\n0\r\na: b\r\n\r\n");
}

TEST(Serializer, LeavesTheChainAloneWhenThePoolIsExhausted) {
  HeapBufferPool pool(2048, 1), empty(2048, 0);
  http::HeaderBlock headers(&pool);
  Chain out, body;
  ASSERT_TRUE(AppendCopy(&pool, "x", &body));
  EXPECT_FALSE(WriteRequestHead("GET", "/", "h", headers, {}, &empty, &out));
  EXPECT_FALSE(WriteResponseHead(200, "OK", headers, {}, &empty, &out));
  EXPECT_FALSE(WriteChunk(std::move(body), &empty, &out));
  EXPECT_FALSE(WriteLastChunk("", &empty, &out));
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace meltemi::http1
