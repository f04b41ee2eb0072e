// Goal: a consistent balancer goes by what the route says of a request, and by the source of a TCP
// connection; a made cookie comes back with the response. Method: the engine by hand.
#include <functional>
#include <map>
#include <string>

#include "l7/config/hash_table.h"
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

class HashTest : public EngineTest {
 protected:
  HashTest() {
    snapshot_ = MakeSnapshot(1, 8);
    cluster().lb = config::LbPolicy::kMaglev;
    cluster().maglev_size = 251;
    cluster().hash_tables = config::BuildHashTables(cluster());
  }
  // One request on a connection of its own: where it went; `response_` is what the client got.
  SockAddr Ask(const std::string& extra, const std::string& path = "/") {
    const ConnId down = Accept();
    Send(down, Get(path, "connection: close\r\n" + extra));
    const ConnId up = Connect();
    Take(up);
    Send(up, Ok("", "connection: close\r\n"));
    response_ = Take(down);
    return At(up).address;
  }
  size_t Spread(const std::function<SockAddr(int)>& ask) {
    std::map<SockAddr, int> counts;
    for (int i = 0; i < 40; ++i) ++counts[ask(i)];
    return counts.size();
  }
  std::string response_;
};

TEST_F(HashTest, ByHeader) {
  forward().hash_policies = {{.kind = config::HashPolicy::Kind::kHeader, .name = "x-user"}};
  const SockAddr ann = Ask("x-user: ann\r\n");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Ask("x-user: ann\r\n"), ann);
  EXPECT_GT(Spread([&](int i) { return Ask("x-user: " + std::to_string(i) + "\r\n"); }), 6u);
  EXPECT_GT(Spread([&](int) { return Ask(""); }), 6u);  // nothing to go by: any host
}

TEST_F(HashTest, ByQueryParameter) {
  forward().hash_policies = {{.kind = config::HashPolicy::Kind::kQueryParameter, .name = "u"}};
  const SockAddr one = Ask("", "/?u=1");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Ask("", "/x?a=" + std::to_string(i) + "&u=1"), one);
}

TEST_F(HashTest, ByAMadeCookie) {
  forward().hash_policies = {{.kind = config::HashPolicy::Kind::kCookie,
                              .name = "id",
                              .ttl = Duration::Seconds(60),
                              .path = "/"}};
  const SockAddr first = Ask("");
  const std::string line = HeaderOf(response_, "set-cookie");
  EXPECT_EQ(line.substr(20), "\"; Max-Age=60; Path=/; HttpOnly");
  EXPECT_EQ(Ask("cookie: " + line.substr(0, line.find(';')) + "\r\n"), first);
  EXPECT_EQ(HeaderOf(response_, "set-cookie"), "(none)");
}

TEST_F(HashTest, OtherBalancersMakeNoCookie) {
  cluster().lb = config::LbPolicy::kRandom;
  forward().hash_policies = {
      {.kind = config::HashPolicy::Kind::kCookie, .name = "id", .ttl = Duration()}};
  Ask("");
  EXPECT_EQ(HeaderOf(response_, "set-cookie"), "(none)");
}

TEST_F(HashTest, TcpBySource) {
  proxy().hash_source_ip = true;
  const auto dial = [&](int) {
    Accept(1);
    return At(Connect()).address;
  };
  EXPECT_EQ(Spread([&](int i) { return i < 10 ? dial(i) : SockAddr{}; }), 2u);
}

}  // namespace
}  // namespace meltemi::engine
