// Goal: a cluster that goes by its clients speaks to a server what each of them speaks, and to a
// server of this node is spoken what the listener in front of it would have spoken. Method: nghttp2
// and hand-held HTTP/1.1 on the other ends, the engine's door.
#include <gmock/gmock.h>

#include <string>

#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

using ::testing::StartsWith;

class ClientProtocolTest : public Http2Test {
 protected:
  void FollowClients() {
    UseHttp2Upstream();
    cluster().follows_client = true;
  }
  void Behind(config::Snapshot* snapshot, config::Spoken spoken) {
    snapshot->spoken[snapshot->clusters[0].endpoints[0].address] = spoken;
  }
};

TEST_F(ClientProtocolTest, EachVersionHasItsConnections) {
  FollowClients();
  const ConnId plain = Accept();
  End client = Client();
  Send(plain, Get());
  client.peer->Request(kGet);
  Talk(client);
  ASSERT_EQ(connecting_.size(), 2u);
  EXPECT_EQ(At(connecting_[0]).alpn, "http/1.1");
  EXPECT_EQ(At(connecting_[1]).alpn, "h2");
  const ConnId up = Connect();
  EXPECT_THAT(Take(up), StartsWith("GET / HTTP/1.1\r\n"));
  End server = Server();
  Send(up, Ok("one"));
  server.peer->Respond(1, {{":status", "200"}}, "two");
  Talk(server);
  Talk(client);
  EXPECT_EQ(BodyOf(Take(plain)), "one");
  EXPECT_EQ(client.peer->stream(1).body, "two");
  // Again, on the same ones.
  Send(plain, Get());
  Send(up, Ok("three"));
  client.peer->Request(kGet);
  Talk(client);
  Talk(server);
  server.peer->Respond(3, {{":status", "204"}});
  Talk(server);
  Talk(client);
  EXPECT_EQ(BodyOf(Take(plain)), "three");
  EXPECT_EQ(StatusIn(client.peer->stream(3).headers), "204");
  EXPECT_TRUE(connecting_.empty());
}

// Goal: neither version waits for ever behind the other where the breaker allows one connection.
// Method: Envoy's rule, one connection of each beyond the limit; the next of HTTP/1.1 waits for its
// own kind.
TEST_F(ClientProtocolTest, TheBreakerLeavesOneConnectionToEach) {
  FollowClients();
  cluster().breaker.connections_max = 1;
  End client = Client();
  client.peer->Request(kGet);
  Talk(client);
  End server = Server();
  const ConnId first = Accept(), second = Accept();
  Send(first, Get("/first"));
  Send(second, Get("/second"));
  ASSERT_EQ(connecting_.size(), 1u);
  const ConnId up = Connect();
  EXPECT_THAT(Take(up), StartsWith("GET /first "));
  Send(up, Ok("1"));
  EXPECT_THAT(Take(up), StartsWith("GET /second "));
  Send(up, Ok("2"));
  EXPECT_EQ(BodyOf(Take(second)), "2");
  server.peer->Respond(1, {{":status", "200"}});
  Talk(server);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(1).headers), "200");
}

TEST_F(ClientProtocolTest, AServerOfThisNodeHearsWhatItSpeaks) {
  UseHttp2Upstream();  // h2UpgradePolicy
  Behind(snapshot_.get(), config::Spoken::kHttp1);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  EXPECT_EQ(At(up).alpn, "http/1.1");
  EXPECT_THAT(Take(up), StartsWith("GET / HTTP/1.1\r\n"));
  Send(up, Ok("x"));
  EXPECT_EQ(BodyOf(Take(down)), "x");
}

TEST_F(ClientProtocolTest, SoDoesOneOfHttp2) {
  Behind(snapshot_.get(), config::Spoken::kHttp2);  // the cluster says HTTP/1.1
  const ConnId down = Accept();
  Send(down, Get());
  End server = Server();
  server.peer->Respond(1, {{":status", "204"}});
  Talk(server);
  EXPECT_EQ(StatusOf(Take(down)), 204);
}

// A server's own TLS goes through the listener as it is: that does not know what is in it.
TEST_F(ClientProtocolTest, OfAServersOwnTlsTheClusterKnows) {
  UseHttp2Upstream();
  cluster().tls.settings = 3;
  Behind(snapshot_.get(), config::Spoken::kHttp1);
  Send(Accept(), Get());
  EXPECT_EQ(At(TakeConnect()).alpn, "h2");
}

// Goal: the listener may come after the cluster. Method: HTTP/2 is under way when it is learnt that
// the server speaks HTTP/1.1; the connection ends after its stream, one that is being opened is not
// used, and who waits for it goes on by HTTP/1.1.
TEST_F(ClientProtocolTest, WhatIsLearntLaterHoldsFromThenOn) {
  UseHttp2Upstream();
  const ConnId down = Accept(), other = Accept();
  Send(down, Get());
  End server = Server();
  auto next = MakeSnapshot(2, 1);
  next->clusters[0].http2.emplace();
  Behind(next.get(), config::Spoken::kHttp1);
  Use(next.get());
  Send(other, Get("/other"));
  const ConnId up = Connect();
  EXPECT_THAT(Take(up), StartsWith("GET /other HTTP/1.1\r\n"));
  Send(up, Ok("o"));
  server.peer->Respond(1, {{":status", "204"}});
  Talk(server);
  EXPECT_EQ(StatusOf(Take(down)), 204);
  EXPECT_TRUE(At(server.id).released);
  CloseAll();
  snapshot_ = std::move(next);
}

TEST_F(ClientProtocolTest, WhoWaitsWhenItIsLearntGoesOn) {
  UseHttp2Upstream();
  const ConnId down = Accept();
  Send(down, Get());
  auto next = MakeSnapshot(2, 1);
  next->clusters[0].http2.emplace();
  Behind(next.get(), config::Spoken::kHttp1);
  Use(next.get());
  const ConnId wrong = Connect();
  EXPECT_TRUE(At(wrong).released);
  EXPECT_EQ(Take(wrong), "");  // not a byte of HTTP/2
  const ConnId up = Connect();
  EXPECT_THAT(Take(up), StartsWith("GET / HTTP/1.1\r\n"));
  Send(up, Ok("x"));
  EXPECT_EQ(BodyOf(Take(down)), "x");
  CloseAll();
  snapshot_ = std::move(next);
}

}  // namespace
}  // namespace meltemi::engine
