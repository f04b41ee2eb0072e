// Goal: what the overload manager decides happens to what comes from then on, and to nothing else.
// Method: the engine's door, HTTP/1.1, HTTP/2 and opaque TCP.
#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

using policy::OverloadAction;
using policy::OverloadActions;

class OverloadTest : public Http2Test {
 protected:
  OverloadTest() { route().action = config::DirectResponse{200, "ok"}; }
  void Set(OverloadAction action, uint16_t share = OverloadActions::kWhole) {
    actions_.Set(action, share);
    engine().SetOverload(actions_);
  }
  OverloadActions actions_;
  SharedCell connections_;  // outlives the engine
};

TEST_F(OverloadTest, RequestsAreAnsweredInEnvoysWords) {
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 200);
  Set(OverloadAction::kStopAcceptingRequests);
  Send(down, Get());
  const std::string reply = Take(down);
  EXPECT_EQ(StatusOf(reply), 503);
  EXPECT_EQ(BodyOf(reply), "envoy overloaded");
  EXPECT_EQ(LastRecord(), "503 OM overload");
  EXPECT_EQ(engine().counters().requests_shed, 1u);
  EXPECT_EQ(Sample("envoy_http_downstream_rq_overload_close"), 1);
  // The connection is as good as before, and so is what comes when it is over.
  EXPECT_FALSE(At(down).dead());
  Set(OverloadAction::kStopAcceptingRequests, 0);
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(OverloadTest, WhatIsUnderWayGoesOn) {
  route() = ForwardRoute("default", "/");
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Set(OverloadAction::kStopAcceptingRequests);
  Take(up);
  Send(up, Ok("done"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(OverloadTest, AStreamIsShedAlone) {
  End client = Client();
  Set(OverloadAction::kStopAcceptingRequests);
  const int32_t id = client.peer->Request(kGet);
  const int32_t call = client.peer->Request(kGrpc);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "503");
  EXPECT_EQ(StatusIn(client.peer->stream(call).headers), "200");  // grpc-status 14
  EXPECT_FALSE(client.peer->goaway());
  EXPECT_EQ(engine().counters().requests_shed, 2u);
}

TEST_F(OverloadTest, AShareIsShed) {
  Set(OverloadAction::kStopAcceptingRequests, OverloadActions::kWhole / 4);
  const ConnId down = Accept();
  for (int i = 0; i < 4000; ++i) {
    Send(down, Get());
    Take(down);
  }
  EXPECT_NEAR(engine().counters().requests_shed, 1000, 110);  // four deviations
}

TEST_F(OverloadTest, KeepAliveEndsWithTheNextRequest) {
  const ConnId down = Accept();
  Set(OverloadAction::kDisableHttpKeepalive);
  Send(down, Get());
  const std::string reply = Take(down);
  EXPECT_EQ(StatusOf(reply), 200);
  EXPECT_EQ(HeaderOf(reply, "connection"), "close");
  EXPECT_TRUE(At(down).released);
  End client = Client();
  const int32_t id = client.peer->Request(kGet);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "200");
  EXPECT_TRUE(client.peer->goaway());
  EXPECT_EQ(client.peer->goaway_code(), 0u);
  EXPECT_EQ(engine().counters().keepalive_disabled, 2u);
}

TEST_F(OverloadTest, ConnectionsAreRejected) {
  const ConnId before = Accept();
  Set(OverloadAction::kRejectIncomingConnections);
  EXPECT_FALSE(Accept().valid());
  EXPECT_FALSE(Accept(1).valid());
  EXPECT_EQ(engine().counters().downstream_rejected, 2u);
  Send(before, Get());
  EXPECT_EQ(StatusOf(Take(before)), 200);
  Set(OverloadAction::kRejectIncomingConnections, 0);
  EXPECT_TRUE(Accept().valid());
}

// global_downstream_max_connections: of both workers together, at n - 1, n and n + 1.
TEST_F(OverloadTest, TheNodeHasSoManyConnectionsAndNoMore) {
  options_.downstream_connections = &connections_;
  options_.downstream_connections_max = 4;
  connections_.Add(2);  // another worker's
  const ConnId first = Accept();
  const ConnId last = Accept(1);
  EXPECT_TRUE(first.valid() && last.valid());
  EXPECT_FALSE(Accept().valid());
  EXPECT_EQ(engine().counters().downstream_overflow, 1u);
  EXPECT_EQ(connections_.Load(), 4u);
  Closed(first);
  EXPECT_EQ(connections_.Load(), 3u);
  EXPECT_TRUE(Accept().valid());
  EXPECT_FALSE(Accept().valid());
  // Connections to servers are nobody's business here.
  Connect();
  EXPECT_EQ(connections_.Load(), 4u);
  CloseAll();
  EXPECT_EQ(connections_.Load(), 2u);
}

TEST_F(OverloadTest, AnEngineWithoutASlotGivesItsPlaceBack) {
  options_.downstream_connections = &connections_;
  options_.downstream_connections_max = 1000;
  options_.conn_count_max = 2;
  EXPECT_TRUE(Accept().valid());
  EXPECT_TRUE(Accept().valid());
  EXPECT_FALSE(Accept().valid());
  EXPECT_EQ(connections_.Load(), 2u);
}

}  // namespace
}  // namespace meltemi::engine
