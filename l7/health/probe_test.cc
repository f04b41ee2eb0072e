#include "l7/health/probe.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "l7/base/heap_buffer_pool.h"
#include "l7/http2/testing/peer.h"

namespace meltemi::health {
namespace {

using http2::Peer;

class ProbeTest : public ::testing::Test {
 protected:
  ~ProbeTest() override {
    probe_.reset();
    EXPECT_EQ(pool_.outstanding(), 0u);
  }
  std::optional<Result> Begin() {
    if (probe_ == nullptr) {
      probe_ = std::make_unique<Probe>(config_, Probe::Options{.authority = "backend-cluster"},
                                       &pool_, &memory_);
    }
    const auto result = probe_->Begin(now_);
    sent_ = probe_->TakeOutput().ToString();
    return result;
  }
  std::optional<Result> Answer(std::string_view text) {
    Chain in;
    EXPECT_TRUE(AppendCopy(&pool_, text, &in));
    const auto result = probe_->OnBytes(&in, now_);
    in.Clear();
    return result;
  }
  // Both ends talk until they have nothing to say.
  std::optional<Result> Talk(Peer& peer) {
    std::optional<Result> result;
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(peer.Input(sent_));
      const std::string theirs = peer.Output();
      if (theirs.empty() && sent_.empty()) break;
      if (const auto said = Answer(theirs)) result = said;
      sent_ = probe_->TakeOutput().ToString();
    }
    return result;
  }
  config::HttpHealthCheck& http() { return std::get<config::HttpHealthCheck>(config_.kind); }

  HeapBufferPool pool_;
  http2::HpackMemory memory_;
  Instant now_ = Instant::FromNanos(1);
  config::HealthCheck config_;
  std::unique_ptr<Probe> probe_;
  std::string sent_;
};

TEST_F(ProbeTest, HttpAsksAndReadsTheStatus) {
  http().path = "/healthz";
  EXPECT_EQ(Begin(), std::nullopt);
  EXPECT_EQ(sent_,
            "GET /healthz HTTP/1.1\r\nhost: backend-cluster\r\nuser-agent: Envoy/HC\r\n\r\n");
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no"), std::nullopt);
  EXPECT_EQ(Answer("k"), Result::kPass);
  EXPECT_TRUE(probe_->reusable());
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), Result::kFail);
  EXPECT_TRUE(probe_->reusable());
}

TEST_F(ProbeTest, HttpStatusesThatAreExpectedAndRetriable) {
  http().path = "/";
  http().host = "health.example";
  http().expected = {{200, 202}};
  http().retriable = {{500, 501}};
  const struct {
    int status;
    Result result;
  } rows[] = {{199 + 1, Result::kPass}, {201, Result::kPass},          {202, Result::kFail},
              {499, Result::kFail},     {500, Result::kFailRetriable}, {501, Result::kFail}};
  for (const auto& row : rows) {
    Begin();
    EXPECT_NE(sent_.find("host: health.example\r\n"), std::string::npos);
    EXPECT_EQ(Answer("HTTP/1.1 " + std::to_string(row.status) + " X\r\ncontent-length: 0\r\n\r\n"),
              row.result)
        << row.status;
  }
}

TEST_F(ProbeTest, HttpInterimResponsesAndDegraded) {
  http().path = "/";
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 103 Early Hints\r\n\r\n"), std::nullopt);
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\nx-envoy-degraded: 1\r\ncontent-length: 0\r\n\r\n"),
            Result::kPassDegraded);
}

