// Goal: a client's connection has as many requests as max_requests_per_connection says, and none is
// lost at its end. Method: the engine's door, n - 1, n and n + 1 requests, HTTP/1.1 and HTTP/2.
#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

class ConnectionLimitTest : public Http2Test {
 protected:
  ConnectionLimitTest() {
    manager().requests_per_connection_max = 3;
    route().action = config::DirectResponse{200, "ok"};
  }
};

TEST_F(ConnectionLimitTest, TheLastResponseEndsAConnectionOfHttp1) {
  const ConnId down = Accept();
  for (int i = 1; i <= 2; ++i) {
    Send(down, Get());
    EXPECT_EQ(HeaderOf(Take(down), "connection"), "(none)");
    EXPECT_FALSE(At(down).dead());
  }
  EXPECT_EQ(engine().counters().downstream_worn, 0u);
  Send(down, Get() + Get());  // the fourth is behind the last
  const std::string last = Take(down);
  EXPECT_EQ(HeaderOf(last, "connection"), "close");
  EXPECT_EQ(last.find("HTTP/1.1", 1), std::string::npos);
  EXPECT_TRUE(At(down).released);
  EXPECT_EQ(engine().counters().downstream_worn, 1u);
  EXPECT_EQ(engine().counters().requests, 3u);
}

TEST_F(ConnectionLimitTest, TheLastStreamIsFollowedByGoaway) {
  End client = Client();
  for (int i = 1; i <= 2; ++i) {
    const int32_t id = client.peer->Request(kGet);
    Talk(client);
    EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "200");
    EXPECT_FALSE(client.peer->goaway());
  }
  const int32_t id = client.peer->Request(kGet);
  Talk(client);
  EXPECT_EQ(StatusIn(client.peer->stream(id).headers), "200");
  EXPECT_TRUE(client.peer->stream(id).ended);
  EXPECT_TRUE(client.peer->goaway());
  EXPECT_EQ(client.peer->goaway_code(), 0u);
  EXPECT_TRUE(At(client.id).released);
  EXPECT_EQ(engine().counters().downstream_worn, 1u);
}

TEST_F(ConnectionLimitTest, NoneIsNoLimit) {
  manager().requests_per_connection_max = 0;
  const ConnId down = Accept();
  for (int i = 0; i < 1000; ++i) Send(down, Get());
  EXPECT_FALSE(At(down).dead());
  EXPECT_EQ(engine().counters().requests, 1000u);
}

}  // namespace
}  // namespace meltemi::engine
