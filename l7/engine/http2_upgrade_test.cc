// Goal: WebSocket over HTTP/2 (RFC 8441) reaches a server of HTTP/1.1 as an upgrade, and ends as it
// does there. Method: nghttp2 as the client, the engine's door, virtual time.
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

const Headers kWebSocket = {{":method", "CONNECT"}, {":protocol", "websocket"},
                            {":scheme", "http"},    {":authority", "backend"},
                            {":path", "/chat"},     {"sec-websocket-version", "13"}};
constexpr char kSwitching[] =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-accept: a\r\nsec-websocket-protocol: chat\r\n\r\n";

class Http2UpgradeTest : public Http2Test {
 protected:
  Http2UpgradeTest() {
    manager().upgrades = {{"websocket", true}};
    manager().http2.allow_connect = true;
  }
  // A tunnel; both sides have read what was said until then.
  void Open() {
    client_ = Client();
    stream_ = client_.peer->Open(kWebSocket);
    Talk(client_);
    up_ = Connect();
    Take(up_);
    Send(up_, kSwitching);
    Talk(client_);
  }
  Peer::Stream& stream() { return client_.peer->stream(stream_); }

  End client_;
  int32_t stream_ = 0;
  ConnId up_;
};

TEST_F(Http2UpgradeTest, BecomesATunnelOfHttp1) {
  client_ = Client();
  EXPECT_EQ(nghttp2_session_get_remote_settings(client_.peer->session(),
                                                NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
            1u);
  stream_ = client_.peer->Open(kWebSocket);
  client_.peer->Say(stream_, "early");
  Talk(client_);
  up_ = Connect();
  const std::string request = Take(up_);
  EXPECT_THAT(request, StartsWith("GET /chat HTTP/1.1\r\nhost: backend\r\n"));
  EXPECT_EQ(HeaderOf(request, "connection"), "upgrade");
  EXPECT_EQ(HeaderOf(request, "upgrade"), "websocket");
  EXPECT_EQ(HeaderOf(request, "sec-websocket-version"), "13");
  EXPECT_EQ(HeaderOf(request, "sec-websocket-key").size(), 24u);
  EXPECT_EQ(HeaderOf(request, "transfer-encoding"), "(none)");
  EXPECT_EQ(BodyOf(request), "");
  Send(up_, std::string(kSwitching) + "hello");
  Talk(client_);
  EXPECT_EQ(Take(up_), "early");
  EXPECT_EQ(StatusIn(stream().headers), "200");
  EXPECT_THAT(stream().headers, Contains(Pair("sec-websocket-protocol", "chat")));
  EXPECT_THAT(stream().headers, Not(Contains(Key("sec-websocket-accept"))));
  EXPECT_THAT(stream().headers, Not(Contains(Key("upgrade"))));
  EXPECT_EQ(stream().body, "hello");
  client_.peer->Say(stream_, "bye", Peer::Then::kEnd);
  Talk(client_);
  EXPECT_EQ(Take(up_), "bye");
  EXPECT_TRUE(At(up_).finished);
  Send(up_, "more");
  Talk(client_);
  EXPECT_EQ(stream().body, "hellomore");
  Eof(up_);
  Talk(client_);
  EXPECT_TRUE(stream().ended);
  EXPECT_FALSE(stream().reset);
  EXPECT_TRUE(At(up_).released);
  EXPECT_EQ(LastRecord(), "101 - via_upstream");
  EXPECT_EQ(engine().records().back().protocol, telemetry::Protocol::kHttp2);
  EXPECT_EQ(engine().records().back().bytes_received, 8u);
  EXPECT_EQ(engine().records().back().bytes_sent, 9u);
  EXPECT_FALSE(At(client_.id).dead());  // other streams go on
}

TEST_F(Http2UpgradeTest, TheServerMayEndFirst) {
  Open();
  Eof(up_);
  Talk(client_);
  EXPECT_TRUE(stream().ended);
  client_.peer->Say(stream_, "last", Peer::Then::kEnd);
  Talk(client_);
  EXPECT_EQ(Take(up_), "last");
  EXPECT_TRUE(At(up_).released);
}

TEST_F(Http2UpgradeTest, ResetsGoThrough) {
  Open();
  Closed(up_);
  Talk(client_);
  EXPECT_TRUE(stream().reset);
  EXPECT_EQ(LastRecord(), "101 UC upstream_reset_after_response_started{connection_termination}");
  Open();
  ASSERT_EQ(nghttp2_submit_rst_stream(client_.peer->session(), 0, stream_, NGHTTP2_CANCEL), 0);
  Talk(client_);
  EXPECT_TRUE(At(up_).aborted);
  EXPECT_EQ(LastRecord(), "101 DC downstream_remote_disconnect");
  Open();
  Closed(client_.id);
  EXPECT_TRUE(At(up_).aborted);
}

TEST_F(Http2UpgradeTest, BytesWaitForTheSlower) {
  Open();
  SendQueue(up_, false);
  const std::string much(300'000, 'x');
  client_.peer->Say(stream_, much);
  Talk(client_);
  EXPECT_EQ(Take(up_), "");
  SendQueue(up_, true);
  Talk(client_);
  EXPECT_EQ(Take(up_).size(), much.size());
}

TEST_F(Http2UpgradeTest, AnotherAnswerIsAResponse) {
  client_ = Client();
  stream_ = client_.peer->Open(kWebSocket);
  client_.peer->Say(stream_, "GET /admin HTTP/1.1\r\nhost: a\r\n\r\n");
  Talk(client_);
  up_ = Connect();
  Take(up_);
  Send(up_, Ok("no"));
  Talk(client_);
  EXPECT_EQ(StatusIn(stream().headers), "200");
  EXPECT_EQ(stream().body, "no");
  EXPECT_TRUE(stream().ended);
  EXPECT_EQ(Take(up_), "");
  EXPECT_EQ(engine().counters().requests, 1u);
  EXPECT_EQ(engine().counters().upgrades, 0u);
}

TEST_F(Http2UpgradeTest, IsRefusedWhereItIsNotAllowed) {
  manager().upgrades.clear();
  client_ = Client();
  stream_ = client_.peer->Open(kWebSocket);
  Talk(client_);
  EXPECT_EQ(StatusIn(stream().headers), "403");
  EXPECT_EQ(LastRecord(), "403 - upgrade_failed");
}

TEST_F(Http2UpgradeTest, MalformedOnesResetTheirStream) {
  const auto with = [](size_t at, const char* name, const char* value) {
    Headers headers = kWebSocket;
    headers[at] = {name, value};
    return headers;
  };
  client_ = Client();
  for (const Headers& headers : {with(0, ":method", "GET"), with(1, ":protocol", ""),
                                 with(1, ":protocol", "a, b"), with(5, "content-length", "5")}) {
    stream_ = client_.peer->Open(headers);
    Talk(client_);
    EXPECT_TRUE(stream().reset) << headers[1].second;
  }
  stream_ = client_.peer->Request(kWebSocket);  // with END_STREAM
  Talk(client_);
  EXPECT_TRUE(stream().reset);
}

// Without the setting, and without :protocol, no CONNECT is taken.
TEST_F(Http2UpgradeTest, ConnectIsRefused) {
  client_ = Client();
  stream_ = client_.peer->Open({{":method", "CONNECT"}, {":authority", "a:1"}});
  Talk(client_);
  EXPECT_TRUE(stream().reset);
  manager().http2.allow_connect = false;
  client_ = Client();
  stream_ = client_.peer->Open(kWebSocket);
  Talk(client_);
  EXPECT_TRUE(stream().reset);
}

}  // namespace
}  // namespace meltemi::engine
