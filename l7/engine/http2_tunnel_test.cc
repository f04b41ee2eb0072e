// Goal: WebSocket and other upgrades reach servers of HTTP/2 as extended CONNECT (RFC 8441), from
// clients of either version. Method: nghttp2 as the server, the engine's door.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr char kAsk[] =
    "GET /chat HTTP/1.1\r\nHost: backend\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const std::vector<nghttp2_settings_entry> kTakes = {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};

class Http2TunnelTest : public Http2Test {
 protected:
  Http2TunnelTest() {
    UseHttp2Upstream();
    manager().upgrades = {{"websocket", true}};
    manager().http2.allow_connect = true;
  }
  // A tunnel of an HTTP/1.1 client.
  void Open() {
    down_ = Accept();
    Send(down_, kAsk);
    server_ = Server(kTakes);
    server_.peer->Answer(1, {{":status", "200"}});
    Talk(server_);
    Take(down_);
  }

  ConnId down_;
  End server_;
};

TEST_F(Http2TunnelTest, AClientOfHttp1HasItsProof) {
  down_ = Accept();
  Send(down_, kAsk);
  server_ = Server(kTakes);
  const Headers& asked = server_.peer->stream(1).headers;
  EXPECT_THAT(asked, Contains(Pair(":method", "CONNECT")));
  EXPECT_THAT(asked, Contains(Pair(":protocol", "websocket")));
  EXPECT_THAT(asked, Contains(Pair(":path", "/chat")));
  EXPECT_THAT(asked, Contains(Pair("sec-websocket-version", "13")));
  EXPECT_THAT(asked, Not(Contains(Key("upgrade"))));
  EXPECT_THAT(asked, Not(Contains(Key("connection"))));
  EXPECT_FALSE(server_.peer->stream(1).ended);
  Send(down_, "early");
  server_.peer->Answer(1, {{":status", "200"}, {"sec-websocket-protocol", "chat"}});
  Talk(server_);
  const std::string answer = Take(down_);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_EQ(HeaderOf(answer, "connection"), "upgrade");
  EXPECT_EQ(HeaderOf(answer, "upgrade"), "websocket");
  EXPECT_EQ(HeaderOf(answer, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(HeaderOf(answer, "sec-websocket-protocol"), "chat");
  EXPECT_EQ(server_.peer->stream(1).body, "early");
  server_.peer->Say(1, "hello");
  Talk(server_);
  EXPECT_EQ(Take(down_), "hello");
  Send(down_, "bye");
  Eof(down_);
  Talk(server_);
  EXPECT_EQ(server_.peer->stream(1).body, "earlybye");
  EXPECT_TRUE(server_.peer->stream(1).ended);
  server_.peer->Say(1, "last", Peer::Then::kEnd);
  Talk(server_);
  EXPECT_EQ(Take(down_), "last");
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
  EXPECT_EQ(engine().records().back().bytes_received, 8u);
  EXPECT_EQ(engine().records().back().bytes_sent, 9u);
  EXPECT_FALSE(At(server_.id).dead());  // the connection serves others
}

TEST_F(Http2TunnelTest, AClientOfHttp2IsPassedOn) {
  End client = Client();
  const int32_t id = client.peer->Open({{":method", "CONNECT"},
                                        {":protocol", "websocket"},
                                        {":scheme", "http"},
                                        {":authority", "backend"},
                                        {":path", "/chat"}});
  Talk(client);
  server_ = Server(kTakes);
  server_.peer->Answer(1, {{":status", "200"}});
  Talk(server_);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "200");
  EXPECT_THAT(client.peer->stream(id).headers, Not(Contains(Key("sec-websocket-accept"))));
  client.peer->Say(id, "up", Peer::Then::kEnd);
  Talk(client);
  Talk(server_);
  EXPECT_EQ(server_.peer->stream(1).body, "up");
  EXPECT_TRUE(server_.peer->stream(1).ended);
  server_.peer->Say(1, "down", Peer::Then::kEnd);
  Talk(server_);
  Talk(client);
  EXPECT_EQ(client.peer->stream(id).body, "down");
  EXPECT_TRUE(client.peer->stream(id).ended);
  EXPECT_FALSE(client.peer->stream(id).reset);
}

TEST_F(Http2TunnelTest, OtherProtocolsAreNamed) {
  manager().upgrades = {{"mine/1", true}};
  down_ = Accept();
  Send(down_, "GET / HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: mine/1\r\n\r\n");
  server_ = Server(kTakes);
  EXPECT_THAT(server_.peer->stream(1).headers, Contains(Pair(":protocol", "mine/1")));
  server_.peer->Answer(1, {{":status", "200"}});
  Talk(server_);
  const std::string answer = Take(down_);
  EXPECT_EQ(HeaderOf(answer, "upgrade"), "mine/1");
  EXPECT_EQ(HeaderOf(answer, "sec-websocket-accept"), "(none)");
}

// Goal: nobody is asked before its SETTINGS say that it may be. Method: a server whose SETTINGS
// come late, and ordinary requests meanwhile.
TEST_F(Http2TunnelTest, TheServersSettingsAreAwaited) {
  down_ = Accept();
  const ConnId plain = Accept();
  Send(down_, kAsk);
  Send(plain, Get("/plain"));
  server_ = {.id = Connect(), .peer = std::make_unique<Peer>(Peer::Side::kServer, kTakes)};
  ASSERT_TRUE(server_.peer->Input(Take(server_.id)));
  EXPECT_EQ(StatusIn(server_.peer->stream(1).headers), "GET");  // it does not wait for the other
  EXPECT_FALSE(server_.peer->stream(3).head);
  EXPECT_TRUE(connecting_.empty());
  const ConnId second = Accept();
  Send(second, kAsk);
  EXPECT_TRUE(connecting_.empty());
  Talk(server_);
  EXPECT_EQ(StatusIn(server_.peer->stream(3).headers), "CONNECT");
  EXPECT_EQ(StatusIn(server_.peer->stream(5).headers), "CONNECT");
  EXPECT_EQ(engine().counters().upstream_opened, 1u);
}

TEST_F(Http2TunnelTest, AServerThatTakesNoneIsNotAsked) {
  down_ = Accept();
  Send(down_, kAsk);
  server_ = Server();
  EXPECT_FALSE(server_.peer->stream(1).head);
  EXPECT_EQ(StatusOf(Take(down_)), 502);
  EXPECT_EQ(LastRecord(), "502 UPE upstream_takes_no_extended_connect");
  const ConnId again = Accept();  // known now
  Send(again, kAsk);
  EXPECT_EQ(StatusOf(Take(again)), 502);
  const ConnId plain = Accept();
  Send(plain, Get());
  Talk(server_);
  server_.peer->Respond(1, {{":status", "204"}});
  Talk(server_);
  EXPECT_EQ(StatusOf(Take(plain)), 204);
}

TEST_F(Http2TunnelTest, ARequestWithABodyCannotGo) {
  down_ = Accept();
  Send(down_,
       "POST / HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
       "Content-Length: 2\r\n\r\nxy");
  server_ = Server(kTakes);
  EXPECT_FALSE(server_.peer->stream(1).head);
  EXPECT_EQ(LastRecord(), "502 UPE upstream_takes_no_extended_connect");
}

TEST_F(Http2TunnelTest, AnotherAnswerIsAnOrdinaryResponse) {
  down_ = Accept();
  Send(down_, kAsk);
  server_ = Server(kTakes);
  server_.peer->Respond(1, {{":status", "403"}}, "no");
  Talk(server_);
  const std::string answer = Take(down_);
  EXPECT_EQ(StatusOf(answer), 403);
  EXPECT_THAT(answer, HasSubstr("no"));
  EXPECT_EQ(LastRecord(), "403 - via_upstream");
}

// Goal: what the client says last reaches a server that has ended before. Method: more than a
// window.
TEST_F(Http2TunnelTest, TheServerMayEndFirst) {
  Open();
  server_.peer->Say(1, "", Peer::Then::kEnd);
  Talk(server_);
  EXPECT_TRUE(At(down_).finished);
  const std::string last(100'000, 'x');
  Send(down_, last);
  Eof(down_);
  Talk(server_);
  EXPECT_EQ(server_.peer->stream(1).body.size(), last.size());
  EXPECT_TRUE(server_.peer->stream(1).ended);
  EXPECT_FALSE(server_.peer->stream(1).reset);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
}

TEST_F(Http2TunnelTest, AResetOfTheServerEndsTheTunnel) {
  Open();
  nghttp2_submit_rst_stream(server_.peer->session(), 0, 1, NGHTTP2_INTERNAL_ERROR);
  Talk(server_);
  EXPECT_TRUE(At(down_).aborted);
  EXPECT_EQ(LastRecord(), "101 UC upstream_reset_after_response_started{connection_termination}");
}

// It has said all and reads no more: nothing was lost for the client.
TEST_F(Http2TunnelTest, AResetAfterTheServersEndIsInOrder) {
  Open();
  server_.peer->Say(1, "all", Peer::Then::kEnd);
  Talk(server_);
  nghttp2_submit_rst_stream(server_.peer->session(), 0, 1, NGHTTP2_NO_ERROR);
  Talk(server_);
  EXPECT_EQ(Take(down_), "all");
  EXPECT_TRUE(At(down_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
}

TEST_F(Http2TunnelTest, TheConnectionsEndEndsTheTunnel) {
  Open();
  Closed(server_.id);
  EXPECT_TRUE(At(down_).aborted);
}

TEST_F(Http2TunnelTest, TheClientsResetIsTheStreams) {
  Open();
  Closed(down_);
  Talk(server_);
  EXPECT_TRUE(server_.peer->stream(1).reset);
  EXPECT_FALSE(At(server_.id).dead());
}

// Goal: a server that does not read holds its client back. Method: more than its window; the rest
// stays unconsumed until the window opens.
TEST_F(Http2TunnelTest, TheServersWindowHoldsTheClientBack) {
  Open();
  const std::string piece(16'384, 'x');
  for (int i = 0; i < 20; ++i) Send(down_, piece);
  const uint64_t consumed = At(down_).consumed;
  EXPECT_LT(consumed, 20 * piece.size());
  Talk(server_);  // nghttp2 gives windows back as it reads
  EXPECT_EQ(server_.peer->stream(1).body.size(), 20 * piece.size());
}

}  // namespace
}  // namespace meltemi::engine
