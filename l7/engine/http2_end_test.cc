// Every way an HTTP/2 stream or connection can end, be refused, or be held back.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"
#include "l7/http2/hpack.h"
#include "l7/http2/testing/frames.h"

namespace meltemi::engine {
namespace {

using ::testing::Contains;
using ::testing::Pair;

using Http2EndTest = Http2Test;

TEST_F(Http2EndTest, ARefusedStreamIsTriedOnceMoreWithoutAPolicy) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kPost, "body");
  Talk(client);
  End server = Server();
  nghttp2_submit_rst_stream(server.peer->session(), 0, 1, NGHTTP2_REFUSED_STREAM);
  Talk(server);
  EXPECT_EQ(server.peer->stream(3).body, "body");
  server.peer->Respond(3, {{":status", "200"}});
  Talk(server);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(1).headers), "200");
  client.peer->Request(kGet);
  Talk(client);
  Talk(server);
  nghttp2_submit_rst_stream(server.peer->session(), 0, 5, NGHTTP2_REFUSED_STREAM);
  Talk(server);
  nghttp2_submit_rst_stream(server.peer->session(), 0, 7, NGHTTP2_REFUSED_STREAM);
  Talk(server);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(3).headers), "503");
  EXPECT_EQ(LastRecord(),
            "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}");
}

TEST_F(Http2EndTest, AGoawayMovesNewRequestsToANewConnection) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kGet);
  client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  nghttp2_submit_goaway(server.peer->session(), 0, 1, NGHTTP2_NO_ERROR, nullptr, 0);
  Talk(server);  // stream 3 was not processed: it goes to another connection
  End second = Server();
  EXPECT_EQ(StatusIn(second.peer->stream(1).headers), "GET");
  server.peer->Respond(1, {{":status", "200"}}, "one");
  Talk(server);
  second.peer->Respond(1, {{":status", "200"}}, "two");
  Talk(second);
  Talk(client);
  EXPECT_EQ(client.peer->stream(1).body, "one");
  EXPECT_EQ(client.peer->stream(3).body, "two");
  EXPECT_TRUE(At(server.id).released);
}

TEST_F(Http2EndTest, AResetOfTheServerIsA503OrAReset) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kGet);
  client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  nghttp2_submit_rst_stream(server.peer->session(), 0, 1, NGHTTP2_INTERNAL_ERROR);
  const nghttp2_nv ok = http2::Field(":status", "200", http::Known::kOther);
  nghttp2_submit_headers(server.peer->session(), 0, 3, nullptr, &ok, 1, nullptr);
  Talk(server);
  nghttp2_submit_rst_stream(server.peer->session(), 0, 3, NGHTTP2_INTERNAL_ERROR);
  Talk(server);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(1).headers), "503");
  EXPECT_EQ(StatusIn(client.peer->stream(3).headers), "200");
  EXPECT_TRUE(client.peer->stream(3).reset);
  EXPECT_EQ(LastRecord(), "200 UR upstream_reset_after_response_started{remote_reset}");
  EXPECT_EQ(engine().exchange_count(), 0u);
}

TEST_F(Http2EndTest, AResetOfTheClientEndsTheServersStreamOnly) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kGet);
  client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  nghttp2_submit_rst_stream(client.peer->session(), 0, 1, NGHTTP2_CANCEL);
  Talk(client);
  Talk(server);
  EXPECT_TRUE(server.peer->stream(1).reset);
  EXPECT_EQ(server.peer->stream(1).reset_code, uint32_t{NGHTTP2_CANCEL});
  EXPECT_EQ(LastRecord(), "0 DC downstream_remote_disconnect");
  server.peer->Respond(3, {{":status", "200"}}, "still here");
  Talk(server);
  Talk(client);
  EXPECT_EQ(client.peer->stream(3).body, "still here");
}

TEST_F(Http2EndTest, ALostServerFailsAllItsStreams) {
  UseHttp2Upstream();
  End client = Client();
  for (int i = 0; i < 3; ++i) client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  Closed(server.id);
  Talk(client);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(StatusIn(client.peer->stream(2 * i + 1).headers), "503");
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

TEST_F(Http2EndTest, AServerThatCannotBeReachedFailsAllWhoWait) {
  UseHttp2Upstream();
  End client = Client();
  for (int i = 0; i < 3; ++i) client.peer->Request(kGet);
  Talk(client);
  Refuse();
  Talk(client);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(StatusIn(client.peer->stream(2 * i + 1).headers), "503");
  EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_failure}");
  EXPECT_TRUE(connecting_.empty());
}

