#include "l7/http1/body_decoder.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::http1 {
namespace {

using http::Reject;
using Result = BodyDecoder::Result;

struct Row {
  std::string bytes;
  Result result;
  Reject reject = Reject::kNone;
  std::string body, rest, trailers;
};

// Goal: RFC 9112 7.1, each way to get it wrong. Method: table; every row whole and byte by byte.
TEST(BodyDecoder, ReadsChunksAsTheTableSays) {
  const std::string long_line(limits::kHttpChunkLineBytesMax, '0');
  const Row rows[] = {
      {"5\r\nhello\r\n0\r\n\r\nnext", Result::kDone, Reject::kNone, "hello", "next"},
      {"0\r\n\r\n", Result::kDone},
      {"000a\r\n0123456789\r\n0;x\r\n\r\n", Result::kDone, Reject::kNone, "0123456789"},
      {"A;a=b;c=\"d\\\"\";e\r\n0123456789\r\n0\r\n\r\n", Result::kDone, Reject::kNone,
       "0123456789"},
      {"0\r\nA: b \r\nC:\r\n\r\nrest", Result::kDone, Reject::kNone, "", "rest", "a: b \r\nc:\r\n"},
      {"5\r\nhel", Result::kMore, Reject::kNone, "hel"},
      {"5\r\nhello\r\n0\r\n", Result::kMore, Reject::kNone, "hello"},
      {"\r\n", Result::kError, Reject::kBadChunk},
      {"g\r\n", Result::kError, Reject::kBadChunk},
      {"-1\r\n", Result::kError, Reject::kBadChunk},
      {"0x1\r\n", Result::kError, Reject::kBadChunk},
      {"5 \r\n", Result::kError, Reject::kBadChunk},
      {" 5\r\n", Result::kError, Reject::kBadChunk},
      {"5\n", Result::kError, Reject::kBadChunk},
      {"5\rx", Result::kError, Reject::kBadChunk},
      {"10000000000000000\r\n", Result::kError, Reject::kBadChunk},
      {"1\r\nxy", Result::kError, Reject::kBadChunk, "x"},
      {"1\r\nx\n", Result::kError, Reject::kBadChunk, "x"},
      {"1\r\nx\ry", Result::kError, Reject::kBadChunk, "x"},
      {"1;\r\n", Result::kError, Reject::kBadChunkExtension},
      {"1;a=\r\n", Result::kError, Reject::kBadChunkExtension},
      {"1;a\n", Result::kError, Reject::kBadChunkExtension},
      {"1;a=\"\r\n", Result::kError, Reject::kBadChunkExtension},
      {"1;a=\"b\"c\r\n", Result::kError, Reject::kBadChunkExtension},
      {"1; a\r\n", Result::kError, Reject::kBadChunkExtension},
      {long_line.substr(1) + "1", Result::kMore},
      {long_line + "1\r\n", Result::kError, Reject::kChunkLineTooLong},
      {"0\r\nno colon\r\n\r\n", Result::kError, Reject::kBadHeaderName},
      {"0\r\na: b\r\n c\r\n\r\n", Result::kError, Reject::kObsoleteFold},
      {"0\r\na: b\n\r\n", Result::kError, Reject::kBareLineEnd},
      {std::string("0\r\na: \0\r\n\r\n", 10), Result::kError, Reject::kBadHeaderValue},
      {"0\r\nContent-Length: 1\r\n\r\n", Result::kError, Reject::kBadTrailer},
      {"0\r\nTRANSFER-ENCODING: x\r\n\r\n", Result::kError, Reject::kBadTrailer},
      {"0\r\nHost: x\r\n\r\n", Result::kError, Reject::kBadTrailer},
  };
  for (const Row& row : rows) {
    for (const size_t piece : {row.bytes.size(), size_t{1}}) {
      HeapBufferPool pool;
      BodyDecoder decoder;
      decoder.Begin(http::Framing::kChunked, 0);
      Chain in, out;
      Result result = Result::kMore;
      size_t at = 0;
      for (; at < row.bytes.size() && result == Result::kMore; at += piece) {
        ASSERT_TRUE(AppendCopy(&pool, std::string_view(row.bytes).substr(at, piece), &in));
        result = decoder.Decode(&in, &out);
      }
      EXPECT_EQ(result, row.result) << row.bytes;
      EXPECT_EQ(http::DetailsOf(decoder.reject()), http::DetailsOf(row.reject)) << row.bytes;
      EXPECT_EQ(out.ToString(), row.body) << row.bytes;
      if (row.result != Result::kDone) continue;
      const std::string unread = row.bytes.substr(std::min(at, row.bytes.size()));
      EXPECT_EQ(in.ToString() + unread, row.rest) << row.bytes;
      EXPECT_EQ(decoder.trailers(), row.trailers) << row.bytes;
    }
  }
}

TEST(BodyDecoder, BoundsTrailers) {
  for (const int more : {-1, 0, 1}) {
    std::string trailers = "x: ";
    trailers +=
        std::string(limits::kHttpTrailerBytesMax + more - trailers.size() - 4, 'v') + "\r\n\r\n";
    HeapBufferPool pool(16 * 1024);
    BodyDecoder decoder;
    decoder.Begin(http::Framing::kChunked, 0);
    Chain in, out;
    ASSERT_TRUE(AppendCopy(&pool, Cat("0\r\n", trailers), &in));
    EXPECT_EQ(decoder.Decode(&in, &out), more <= 0 ? Result::kDone : Result::kError) << more;
  }
}

TEST(BodyDecoder, CountsAContentLength) {
  HeapBufferPool pool;
  BodyDecoder decoder;
  decoder.Begin(http::Framing::kLength, 5);
  Chain in, out;
  ASSERT_TRUE(AppendCopy(&pool, "hel", &in));
  EXPECT_EQ(decoder.Decode(&in, &out), Result::kMore);
  ASSERT_TRUE(AppendCopy(&pool, "lonext", &in));
  EXPECT_EQ(decoder.Decode(&in, &out), Result::kDone);
  EXPECT_EQ(out.ToString(), "hello");
  EXPECT_EQ(in.ToString(), "next");
  EXPECT_FALSE(decoder.ends_at_close());
  decoder.Begin(http::Framing::kUntilClose, 0);
  EXPECT_EQ(decoder.Decode(&in, &out), Result::kMore);
  EXPECT_TRUE(decoder.ends_at_close());
  EXPECT_EQ(out.ToString(), "hellonext");
}

}  // namespace
}  // namespace meltemi::http1
