// Goal: CONNECT (RFC 9110 9.3.6) where the configuration allows it: ended here, its bytes going to
// a TCP server, or passed on to a proxy; from clients and to servers of both versions. Method: the
// engine's door, nghttp2 for HTTP/2.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr char kConnect[] = "CONNECT db.example:5432 HTTP/1.1\r\nHost: other\r\n\r\n";
const Headers kConnect2 = {{":method", "CONNECT"}, {":authority", "db.example:5432"}};

class ConnectTest : public Http2Test {
 protected:
  // A route for CONNECT before the one for everything.
  config::Forward& Allow() {
    config::Route route = ForwardRoute("tunnels", "");
    route.match.path = config::RouteMatch::Path::kConnect;
    host().routes.insert(host().routes.begin(), std::move(route));
    manager().http2.allow_connect = true;
    forward().upgrades = {{"connect", true}};
    return forward();
  }
  void EndHere() { Allow().ends_connect = true; }
};

TEST_F(ConnectTest, EndsHereAndItsBytesGoOn) {
  EndHere();
  const ConnId down = Accept();
  Send(down, std::string(kConnect) + "early");
  const ConnId up = TakeConnect();
  EXPECT_EQ(At(up).alpn, "");  // nobody knows what the client will speak
  EXPECT_EQ(Take(down), "");   // not before the connection stands
  engine().OnConnected(up, {.local = Address(3, 50'000)}, now_);
  Run();
  const std::string answer = Take(down);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(HeaderOf(answer, "content-length"), "(none)");
  EXPECT_EQ(HeaderOf(answer, "transfer-encoding"), "(none)");
  EXPECT_EQ(HeaderOf(answer, "connection"), "(none)");
  EXPECT_EQ(Take(up), "early");
  Send(up, "hello");
  EXPECT_EQ(Take(down), "hello");
  Send(down, "GET / HTTP/1.1\r\n\r\n");  // no request: bytes
  EXPECT_EQ(Take(up), "GET / HTTP/1.1\r\n\r\n");
  Eof(down);
  EXPECT_TRUE(At(up).finished);
  Send(up, "last");
  EXPECT_EQ(Take(down), "last");
  Eof(up);
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).released);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
  const telemetry::AccessRecord& record = engine().records().back();
  EXPECT_EQ(record.method.view(), "CONNECT");
  EXPECT_EQ(record.authority.view(), "db.example:5432");
  EXPECT_EQ(record.bytes_received, 5u + 18);
  EXPECT_EQ(record.bytes_sent, 9u);
  EXPECT_EQ(engine().counters().upgrades, 1u);
}

TEST_F(ConnectTest, OfAClientOfHttp2EndsHereToo) {
  EndHere();
  End client = Client();
  const int32_t id = client.peer->Open(kConnect2);
  Talk(client);
  const ConnId up = Connect();
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "200");
  EXPECT_FALSE(client.peer->stream(id).ended);
  client.peer->Say(id, "select 1");
  Talk(client);
  EXPECT_EQ(Take(up), "select 1");
  Send(up, "1");
  client.peer->Say(id, "", Peer::Then::kEnd);
  Talk(client);
  EXPECT_EQ(client.peer->stream(id).body, "1");
  EXPECT_TRUE(At(up).finished);
  Eof(up);
  Talk(client);
  EXPECT_TRUE(client.peer->stream(id).ended);
  EXPECT_FALSE(client.peer->stream(id).reset);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

// The server speaks first, or ends first; it has connections of its own.
TEST_F(ConnectTest, APooledConnectionIsNotUsed) {
  EndHere();
  const ConnId plain = Accept();
  Send(plain, Get());
  const ConnId first = Connect();
  Send(first, Ok(""));  // now at rest
  const ConnId down = Accept();
  Send(down, kConnect);
  const ConnId up = Connect();
  Take(down);
  Send(up, "220 ready");
  EXPECT_EQ(Take(down), "220 ready");
  Closed(up);
  EXPECT_TRUE(At(down).aborted);
  EXPECT_EQ(LastRecord(), "200 UC upstream_reset_after_response_started{connection_termination}");
}

TEST_F(ConnectTest, AConnectionAtRestMakesRoomForIt) {
  EndHere();
  cluster().breaker.connections_max = 1;
  const ConnId plain = Accept();
  Send(plain, Get());
  const ConnId first = Connect();
  Send(first, Ok(""));
  const ConnId down = Accept();
  Send(down, kConnect);
  EXPECT_TRUE(At(first).released);
  const ConnId up = Connect();
  EXPECT_EQ(StatusOf(Take(down)), 200);
  Take(plain);
  Send(plain, Get());  // waits for the tunnel's end
  EXPECT_TRUE(connecting_.empty());
  Closed(up);
  EXPECT_EQ(connecting_.size(), 1u);
}

TEST_F(ConnectTest, AnUpstreamThatIsNotThereIsA503) {
  EndHere();
  const ConnId down = Accept();
  Send(down, kConnect);
  Refuse();
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 UF upstream_reset_before_response_started{connection_failure}");
  EXPECT_TRUE(At(down).released);
}

TEST_F(ConnectTest, IsPassedOnToAProxy) {
  Allow();
  const ConnId down = Accept();
  Send(down, kConnect);
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_THAT(request, StartsWith("CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n"));
  EXPECT_EQ(HeaderOf(request, "connection"), "(none)");
  EXPECT_EQ(HeaderOf(request, "content-length"), "(none)");
  // What proxies say: some with a length, which does not count.
  Send(up, "HTTP/1.1 200 Connection established\r\ncontent-length: 3\r\nvia: p\r\n\r\nhello");
  const std::string answer = Take(down);
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_EQ(HeaderOf(answer, "content-length"), "(none)");
  EXPECT_EQ(HeaderOf(answer, "via"), "p");
  EXPECT_EQ(BodyOf(answer), "hello");
  Send(down, "bytes");
  EXPECT_EQ(Take(up), "bytes");
  Eof(down);
  Eof(up);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

TEST_F(ConnectTest, AProxysRefusalIsAnOrdinaryResponse) {
  Allow();
  const ConnId down = Accept();
  Send(down, kConnect);
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno");
  const std::string answer = Take(down);
  EXPECT_EQ(StatusOf(answer), 407);
  EXPECT_EQ(BodyOf(answer), "no");
  EXPECT_TRUE(At(down).released);  // what follows may be meant for the tunnel
  EXPECT_EQ(LastRecord(), "407 - via_upstream");
}

TEST_F(ConnectTest, IsPassedOnToAProxyOfHttp2) {
  Allow();
  UseHttp2Upstream();
  const ConnId down = Accept();
  Send(down, std::string(kConnect) + "early");
  End server = Server();
  const Headers& asked = server.peer->stream(1).headers;
  EXPECT_THAT(asked, Contains(Pair(":method", "CONNECT")));
  EXPECT_THAT(asked, Contains(Pair(":authority", "db.example:5432")));
  EXPECT_THAT(asked, Not(Contains(Key(":path"))));
  EXPECT_THAT(asked, Not(Contains(Key(":scheme"))));
  EXPECT_FALSE(server.peer->stream(1).ended);
  server.peer->Answer(1, {{":status", "200"}});
  server.peer->Say(1, "hello", Peer::Then::kEnd);
  Talk(server);
  const std::string answer = Take(down);
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_EQ(BodyOf(answer), "hello");
  EXPECT_TRUE(At(down).finished);
  EXPECT_EQ(server.peer->stream(1).body, "early");
  Eof(down);
  Talk(server);
  EXPECT_TRUE(server.peer->stream(1).ended);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

// Goal: nothing allows CONNECT by accident. Method: without a route for it, without the upgrade,
// with it disabled; 405 and the end of the connection, a proxy is not asked.
TEST_F(ConnectTest, IsRefusedUnlessAllowed) {
  manager().http2.allow_connect = true;
  const auto refused = [&] {
    const ConnId down = Accept();
    Send(down, kConnect);
    EXPECT_EQ(StatusOf(Take(down)), 405);
    EXPECT_TRUE(At(down).released);
    EXPECT_EQ(LastRecord(), "405 DPE http1.connect_not_allowed");
    EXPECT_TRUE(connecting_.empty());
  };
  refused();
  manager().upgrades = {{"connect", true}};
  refused();  // "/" is no route for it
  Allow().upgrades = {{"connect", false}};
  refused();
  End client = Client();
  const int32_t id = client.peer->Open(kConnect2);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "405");
  forward().upgrades.clear();  // the listener's word holds
  const ConnId down = Accept();
  Send(down, kConnect);
  EXPECT_EQ(connecting_.size(), 1u);
}

TEST_F(ConnectTest, ARouteForItTakesNothingElse) {
  EndHere();
  const ConnId down = Accept();
  Send(down, Get("/"));
  EXPECT_THAT(Take(Connect()), StartsWith("GET / HTTP/1.1\r\n"));
}

TEST_F(ConnectTest, PathsAreNotNormalizedWhereThereIsNone) {
  manager().normalize_path = true;
  EndHere();
  const ConnId down = Accept();
  Send(down, kConnect);
  Connect();
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(ConnectTest, TheIdleTimeoutHolds) {
  EndHere();
  forward().idle_timeout = Duration::Seconds(30);
  const ConnId down = Accept();
  Send(down, kConnect);
  const ConnId up = Connect();
  Advance(Duration::Seconds(20));  // the route's timeout of 15 s is none of a tunnel's
  Send(up, "x");
  Advance(Duration::Seconds(29));
  EXPECT_FALSE(At(down).dead());
  Advance(Duration::Seconds(2));
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).released);
  EXPECT_EQ(LastRecord(), "200 SI stream_idle_timeout");
}

}  // namespace
}  // namespace meltemi::engine