TEST_F(Http2EndTest, AConnectionThatIsFullGetsACompanion) {
  UseHttp2Upstream();
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  End server = Server({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}});
  client.peer->Request(kGet);
  Talk(client);
  End second = Server();
  EXPECT_EQ(StatusIn(second.peer->stream(1).headers), "GET");
  server.peer->Respond(1, {{":status", "200"}});
  second.peer->Respond(1, {{":status", "200"}});
  Talk(server);
  Talk(second);
  Talk(client);
  EXPECT_TRUE(client.peer->stream(1).ended && client.peer->stream(3).ended);
}

TEST_F(Http2EndTest, RepliesOfOurOwnAreStreamsToo) {
  host().routes[0].match.path_value = "/up";
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(1).headers), "404");
  EXPECT_TRUE(client.peer->stream(1).ended);
  EXPECT_EQ(LastRecord(), "404 NR route_not_found");
  cluster().endpoints.clear();
  auto next = MakeSnapshot(2, 0);
  Use(next.get());
  client.peer->Request(kPost, "body");
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(3).headers), "503");
  EXPECT_EQ(client.peer->stream(3).body, "no healthy upstream");
  EXPECT_TRUE(client.peer->stream(3).ended);
  snapshot_ = std::move(next);
}

TEST_F(Http2EndTest, AGrpcCallerGetsItsStatusForOurReplies) {
  snapshot_ = MakeSnapshot(1, 0);
  End client = Client();
  client.peer->Request(kGrpc, "m");
  Talk(client);
  const Headers& headers = client.peer->stream(1).headers;
  EXPECT_EQ(StatusIn(headers), "200");
  EXPECT_THAT(headers, Contains(Pair("content-type", "application/grpc")));
  EXPECT_THAT(headers, Contains(Pair("grpc-status", "14")));
  EXPECT_THAT(headers, Contains(Pair("grpc-message", "no healthy upstream")));
  EXPECT_TRUE(client.peer->stream(1).body.empty());
  EXPECT_EQ(LastRecord(), "200 UH no_healthy_upstream");
}