TEST_F(ProbeTest, HttpConnectionThatClosesIsNotUsedAgain) {
  http().path = "/";
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            Result::kPass);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, HttpBodyUntilClose) {
  http().path = "/";
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\n\r\nfine"), std::nullopt);
  EXPECT_EQ(probe_->OnEof(), Result::kPass);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, HttpCutShortOrNonsense) {
  http().path = "/";
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1"), std::nullopt);
  EXPECT_EQ(probe_->OnEof(), Result::kNetwork);
  probe_.reset();
  Begin();
  EXPECT_EQ(Answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Result::kNetwork);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, BytesNobodyAskedForEndTheConnection) {
  http().path = "/";
  Begin();
  Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_TRUE(probe_->reusable());
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\n"), std::nullopt);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, ReuseCanBeSwitchedOff) {
  http().path = "/";
  config_.reuse_connection = false;
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Result::kPass);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, TcpWithoutPatternsIsAConnection) {
  config_.kind = config::TcpHealthCheck{};
  EXPECT_EQ(Begin(), Result::kPass);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(ProbeTest, TcpPatternsComeInOrderWithAnythingBetween) {
  config_.kind = config::TcpHealthCheck{.send = "PING\r\n", .receive = {"+PO", "NG"}};
  EXPECT_EQ(Begin(), std::nullopt);
  EXPECT_EQ(sent_, "PING\r\n");
  EXPECT_EQ(Answer("NG junk +"), std::nullopt);  // the second before the first does not count
  EXPECT_EQ(Answer("P"), std::nullopt);
  EXPECT_EQ(Answer("O..N"), std::nullopt);
  EXPECT_EQ(Answer("G"), Result::kPass);
  EXPECT_TRUE(probe_->reusable());
  Begin();
  EXPECT_EQ(Answer("nothing"), std::nullopt);
  EXPECT_EQ(probe_->OnEof(), Result::kNetwork);
}

TEST_F(ProbeTest, Http2AsksByStream) {
  http().path = "/healthz";
  http().http2 = true;
  Peer peer(Peer::Side::kServer);
  for (const int stream : {1, 3}) {
    Begin();
    EXPECT_EQ(Talk(peer), std::nullopt);
    const http2::Headers expected = {{":method", "GET"},
                                     {":scheme", "http"},
                                     {":authority", "backend-cluster"},
                                     {":path", "/healthz"},
                                     {"user-agent", "Envoy/HC"}};
    EXPECT_EQ(peer.stream(stream).headers, expected);
    peer.Respond(stream, {{":status", stream == 1 ? "200" : "404"}}, "body");
    EXPECT_EQ(Talk(peer), stream == 1 ? Result::kPass : Result::kFail);
    EXPECT_TRUE(probe_->reusable());
  }
}

class GrpcProbeTest : public ProbeTest {
 protected:
  GrpcProbeTest() { config_.kind = config::GrpcHealthCheck{.service_name = "shop"}; }
  static std::string Message(std::string_view body) {
    return std::string("\0\0\0\0", 4) + static_cast<char>(body.size()) + std::string(body);
  }
  std::optional<Result> Ask(const std::string& body, const std::string& status) {
    Begin();
    Talk(peer_);
    stream_ += 2;
    peer_.Respond(stream_, {{":status", "200"}, {"content-type", "application/grpc"}}, body,
                  {{"grpc-status", status}});
    return Talk(peer_);
  }
  Peer peer_{Peer::Side::kServer};
  int stream_ = -1;
};

TEST_F(GrpcProbeTest, AsksForTheService) {
  EXPECT_EQ(Ask(Message("\x08\x01"), "0"), Result::kPass);
  EXPECT_EQ(peer_.stream(1).body, std::string("\0\0\0\0\x06\x0a\x04shop", 11));
  EXPECT_TRUE(probe_->reusable());
  EXPECT_EQ(Ask(Message("\x08\x02"), "0"), Result::kFail);  // NOT_SERVING
  EXPECT_EQ(Ask(Message("\x08\x03"), "0"), Result::kFail);  // SERVICE_UNKNOWN
  EXPECT_EQ(Ask(Message("\x08\x01"), "14"), Result::kFail);
  EXPECT_EQ(Ask("", "12"), Result::kFail);  // UNIMPLEMENTED
  EXPECT_EQ(Ask(Message("\x08\x01"), "0"), Result::kPass);
}

TEST_F(GrpcProbeTest, TrailersOnlyAndOtherStatuses) {
  Begin();
  Talk(peer_);
  peer_.Respond(1, {{":status", "200"}, {"grpc-status", "0"}});
  EXPECT_EQ(Talk(peer_), Result::kFail);  // no message
  Begin();
  Talk(peer_);
  peer_.Respond(3, {{":status", "503"}});
  EXPECT_EQ(Talk(peer_), Result::kFail);
}

TEST_F(GrpcProbeTest, AResetStreamIsNoAnswer) {
  Begin();
  Talk(peer_);
  nghttp2_submit_rst_stream(peer_.session(), NGHTTP2_FLAG_NONE, 1, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(Talk(peer_), Result::kNetwork);
}

TEST_F(GrpcProbeTest, GoAwayLetsTheCheckEnd) {
  Begin();
  Talk(peer_);
  nghttp2_submit_goaway(peer_.session(), NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, nullptr, 0);
  EXPECT_EQ(Talk(peer_), std::nullopt);
  peer_.Respond(1, {{":status", "200"}}, Message("\x08\x01"), {{"grpc-status", "0"}});
  EXPECT_EQ(Talk(peer_), Result::kPass);
  EXPECT_FALSE(probe_->reusable());
}

TEST_F(GrpcProbeTest, APeerThatSpeaksSomethingElse) {
  Begin();
  EXPECT_EQ(Answer("HTTP/1.1 400 Bad Request\r\n\r\n"), Result::kNetwork);
  EXPECT_FALSE(probe_->reusable());
}

TEST(IsServing, ReadsOneMessageAndNothingElse) {
  const auto text = [](std::string_view s) { return std::string(s); };
  using namespace std::string_view_literals;
  EXPECT_TRUE(IsServing("\0\0\0\0\2\x08\x01"sv));
  EXPECT_TRUE(IsServing("\0\0\0\0\6\x12\2ab\x08\x01"sv));   // an unknown string first
  EXPECT_TRUE(IsServing("\0\0\0\0\4\x08\2\x08\1"sv));       // the last one counts
  EXPECT_FALSE(IsServing("\0\0\0\0\0"sv));                  // UNKNOWN
  EXPECT_FALSE(IsServing("\1\0\0\0\2\x08\x01"sv));          // compressed
  EXPECT_FALSE(IsServing("\0\0\0\0\3\x08\x01"sv));          // cut short
  EXPECT_FALSE(IsServing("\0\0\0\0\1\x08\x01"sv));          // too long
  EXPECT_FALSE(IsServing("\0\0\0\0\1\x08"sv));              // no value
  EXPECT_FALSE(IsServing("\0\0\0\0\3\x12\x7f\x08\x01"sv));  // a string beyond the end
  EXPECT_FALSE(IsServing(text("\0\0\0")));
  EXPECT_FALSE(IsServing(""));
}

}  // namespace
}  // namespace meltemi::health
