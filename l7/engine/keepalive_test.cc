// Goal: connection_keepalive asks whether peers of HTTP/2 are there, and ends connections to those
// that are not. Method: nghttp2 (which answers PING) or hand-held bytes (which do not) on the other
// end, the engine's door, virtual time.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"
#include "l7/http2/testing/frames.h"

namespace meltemi::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPing[] = "mltalive";

class KeepaliveTest : public Http2Test {
 protected:
  // Without jitter, so that deadlines are exact (to a tick).
  static config::Http2Keepalive Settings() {
    return {.interval = Duration::Seconds(10), .timeout = Duration::Seconds(2), .jitter = 0};
  }
  void Watch() { manager().http2.keepalive = Settings(); }
  void WatchUpstream() {
    UseHttp2Upstream();
    cluster().http2->keepalive = Settings();
  }
  static Duration Tick() { return Duration::Millis(1); }
};

TEST_F(KeepaliveTest, WithoutItNobodyIsAsked) {
  End client = Client();
  Advance(Duration::Seconds(100));
  EXPECT_EQ(Take(client.id), "");
}

TEST_F(KeepaliveTest, WhoAnswersStaysAndIsAskedAgain) {
  Watch();
  End client = Client();
  for (int i = 0; i < 5; ++i) {
    Advance(Duration::Seconds(10) - Tick());
    EXPECT_EQ(Take(client.id), "") << i;
    Advance(Tick() * 2);
    const std::string asked = Take(client.id);
    EXPECT_THAT(asked, HasSubstr(kPing)) << i;
    ASSERT_TRUE(client.peer->Input(asked));
    Advance(Duration::Seconds(2) - Tick() * 4);
    Talk(client);  // its answer, just in time: the next interval begins now
  }
  EXPECT_FALSE(At(client.id).dead());
  EXPECT_EQ(Sample("envoy_http2_keepalive_timeout"), 0);
}

TEST_F(KeepaliveTest, AClientThatDoesNotAnswerIsLetGoWithItsRequests) {
  Watch();
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  const ConnId up = Connect();
  Advance(Duration::Seconds(10) + Tick());
  EXPECT_THAT(Take(client.id), HasSubstr(kPing));
  Advance(Duration::Seconds(2) - Tick() * 2);
  EXPECT_FALSE(At(client.id).dead());
  Advance(Tick() * 4);
  EXPECT_TRUE(At(client.id).aborted);
  EXPECT_TRUE(At(up).dead());
  EXPECT_EQ(Sample("envoy_http2_keepalive_timeout"), 1);
  EXPECT_EQ(engine().counters().http2_keepalive_timeout, 1u);
  EXPECT_EQ(LastRecord(), "0 DC downstream_local_disconnect(http2_ping_timeout)");
}

// Envoy: what comes says that the peer is there, and the answer may be stuck behind it.
TEST_F(KeepaliveTest, AnyFrameIsASignOfLife) {
  Watch();
  End client = Client();
  Advance(Duration::Seconds(10) + Tick());
  Take(client.id);
  Advance(Duration::Seconds(1));
  Send(client.id, http2::Frame(http2::frame_type::kWindowUpdate, 0, 0, std::string("\0\0\0\1", 4)));
  Advance(Duration::Seconds(1) + Tick());
  EXPECT_FALSE(At(client.id).dead());  // a timeout after the frame, no more
  Advance(Duration::Seconds(1) - Tick() * 3);
  EXPECT_FALSE(At(client.id).dead());
  Advance(Tick() * 6);
  EXPECT_TRUE(At(client.id).aborted);
}

TEST_F(KeepaliveTest, AServerThatDoesNotAnswerIsLeft) {
  WatchUpstream();
  const ConnId down = Accept();
  Send(down, Get());
  End server = Server();
  server.peer->Respond(1, {{":status", "200"}});
  Talk(server);
  EXPECT_EQ(StatusOf(Take(down)), 200);
  Advance(Duration::Seconds(10) + Tick());
  EXPECT_THAT(Take(server.id), HasSubstr(kPing));
  Send(down, Get());  // on the connection whose end is not known yet
  Advance(Duration::Seconds(2) + Tick());
  EXPECT_TRUE(At(server.id).aborted);
  EXPECT_EQ(Sample("envoy_cluster_http2_keepalive_timeout"), 1);
  EXPECT_EQ(Sample("envoy_http2_keepalive_timeout"), 0);
  // It was a connection at rest: the GET is repeated on a new one.
  End second = Server();
  second.peer->Respond(1, {{":status", "204"}});
  Talk(second);
  EXPECT_EQ(StatusOf(Take(down)), 204);
}

TEST_F(KeepaliveTest, ARequestUnderWayFailsWithItsConnection) {
  WatchUpstream();
  const ConnId down = Accept();
  Send(down, Get());
  End server = Server();
  Advance(Duration::Seconds(10) + Tick());
  Advance(Duration::Seconds(2) + Tick());
  EXPECT_TRUE(At(server.id).aborted);
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

// Goal: jitter lengthens the interval, by less than its share. Method: many connections; each PING
// is within [10 s, 15 s), and not all are at once.
TEST_F(KeepaliveTest, JitterSpreadsPings) {
  Watch();
  manager().http2.keepalive->jitter = 50;
  std::vector<End> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Client());
  Advance(Duration::Seconds(10) - Tick());
  for (End& client : clients) EXPECT_EQ(Take(client.id), "");
  Advance(Duration::Millis(2'500));
  size_t asked = 0;
  for (End& client : clients) asked += Take(client.id).empty() ? 0 : 1;
  EXPECT_GT(asked, 2u);
  EXPECT_LT(asked, 18u);
  Advance(Duration::Millis(2'510));
  for (End& client : clients) {
    asked += Take(client.id).find(kPing) == std::string::npos ? 0 : 1;
  }
  EXPECT_GE(asked, 20u);
}

TEST_F(KeepaliveTest, ASilentConnectionIsAskedBeforeAStream) {
  UseHttp2Upstream();
  cluster().http2->keepalive = config::Http2Keepalive{
      .timeout = Duration::Seconds(2), .jitter = 0, .connection_idle = Duration::Seconds(5)};
  const ConnId down = Accept();
  const auto ask = [&](End& server, int32_t stream) {
    server.peer->Respond(stream, {{":status", "200"}});
    Talk(server);
    EXPECT_EQ(StatusOf(Take(down)), 200);
  };
  Send(down, Get());
  End server = Server();
  ask(server, 1);
  Advance(Duration::Seconds(5));
  Send(down, Get());
  EXPECT_THAT(At(server.id).written, Not(HasSubstr(kPing)));  // not longer than that
  Talk(server);
  ask(server, 3);
  Advance(Duration::Seconds(5) + Tick());
  Send(down, Get());
  EXPECT_THAT(At(server.id).written, HasSubstr(kPing));
  Talk(server);
  ask(server, 5);
  Advance(Duration::Seconds(100));  // of itself it asks nothing
  EXPECT_EQ(Take(server.id), "");
  EXPECT_FALSE(At(server.id).dead());
}

}  // namespace
}  // namespace meltemi::engine
