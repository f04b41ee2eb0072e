// Goal: a server that wants the PROXY protocol hears who the client is on every connection, and no
// connection is ever used for another. Method: the engine by hand; what each server got first.
#include <string>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

const std::string kHeader = "PROXY TCP4 10.0.0.2 10.0.0.1 40000 80\r\n";

class ProxyHeaderTest : public EngineTest {
 protected:
  ProxyHeaderTest() { Ask(config::ProxyVersion::kV1); }
  void Ask(config::ProxyVersion version) {
    cluster().proxy_protocol = version;
    cluster().requests_per_connection_max = 1;  // as the compiler says
  }
};

TEST_F(ProxyHeaderTest, EachRequestHasAConnectionThatBeginsWithIt) {
  const ConnId down = Accept();
  for (int i = 0; i < 2; ++i) {
    Send(down, Get());
    const ConnId up = TakeConnect();
    EXPECT_EQ(Take(up), kHeader);  // before the connection stands
    engine().OnConnected(up, {.local = Address(3, 50'000)}, now_);
    Run();
    EXPECT_TRUE(Take(up).starts_with("GET / HTTP/1.1\r\n"));
    Send(up, Ok("a"));
    EXPECT_TRUE(At(up).released);
    EXPECT_EQ(BodyOf(Take(down)), "a");
  }
}

TEST_F(ProxyHeaderTest, Version2) {
  Ask(config::ProxyVersion::kV2);
  Send(Accept(), Get());
  const std::string header = Take(Connect());
  EXPECT_EQ(header.substr(0, 14), std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14));
  EXPECT_EQ(header.substr(16, 12), std::string("\x0a\0\0\x02\x0a\0\0\x01\x9c\x40\0\x50", 12));
}

TEST_F(ProxyHeaderTest, OpaqueTcp) {
  const ConnId down = Accept(1);
  Send(down, "hello");
  EXPECT_EQ(Take(Connect()), kHeader + "hello");
}

TEST_F(ProxyHeaderTest, WhatWasOpenedForAClientThatLeftIsUsedByNobody) {
  const ConnId down = Accept();
  Send(down, Get());
  Closed(down);
  const ConnId up = TakeConnect();
  if (!At(up).dead()) {
    engine().OnConnected(up, {.local = Address(3, 50'000)}, now_);
    Run();
  }
  EXPECT_TRUE(At(up).dead());
  Send(Accept(), Get());
  EXPECT_NE(TakeConnect(), up);
}

TEST_F(ProxyHeaderTest, OfHealthChecksTheSenderIsUs) {
  config::HealthCheck& check = cluster().health_check.emplace();
  check.timeout = Duration::Seconds(1);
  check.interval = check.unhealthy_interval = check.unhealthy_edge_interval =
      check.healthy_edge_interval = Duration::Seconds(10);
  check.kind = config::HttpHealthCheck{.path = "/"};
  engine();
  Advance(Duration::Millis(1));
  EXPECT_TRUE(Take(Connect()).starts_with("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"));
  const auto without = MakeSnapshot(1000, 1);  // its timers end
  Use(without.get());
  CloseAll();
  engine_.reset();
}

}  // namespace
}  // namespace meltemi::engine
