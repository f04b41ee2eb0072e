#include "l7/http1/decoder.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/text.h"

namespace meltemi::http1 {
namespace {

class DecoderTest : public testing::Test {
 protected:
  void Give(std::string_view bytes) { ASSERT_TRUE(AppendCopy(&pool_, bytes, &in_)); }

  HeapBufferPool pool_{16 * 1024};
  Chain in_;
  RequestDecoder requests_{&pool_, HeadLimits{}};
  ResponseDecoder responses_{&pool_, HeadLimits{}};
};

TEST_F(DecoderTest, LeavesThePipelinedRequestInTheChain) {
  const std::string_view second = "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
  Give("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  Give(second);
  ASSERT_EQ(requests_.Next(&in_), Event::kHead);
  EXPECT_TRUE(requests_.in_body());
  EXPECT_EQ(requests_.head().path, "/1");
  ASSERT_EQ(requests_.Next(&in_), Event::kBody);
  EXPECT_EQ(requests_.TakeBody().ToString(), "hello");
  ASSERT_EQ(requests_.Next(&in_), Event::kEnd);
  EXPECT_TRUE(requests_.idle());
  EXPECT_EQ(in_.ToString(), second);
  ASSERT_EQ(requests_.Next(&in_), Event::kHead);
  EXPECT_EQ(requests_.head().path, "/2");
  ASSERT_EQ(requests_.Next(&in_), Event::kEnd);
  EXPECT_EQ(requests_.Next(&in_), Event::kNeedMore);
}

// Goal: views of a head live as long as the head, whatever the decoder does next. Method: heads of
// each size class, in one and in many slices, kept while the next ones are read. (asan is the
// judge)
TEST_F(DecoderTest, KeepsHeadsAliveWhileReadingOn) {
  std::vector<http::RequestHead> heads;
  for (const size_t filler : {10, 1000, 3000, 20'000, 50'000}) {
    for (const size_t piece : {size_t{100'000}, size_t{1460}, size_t{7}}) {
      const std::string bytes =
          Cat("GET /", filler, " HTTP/1.1\r\nHost: h\r\nX-Filler: ", std::string(filler, 'f'),
              "\r\nX-Last: ", piece, "\r\n\r\n");
      for (size_t at = 0; at < bytes.size(); at += piece) {
        Give(std::string_view(bytes).substr(at, piece));
        const Event event = requests_.Next(&in_);
        if (event == Event::kHead) break;
        ASSERT_EQ(event, Event::kNeedMore);
        ASSERT_FALSE(requests_.idle());
        ASSERT_TRUE(in_.empty());  // what is incomplete holds no packets
      }
      heads.push_back(requests_.TakeHead());
      ASSERT_EQ(requests_.Next(&in_), Event::kEnd);
      ASSERT_TRUE(in_.empty());
    }
  }
  size_t i = 0;
  for (const size_t filler : {10, 1000, 3000, 20'000, 50'000}) {
    for (const char* piece : {"100000", "1460", "7"}) {
      EXPECT_EQ(heads[i].path, Cat("/", filler));
      EXPECT_EQ(heads[i].headers.Get("x-filler"), std::string(filler, 'f'));
      EXPECT_EQ(heads[i].headers.Get("x-last"), piece);
      ++i;
    }
  }
}

TEST_F(DecoderTest, BoundsTheBytesOfAHead) {
  for (const int more : {-1, 0, 1}) {
    for (const size_t piece : {size_t{4000}, size_t{333}}) {
      const HeadLimits limits{.header_bytes_max = 2000};
      RequestDecoder decoder(&pool_, limits);
      std::string bytes = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
      bytes += std::string(limits.header_bytes_max + more - bytes.size() - 4, 'x') + "\r\n\r\n";
      ASSERT_EQ(bytes.size(), limits.header_bytes_max + more);
      Event event = Event::kNeedMore;
      Chain in;
      for (size_t at = 0; at < bytes.size() && event == Event::kNeedMore; at += piece) {
        ASSERT_TRUE(AppendCopy(&pool_, std::string_view(bytes).substr(at, piece), &in));
        event = decoder.Next(&in);
      }
      EXPECT_EQ(event, more <= 0 ? Event::kHead : Event::kError) << more << " " << piece;
      EXPECT_EQ(http::StatusOf(decoder.reject()), more > 0 ? 431 : 0);
    }
  }
}

TEST_F(DecoderTest, RefusesRubbishAtOnce) {
  for (const std::string_view bytes : {"\x16\x03\x01", "GET / HTTP/1.1\nHost: h\n\n", "GET /\r "}) {
    RequestDecoder decoder(&pool_, HeadLimits{});
    Chain in;
    ASSERT_TRUE(AppendCopy(&pool_, bytes, &in));
    EXPECT_EQ(decoder.Next(&in), Event::kError) << bytes;
    EXPECT_EQ(decoder.Next(&in), Event::kError) << bytes;  // for ever
  }
}

TEST_F(DecoderTest, SkipsEmptyLinesBeforeARequest) {
  Give("\r");
  EXPECT_EQ(requests_.Next(&in_), Event::kNeedMore);
  EXPECT_TRUE(requests_.idle());
  Give("\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(requests_.Next(&in_), Event::kHead);
}

TEST_F(DecoderTest, GivesBodyBytesBeforeTheErrorAfterThem) {
  Give("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n");
  ASSERT_EQ(requests_.Next(&in_), Event::kHead);
  ASSERT_EQ(requests_.Next(&in_), Event::kBody);
  EXPECT_EQ(requests_.TakeBody().ToString(), "ok");
  ASSERT_EQ(requests_.Next(&in_), Event::kError);
  EXPECT_EQ(requests_.reject(), http::Reject::kBadChunk);
}

TEST_F(DecoderTest, PassesTheBodyOnWithoutCopying) {
  Give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  Give("data");
  const uint8_t* const data = [&] {
    const ChainNode* node = in_.head();
    while (node->next != nullptr) node = node->next;
    return node->slice.data();
  }();
  ASSERT_EQ(requests_.Next(&in_), Event::kHead);
  ASSERT_EQ(requests_.Next(&in_), Event::kBody);
  EXPECT_EQ(requests_.TakeBody().front().data(), data);
}

TEST_F(DecoderTest, TellsWhenThePoolIsExhausted) {
  HeapBufferPool empty(2048, 0);
  RequestDecoder decoder(&empty, HeadLimits{});
  Give("GET / HT");
  EXPECT_EQ(decoder.Next(&in_), Event::kError);
  EXPECT_EQ(decoder.reject(), http::Reject::kNoMemory);
}

TEST_F(DecoderTest, GivesInterimResponsesThenTheFinalOne) {
  responses_.Expect("POST");
  Give(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  for (const int status : {100, 103}) {
    ASSERT_EQ(responses_.Next(&in_), Event::kHead);
    EXPECT_EQ(responses_.head().status, status);
    ASSERT_EQ(responses_.Next(&in_), Event::kEnd);
  }
  ASSERT_EQ(responses_.Next(&in_), Event::kHead);
  EXPECT_EQ(responses_.head().status, 200);
  ASSERT_EQ(responses_.Next(&in_), Event::kBody);
  EXPECT_EQ(responses_.TakeBody().ToString(), "ok");
  ASSERT_EQ(responses_.Next(&in_), Event::kEnd);
  EXPECT_TRUE(responses_.idle());
}

TEST_F(DecoderTest, EndsABodyAtCloseOnlyWhenItMay) {
  responses_.Expect("GET");
  EXPECT_FALSE(responses_.EndAtClose());  // nothing has come
  Give("HTTP/1.1 200 OK\r\n\r\nsome");
  ASSERT_EQ(responses_.Next(&in_), Event::kHead);
  EXPECT_FALSE(responses_.head().keep_alive);
  ASSERT_EQ(responses_.Next(&in_), Event::kBody);
  ASSERT_EQ(responses_.Next(&in_), Event::kNeedMore);
  EXPECT_TRUE(responses_.EndAtClose());
  ResponseDecoder cut(&pool_, HeadLimits{});
  cut.Expect("GET");
  Give("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome");
  ASSERT_EQ(cut.Next(&in_), Event::kHead);
  ASSERT_EQ(cut.Next(&in_), Event::kBody);
  EXPECT_FALSE(cut.EndAtClose());
}

TEST_F(DecoderTest, KnowsThatHeadHasNoBody) {
  responses_.Expect("HEAD");
  Give("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  ASSERT_EQ(responses_.Next(&in_), Event::kHead);
  EXPECT_EQ(responses_.head().headers.Get(http::Known::kContentLength), "100");
  ASSERT_EQ(responses_.Next(&in_), Event::kEnd);
}

}  // namespace
}  // namespace meltemi::http1
