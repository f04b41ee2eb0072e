// Session against nghttp2's own sessions, both ways round: messages, bodies, windows, endings.
#include "l7/http2/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/http2/testing/peer.h"

namespace meltemi::http2 {
namespace {

const Headers kGet = {
    {":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/x?y=1"}};
const Headers kPost = {
    {":method", "POST"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/up"}};

std::string Bytes(size_t n, uint8_t seed) {
  std::string out(n, ' ');
  Prng prng(seed);
  for (char& c : out) c = static_cast<char>(prng.Below(256));
  return out;
}

// What the events of one stream added up to.
struct Seen {
  std::string method, path, authority, body, reset_reason;
  std::map<std::string, std::string> headers, trailers;
  int status = 0;
  int interim = 0;
  bool ended = false, reset = false, space = false;
  bool by_peer = false;
  ErrorCode reset_code = ErrorCode::kNoError;
};

class SessionTest : public testing::Test {
 protected:
  void Start(Role role, SessionOptions options = {},
             std::vector<nghttp2_settings_entry> settings = {}) {
    options.role = role;
    session_.emplace(options, &memory_, &pool_);
    peer_.emplace(role == Role::kServer ? Peer::Side::kClient : Peer::Side::kServer,
                  std::move(settings));
  }
  void TearDown() override {
    session_.reset();
    in_.Clear();
    EXPECT_EQ(pool_.outstanding(), 0u);
  }

  static std::map<std::string, std::string> ToMap(const http::HeaderBlock& headers) {
    std::map<std::string, std::string> out;
    for (const http::Header& h : headers.headers()) out[std::string(h.name)] = h.value;
    return out;
  }

  void Take(Event event) {
    Seen& s = seen_[session_->stream()];
    if (event == Event::kRequest) {
      const http::RequestHead head = session_->TakeRequest();
      s.method = head.method;
      s.path = head.path;
      s.authority = head.authority;
      s.headers = ToMap(head.headers);
    } else if (event == Event::kResponse) {
      const http::ResponseHead head = session_->TakeResponse();
      if (head.status < 200) {
        ++s.interim;
      } else {
        s.status = head.status;
      }
      s.headers = ToMap(head.headers);
    } else if (event == Event::kBody) {
      const Chain body = session_->TakeBody();
      s.body += body.ToString();
      if (consume_) session_->Consumed(session_->stream(), body.size());
    } else if (event == Event::kEnd) {
      s.ended = true;
      if (const auto trailers = session_->TakeTrailers()) s.trailers = ToMap(*trailers);
    } else if (event == Event::kReset) {
      s.reset = true;
      s.reset_code = session_->reset_code();
      s.reset_reason = session_->reset_reason();
      s.by_peer = session_->reset_by_peer();
    } else if (event == Event::kSendSpace) {
      s.space = true;
    }
  }
  void Feed(std::string_view bytes) {
    // In pieces of every size: what comes out must not depend on them.
    while (!bytes.empty()) {
      const size_t n = std::min<size_t>(bytes.size(), 1 + prng_.Below(piece_max_));
      ASSERT_TRUE(AppendCopy(&pool_, bytes.substr(0, n), &in_));
      bytes.remove_prefix(n);
      Event event;
      while ((event = session_->Next(&in_, now_)) != Event::kNeedMore) {
        events_.push_back(event);
        Take(event);
        if (event == Event::kError) return in_.Clear();
      }
    }
  }
  // Until both have nothing more to say.
  void Exchange(size_t room = 1 << 20) {
    for (int i = 0; i < 100'000; ++i) {
      const std::string theirs = peer_->Output();
      Feed(theirs);
      const std::string ours = session_->TakeOutput(room).ToString();
      ASSERT_TRUE(peer_->Input(ours));
      if (theirs.empty() && ours.empty()) return;
    }
    FAIL() << "the two never stop talking";
  }
  void Respond(uint32_t id, uint16_t status, std::string_view body,
               std::vector<std::pair<std::string, std::string>> trailers = {}) {
    http::HeaderBlock headers(&pool_);
    ASSERT_TRUE(headers.Add("server", "meltemi"));
    ASSERT_TRUE(session_->SendResponse(id, status, headers, body.empty() && trailers.empty()));
    Chain chain;
    ASSERT_TRUE(AppendCopy(&pool_, body, &chain));
    session_->SendBody(id, std::move(chain));
    std::optional<http::HeaderBlock> block;
    if (!trailers.empty()) {
      block.emplace(&pool_);
      for (const auto& [name, value] : trailers) ASSERT_TRUE(block->Add(name, value));
    }
    session_->SendEnd(id, std::move(block));
  }

  HeapBufferPool pool_;
  HpackMemory memory_;
  std::optional<Session> session_;
  std::optional<Peer> peer_;
  Prng prng_{7};
  uint32_t piece_max_ = 5000;
  bool consume_ = true;
  Chain in_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::map<uint32_t, Seen> seen_;
  std::vector<Event> events_;
};

TEST_F(SessionTest, ServesARequestWithBodyAndTrailersBothWays) {
  piece_max_ = 3;
  Start(Role::kServer);
  Headers post = kPost;
  post.emplace_back("cookie", "a=1");
  post.emplace_back("cookie", "b=2");
  const std::string up = Bytes(70'000, 1);
  const int32_t id = peer_->Request(post, up, {{"x-sum", "abc"}});
  Exchange();
  const Seen& s = seen_[1];
  EXPECT_EQ(s.method, "POST");
  EXPECT_EQ(s.path, "/up");
  EXPECT_EQ(s.authority, "a.test");
  EXPECT_EQ(s.headers.at("cookie"), "a=1; b=2");
  EXPECT_TRUE(s.body == up);
  EXPECT_TRUE(s.ended);
  EXPECT_EQ(s.trailers.at("x-sum"), "abc");
  const std::string down = Bytes(300'000, 2);
  Respond(1, 200, down, {{"grpc-status", "0"}});
  Exchange();
  EXPECT_TRUE(peer_->stream(id).body == down);
  EXPECT_TRUE(peer_->stream(id).ended);
  EXPECT_THAT(peer_->stream(id).trailers, testing::ElementsAre(testing::Pair("grpc-status", "0")));
  EXPECT_EQ(session_->stream_count(), 0u);
}

TEST_F(SessionTest, AsksAServerAndTakesInterimAndFinalResponse) {
  Start(Role::kClient);
  Exchange();
  http::HeaderBlock headers(&pool_);
  ASSERT_TRUE(headers.Add("user-agent", "test"));
  const uint32_t id = session_->SendRequest({.method = "PUT",
                                             .scheme = "http",
                                             .authority = "b.test",
                                             .path = "/thing",
                                             .headers = &headers},
                                            now_);
  ASSERT_EQ(id, 1u);
  Chain body;
  ASSERT_TRUE(AppendCopy(&pool_, "hello", &body));
  EXPECT_TRUE(session_->SendBody(id, std::move(body)));
  session_->SendEnd(id, std::nullopt);
  Exchange();
  EXPECT_EQ(peer_->stream(1).body, "hello");
  EXPECT_THAT(peer_->stream(1).headers, testing::Contains(testing::Pair(":authority", "b.test")));
  const nghttp2_nv early = Field(":status", "103", http::Known::kOther);
  ASSERT_EQ(
      nghttp2_submit_headers(peer_->session(), NGHTTP2_FLAG_NONE, 1, nullptr, &early, 1, nullptr),
      0);
  peer_->Respond(1, {{":status", "201"}, {"x", "y"}}, "made");
  Exchange();
  EXPECT_EQ(seen_[1].interim, 1);
  EXPECT_EQ(seen_[1].status, 201);
  EXPECT_EQ(seen_[1].body, "made");
  EXPECT_TRUE(seen_[1].ended);
  EXPECT_EQ(session_->stream_count(), 0u);
}

TEST_F(SessionTest, TakesTurnsBetweenAHundredStreams) {
  Start(Role::kServer);
  for (int i = 0; i < 100; ++i) peer_->Request(kGet);
  Exchange();
  ASSERT_EQ(seen_.size(), 100u);
  for (const auto& [id, s] : seen_) Respond(id, 200, Bytes(40'000, static_cast<uint8_t>(id)));
  Exchange(10'000);
  for (const auto& [id, s] : seen_) {
    EXPECT_TRUE(peer_->stream(id).body == Bytes(40'000, static_cast<uint8_t>(id))) << id;
    EXPECT_TRUE(peer_->stream(id).ended);
  }
}

TEST_F(SessionTest, HoldsASenderBackUntilItsBytesAreConsumed) {
  SessionOptions options;
  options.initial_stream_window_size = 100'000;
  Start(Role::kServer, options);
  consume_ = false;
  peer_->Request(kPost, Bytes(250'000, 3));
  Exchange();
  EXPECT_EQ(seen_[1].body.size(), 100'000u);
  session_->Consumed(1, 100'000);
  Exchange();
  EXPECT_EQ(seen_[1].body.size(), 200'000u);
  session_->Consumed(1, 100'000);
  Exchange();
  EXPECT_EQ(seen_[1].body.size(), 250'000u);
  EXPECT_TRUE(seen_[1].ended);
}

TEST_F(SessionTest, SaysFullAndThenThatThereIsSpace) {
  Start(Role::kServer, {}, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}});
  peer_->Request(kGet);
  Exchange();
  http::HeaderBlock headers(&pool_);
  ASSERT_TRUE(session_->SendResponse(1, 200, headers, false));
  Chain body;
  ASSERT_TRUE(AppendCopy(&pool_, Bytes(65'537, 4), &body));
  EXPECT_FALSE(session_->SendBody(1, std::move(body)));
  session_->SendEnd(1, std::nullopt);
  Exchange();
  EXPECT_TRUE(seen_[1].space);
  EXPECT_EQ(peer_->stream(1).body.size(), 65'537u);
}

TEST_F(SessionTest, CutsALargeHeaderBlockIntoContinuations) {
  Start(Role::kClient);
  Exchange();
  http::HeaderBlock headers(&pool_);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(
        headers.Add("x-" + std::to_string(i), std::string(1500, static_cast<char>('a' + i % 26))));
  }
  ASSERT_EQ(session_->SendRequest({.method = "GET",
                                   .scheme = "http",
                                   .authority = "b.test",
                                   .path = "/",
                                   .headers = &headers,
                                   .end = true},
                                  now_),
            1u);
  Exchange();
  EXPECT_EQ(peer_->stream(1).headers.size(), 34u);
  EXPECT_TRUE(peer_->stream(1).ended);
}

TEST_F(SessionTest, AnswersHeadersThatAreTooLargeWith431AndGoesOn) {
  Start(Role::kServer);
  Headers large = kGet;
  for (int i = 0; i < 70; ++i) large.emplace_back("x-" + std::to_string(i), std::string(1000, 'v'));
  peer_->Request(large);
  Exchange();
  EXPECT_THAT(peer_->stream(1).headers, testing::Contains(testing::Pair(":status", "431")));
  EXPECT_EQ(seen_[1].reset_reason, "request_headers_too_large");
  peer_->Request(kGet);
  Exchange();
  EXPECT_TRUE(seen_[3].ended) << "the table must have followed the block that was thrown away";
}

TEST_F(SessionTest, LimitsHeaderCountExactly) {
  for (const int extra : {95, 96, 97}) {  // with four pseudo-header fields: 99, 100, 101
    SCOPED_TRACE(extra);
    seen_.clear();
    session_.reset();
    in_.Clear();
    Start(Role::kServer);
    Headers many = kGet;
    for (int i = 0; i < extra; ++i) many.emplace_back("x-" + std::to_string(i), "v");
    peer_->Request(many);
    Exchange();
    EXPECT_EQ(seen_[1].reset, extra == 97);
  }
}

TEST_F(SessionTest, LimitsConcurrentStreamsExactly) {
  SessionOptions options;
  options.max_concurrent_streams = 3;
  Start(Role::kServer, options);
  // nghttp2 obeys SETTINGS it has seen, so the streams come before them.
  for (int i = 0; i < 4; ++i) peer_->Request(kGet);
  Exchange();
  EXPECT_EQ(seen_.size(), 3u);
  EXPECT_TRUE(peer_->stream(7).reset);
  EXPECT_EQ(peer_->stream(7).reset_code, uint32_t{NGHTTP2_REFUSED_STREAM});
}

TEST_F(SessionTest, WaitsForThePeersConcurrencyLimit) {
  Start(Role::kClient, {}, {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}});
  Exchange();
  http::HeaderBlock headers(&pool_);
  const Session::RequestOut get{.method = "GET",
                                .scheme = "http",
                                .authority = "b",
                                .path = "/",
                                .headers = &headers,
                                .end = true};
  ASSERT_TRUE(session_->can_open());
  EXPECT_EQ(session_->SendRequest(get, now_), 1u);
  EXPECT_FALSE(session_->can_open());
  EXPECT_EQ(session_->SendRequest(get, now_), 0u);
  Exchange();
  peer_->Respond(1, {{":status", "204"}});
  Exchange();
  EXPECT_TRUE(session_->can_open());
}

TEST_F(SessionTest, ResetsTellBothSides) {
  Start(Role::kServer);
  peer_->Request(kPost, Bytes(10, 5));
  peer_->Request(kGet);
  Exchange();
  session_->Reset(1, ErrorCode::kCancel);
  ASSERT_EQ(nghttp2_submit_rst_stream(peer_->session(), NGHTTP2_FLAG_NONE, 3, NGHTTP2_CANCEL), 0);
  Exchange();
  EXPECT_TRUE(peer_->stream(1).reset);
  EXPECT_TRUE(seen_[3].reset);
  EXPECT_TRUE(seen_[3].by_peer);
  EXPECT_EQ(seen_[3].reset_code, ErrorCode::kCancel);
  EXPECT_EQ(session_->stream_count(), 0u);
}

TEST_F(SessionTest, DrainsInTwoStepsAndServesWhatCameBefore) {
  Start(Role::kServer);
  peer_->Request(kGet);
  Exchange();
  session_->BeginDrain();
  EXPECT_FALSE(session_->done());
  Exchange();
  EXPECT_TRUE(peer_->goaway());
  EXPECT_EQ(peer_->goaway_last(), 1);
  EXPECT_EQ(peer_->goaway_code(), 0u);
  Respond(1, 200, "late");
  Exchange();
  EXPECT_EQ(peer_->stream(1).body, "late");
  EXPECT_TRUE(session_->done());
}

TEST_F(SessionTest, StreamsAboveGoawayComeBackAsRefused) {
  Start(Role::kClient);
  Exchange();
  http::HeaderBlock headers(&pool_);
  const Session::RequestOut get{.method = "GET",
                                .scheme = "http",
                                .authority = "b",
                                .path = "/",
                                .headers = &headers,
                                .end = true};
  for (int i = 0; i < 3; ++i) ASSERT_NE(session_->SendRequest(get, now_), 0u);
  Exchange();
  ASSERT_EQ(
      nghttp2_submit_goaway(peer_->session(), NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, nullptr, 0),
      0);
  Exchange();
  EXPECT_THAT(events_, testing::Contains(Event::kGoAway));
  EXPECT_FALSE(seen_[1].reset);
  EXPECT_TRUE(seen_[3].reset && seen_[5].reset);
  EXPECT_EQ(seen_[5].reset_code, ErrorCode::kRefusedStream);
  EXPECT_FALSE(session_->can_open());
}

TEST_F(SessionTest, PoolsMemoryOfHeaderTables) {
  Start(Role::kServer);
  size_t blocks = 0;
  for (int round = 0; round < 50; ++round) {
    Headers get = kGet;
    get.emplace_back("x-request", std::to_string(round));
    const auto id = static_cast<uint32_t>(peer_->Request(get));
    Exchange();
    Respond(id, 200, "ok");
    Exchange();
    if (round == 40) blocks = memory_.heap_blocks();
  }
  EXPECT_EQ(memory_.heap_blocks(), blocks) << "a warm table needs nothing from the heap";
}

}  // namespace
}  // namespace meltemi::http2