TEST_F(Http2EndTest, ASlowClientHoldsBackTheServer) {
  UseHttp2Upstream();
  End client = Client({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  const std::string big(1 << 20, 'x');
  server.peer->Respond(1, {{":status", "200"}}, big);
  Talk(server);
  const size_t left = server.peer->stream(1).sending.size();
  EXPECT_GT(left, big.size() - 300'000) << "the window of the server's stream stays shut";
  ASSERT_EQ(nghttp2_submit_window_update(client.peer->session(), 0, 1, 1 << 21), 0);
  ASSERT_EQ(nghttp2_submit_window_update(client.peer->session(), 0, 0, 1 << 21), 0);
  for (int i = 0; i < 100 && !client.peer->stream(1).ended; ++i) {
    Talk(client);
    Talk(server);
  }
  EXPECT_TRUE(client.peer->stream(1).body == big);
}

TEST_F(Http2EndTest, TcpThatIsFullHoldsBackTheServer) {
  End client = Client({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30}});
  nghttp2_submit_window_update(client.peer->session(), 0, 0, 1 << 30);
  client.peer->Request(kGet);
  Talk(client);
  const ConnId up = Connect();
  Take(up);
  SendQueue(client.id, false);
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n");
  for (int i = 0; i < 20; ++i) Send(up, std::string(50'000, 'x'));
  EXPECT_LT(At(up).consumed, 200'000u) << "what is not consumed keeps the window shut";
  EXPECT_LT(At(client.id).written.size(), 1000u);
  SendQueue(client.id, true);
  EXPECT_EQ(At(up).consumed, 1'000'045u);
  Closed(client.id);
}

TEST_F(Http2EndTest, TheFirstBytesDecide) {
  const ConnId down = Accept();
  const std::string hello = http2::Hello() + http2::Get(1);
  for (const char c : hello) Send(down, std::string(1, c));
  Take(Connect());
  EXPECT_EQ(engine().counters().http2_downstream, 1u);
  manager().codec = config::HttpCodec::kHttp1;
  const ConnId strict = Accept();
  Send(strict, hello);
  EXPECT_EQ(StatusOf(Take(strict)), 505);
  manager().codec = config::HttpCodec::kHttp2;
  const ConnId only = Accept();
  Send(only, Get());
  EXPECT_TRUE(At(only).released);
  EXPECT_EQ(engine().counters().http2_connection_errors, 1u);
}

TEST_F(Http2EndTest, AViolationEndsTheConnectionAndWhatWasUnderWay) {
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  const ConnId up = Connect();
  Send(client.id, http2::Frame(http2::frame_type::kPing, 0, 1, "12345678"));
  EXPECT_TRUE(At(client.id).released);
  EXPECT_TRUE(At(up).aborted);
  ASSERT_TRUE(client.peer->Input(Take(client.id)));
  EXPECT_TRUE(client.peer->goaway());
  EXPECT_EQ(client.peer->goaway_code(), uint32_t{NGHTTP2_PROTOCOL_ERROR});
  EXPECT_EQ(engine().counters().http2_connection_errors, 1u);
}

TEST_F(Http2EndTest, DrainingFinishesWhatIsUnderWay) {
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  const ConnId up = Connect();
  engine().Drain(now_);
  Run();
  Talk(client);
  EXPECT_TRUE(client.peer->goaway());
  EXPECT_FALSE(At(client.id).dead());
  Send(up, Ok("late"));
  Talk(client);
  EXPECT_EQ(client.peer->stream(1).body, "late");
  EXPECT_TRUE(At(client.id).released);
}

TEST_F(Http2EndTest, IdleConnectionsEnd) {
  manager().idle_timeout = Duration::Seconds(10);
  End client = Client();
  Advance(Duration::Seconds(11));
  Talk(client);
  EXPECT_TRUE(client.peer->goaway());
  Eof(client.id);  // as clients do
  EXPECT_TRUE(At(client.id).released);
  // One whose peer does not answer any more: after the patience for the GOAWAY.
  End silent = Client();
  Advance(Duration::Seconds(11));
  EXPECT_FALSE(At(silent.id).dead());
  Advance(Duration::Seconds(6));
  EXPECT_TRUE(At(silent.id).dead());
}

TEST_F(Http2EndTest, RequestsPerConnectionAreLimited) {
  UseHttp2Upstream();
  cluster().requests_per_connection_max = 2;
  End client = Client();
  for (int i = 0; i < 3; ++i) client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  End second = Server();
  EXPECT_EQ(StatusIn(second.peer->stream(1).headers), "GET");
  server.peer->Respond(1, {{":status", "200"}});
  server.peer->Respond(3, {{":status", "200"}});
  second.peer->Respond(1, {{":status", "200"}});
  Talk(server);
  Talk(second);
  Talk(client);
  EXPECT_TRUE(At(server.id).released);
  EXPECT_FALSE(At(second.id).dead());
  EXPECT_TRUE(client.peer->stream(5).ended);
}

TEST_F(Http2EndTest, ContinueIsSaidAndAHeadAnswerHasNoBody) {
  End client = Client();
  Headers post = kPost;
  post.emplace_back("expect", "100-continue");
  client.peer->Request(post, "body");
  Headers head = kGet;
  head[0].second = "HEAD";
  client.peer->Request(head);
  Talk(client);
  const ConnId first = Connect(), second = Connect();
  Talk(client);
  ASSERT_EQ(client.peer->stream(1).interim.size(), 1u);
  EXPECT_EQ(client.peer->stream(1).interim[0][0].second, "100");
  Send(first, Ok("x"));
  Send(second, "HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n");
  Talk(client);
  EXPECT_THAT(client.peer->stream(3).headers, Contains(Pair("content-length", "77")));
  EXPECT_TRUE(client.peer->stream(3).ended);
  EXPECT_TRUE(client.peer->stream(3).body.empty());
}

}  // namespace
}  // namespace meltemi::engine
