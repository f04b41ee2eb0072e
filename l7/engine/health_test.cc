// Active health checks: what is asked when, whose verdict holds where, and what requests see of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "l7/cluster/board.h"
#include "l7/engine/http2_fixture.h"

namespace meltemi::engine {
namespace {

constexpr Duration kTick = Duration::Millis(1);  // above the timer wheel's

class HealthTest : public Http2Test {
 protected:
  HealthTest() {
    snapshot_ = MakeSnapshot(1, 2);
    config::HealthCheck check;
    check.timeout = Duration::Seconds(1);
    check.interval = check.unhealthy_interval = check.unhealthy_edge_interval =
        check.healthy_edge_interval = Duration::Seconds(10);
    check.unhealthy_threshold = check.healthy_threshold = 2;
    check.kind = config::HttpHealthCheck{.path = "/healthz"};
    cluster().health_check = check;
    cluster().panic_percent = 0;
  }
  void TearDown() override {
    if (engine_ != nullptr) {
      last_ = MakeSnapshot(1000, 1);  // without health checks: their timers end
      Use(last_.get());
    }
    EngineTest::TearDown();
  }
  config::HealthCheck& check() { return *cluster().health_check; }
  // The engine asks both hosts; their connections, in order.
  std::vector<ConnId> Begin() {
    engine();
    Advance(kTick);
    std::vector<ConnId> conns = {Connect(), Connect()};
    EXPECT_EQ(At(conns[0]).address, Address(10, 8080));
    EXPECT_EQ(At(conns[1]).address, Address(11, 8080));
    return conns;
  }
  void Answer(ConnId conn, int status) {
    EXPECT_EQ(Take(conn),
              "GET /healthz HTTP/1.1\r\nhost: outbound|80||backend.default.svc.cluster.local\r\n"
              "user-agent: Envoy/HC\r\n\r\n");
    Send(conn, Status(status));
  }
  // Who answers now: one digit for each host that gets one of four requests; "UH" for nobody.
  std::string Serving() {
    std::string hosts;
    for (int i = 0; i < 4; ++i) {
      const ConnId down = Accept();
      Send(down, Get());
      if (connecting_.empty()) {
        EXPECT_EQ(LastRecord(), "503 UH no_healthy_upstream");
        return "UH";
      }
      const ConnId up = Connect();
      const char host = static_cast<char>('0' + (At(up).address == Address(11, 8080)));
      if (hosts.find(host) == std::string::npos) hosts.push_back(host);
      Send(up, Ok("hi", "connection: close\r\n"));
      EXPECT_EQ(StatusOf(Take(down)), 200);
    }
    std::sort(hosts.begin(), hosts.end());
    return hosts;
  }
  std::string FlagsOf(int host) {
    std::string text;
    engine().AppendClusters(&text);
    const std::string head =
        Address(static_cast<uint8_t>(10 + host), 8080).ToString() + "::health_flags::";
    const size_t at = text.find(head);
    if (at == std::string::npos) return "(none)";
    const size_t begin = at + head.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  SockAddr address_;
  std::unique_ptr<config::Snapshot> last_, next_;
};

TEST_F(HealthTest, HostsAreNotUsedBeforeTheyHavePassed) {
  const auto conns = Begin();
  EXPECT_EQ(FlagsOf(0), "/failed_active_hc");
  EXPECT_EQ(Serving(), "UH");
  Answer(conns[0], 200);
  EXPECT_EQ(FlagsOf(0), "healthy");
  EXPECT_EQ(Serving(), "0");
  Answer(conns[1], 200);
  EXPECT_EQ(Serving(), "01");
  EXPECT_EQ(Sample("envoy_cluster_health_check_attempt"), 2);
  EXPECT_EQ(Sample("envoy_cluster_health_check_success"), 2);
  EXPECT_EQ(Sample("envoy_cluster_health_check_healthy"), 2);
  EXPECT_EQ(Sample("envoy_cluster_membership_healthy"), 2);
}

TEST_F(HealthTest, AnAnswerThatSaysNoEndsAHostAtOnce) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  EXPECT_EQ(Serving(), "01");
  Advance(Duration::Seconds(60) + kTick);  // nobody had used the cluster when they passed
  Answer(conns[0], 500);
  Answer(conns[1], 200);
  EXPECT_EQ(Serving(), "1");
  EXPECT_EQ(FlagsOf(0), "/failed_active_hc");
  EXPECT_EQ(Sample("envoy_cluster_health_check_failure"), 1);
  EXPECT_EQ(Sample("envoy_cluster_health_check_network_failure"), 0);
  EXPECT_EQ(Sample("envoy_cluster_membership_healthy"), 1);
}

TEST_F(HealthTest, IntervalsAreExactAndTheConnectionIsUsedAgain) {
  engine();
  ASSERT_TRUE(engine().PickEndpoint(7, now_, &address_) == Engine::Pick::kNoHealthy);
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  engine().PickEndpoint(7, now_, &address_);  // somebody uses the cluster from now on
  Advance(Duration::Seconds(60) - kTick);     // no_traffic_interval, n - 1
  EXPECT_EQ(Take(conns[0]), "");
  Advance(kTick + kTick);  // n
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  Advance(Duration::Seconds(10) - kTick);  // interval, n - 1
  EXPECT_EQ(Take(conns[0]), "");
  Advance(kTick + kTick);
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  EXPECT_TRUE(connecting_.empty());
}

TEST_F(HealthTest, TimeoutIsExactAndCountsTowardsTheThreshold) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  engine().PickEndpoint(7, now_, &address_);
  Advance(Duration::Seconds(60) + kTick);
  Answer(conns[1], 200);
  Advance(Duration::Seconds(1) - kTick);  // n - 1
  EXPECT_FALSE(At(conns[0]).aborted);
  Advance(kTick + kTick);  // n
  EXPECT_TRUE(At(conns[0]).aborted);
  EXPECT_EQ(FlagsOf(0), "healthy");  // 1 of 2
  Advance(Duration::Seconds(10) + kTick);
  const ConnId again = Connect();
  EXPECT_EQ(At(again).address, Address(10, 8080));
  Answer(conns[1], 200);
  Advance(Duration::Seconds(1) + kTick);
  EXPECT_TRUE(At(again).aborted);
  EXPECT_EQ(FlagsOf(0), "/failed_active_hc");
  EXPECT_EQ(Sample("envoy_cluster_health_check_network_failure"), 2);
}

TEST_F(HealthTest, RefusedAndClosedConnections) {
  engine();
  Advance(kTick);
  Refuse();
  const ConnId second = Connect();
  Closed(second);  // with the request on its way
  EXPECT_EQ(Sample("envoy_cluster_health_check_network_failure"), 2);
  Advance(Duration::Seconds(60) + kTick);
  const ConnId first = Connect();
  Answer(first, 200);
  EXPECT_EQ(FlagsOf(0), "/failed_active_hc");  // not the first result: 1 of 2
  Connect();
  Advance(Duration::Seconds(60) + kTick);
  Answer(first, 200);
  EXPECT_EQ(FlagsOf(0), "healthy");
}

TEST_F(HealthTest, AConnectionThatClosesBetweenChecksIsOpenedAnew) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  Eof(conns[0]);
  EXPECT_TRUE(At(conns[0]).released);
  EXPECT_EQ(FlagsOf(0), "healthy");
  Advance(Duration::Seconds(60) + kTick);
  Answer(Connect(), 200);
  EXPECT_EQ(FlagsOf(0), "healthy");
}

TEST_F(HealthTest, OtherWorkersFollowTheOneThatChecks) {
  {
    EngineOptions options = options_;
    options.checks_health = false;
    TimerWheel timers(now_);
    Prng prng(1);
    Engine other(options, &pool_, &timers, &prng);
    other.UseSnapshot(snapshot_.get(), now_);
    EXPECT_EQ(other.PickEndpoint(7, now_, &address_), Engine::Pick::kNoHealthy);
    const auto conns = Begin();
    EXPECT_TRUE(other.actions().empty());  // it asks nobody
    Answer(conns[1], 200);
    EXPECT_EQ(other.PickEndpoint(7, now_, &address_),
              Engine::Pick::kNoHealthy);  // it has not looked yet
    other.FollowBoard(now_);
    EXPECT_EQ(other.PickEndpoint(7, now_, &address_), Engine::Pick::kOk);
    EXPECT_EQ(address_, Address(11, 8080));
    // What it asks for is traffic: the next check comes after the interval, not
    // no_traffic_interval.
    Answer(conns[0], 200);
    Advance(Duration::Seconds(10) + kTick);
    Answer(conns[0], 500);
    other.FollowBoard(now_);
    for (int i = 0; i < 4; ++i) {
      other.PickEndpoint(7, now_, &address_);
      EXPECT_EQ(address_, Address(11, 8080));
    }
    last_ = MakeSnapshot(1000, 1);
    other.UseSnapshot(last_.get(), now_);
    Use(last_.get());
    CloseAll();
  }
  engine_.reset();
  EXPECT_TRUE(board_.empty());
}

TEST_F(HealthTest, PortAndExemptionOfAnEndpoint) {
  cluster().endpoints[0].check_port = 9090;
  cluster().endpoints[1].unchecked = true;
  engine();
  EXPECT_EQ(FlagsOf(1), "healthy");
  Advance(kTick);
  const ConnId conn = Connect();
  EXPECT_EQ(At(conn).address, Address(10, 9090));
  EXPECT_TRUE(connecting_.empty());
  Answer(conn, 200);
  EXPECT_EQ(Serving(), "01");
}

TEST_F(HealthTest, ARemovedHostStaysAsLongAsItPasses) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  next_ = MakeSnapshot(2, 1);
  next_->clusters[0].health_check = check();
  Use(next_.get());
  EXPECT_EQ(FlagsOf(1), "/pending_dynamic_removal");
  EXPECT_EQ(Serving(), "01");
  Advance(Duration::Seconds(60) + kTick);
  Answer(conns[0], 200);
  Answer(conns[1], 503);
  EXPECT_TRUE(At(conns[1]).dead());
  EXPECT_EQ(Serving(), "0");
  EXPECT_EQ(Sample("envoy_cluster_membership_total"), 1);
}

TEST_F(HealthTest, ARemovedHostGoesAtOnceWhereRemovalIgnoresHealth) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 200);
  next_ = MakeSnapshot(2, 1);
  next_->clusters[0].health_check = check();
  next_->clusters[0].removal_ignores_health = true;
  Use(next_.get());
  EXPECT_TRUE(At(conns[1]).dead());
  EXPECT_FALSE(At(conns[0]).dead());
  EXPECT_EQ(Serving(), "0");
}

TEST_F(HealthTest, NewChecksKeepWhatIsKnownAndAskAgain) {
  const auto conns = Begin();
  Answer(conns[0], 200);
  Answer(conns[1], 500);
  next_ = MakeSnapshot(2, 2);
  next_->clusters[0].health_check = check();
  next_->clusters[0].health_check->kind = config::TcpHealthCheck{};
  next_->clusters[0].panic_percent = 0;
  Use(next_.get());
  EXPECT_TRUE(At(conns[0]).aborted);
  EXPECT_EQ(Serving(), "0");
  Advance(kTick);
  Connect();
  Connect();
  EXPECT_EQ(Serving(), "01");  // both take connections
}

TEST_F(HealthTest, ChecksThatBeginOnRunningHostsDoNotStopThem) {
  cluster().health_check.reset();
  engine();
  EXPECT_EQ(Serving(), "01");
  next_ = MakeSnapshot(2, 3);
  next_->clusters[0].health_check.emplace(
      config::HealthCheck{.timeout = Duration::Seconds(1), .interval = Duration::Seconds(10)});
  Use(next_.get());
  EXPECT_EQ(FlagsOf(0), "healthy");
  EXPECT_EQ(FlagsOf(2), "/failed_active_hc");  // a new one
}

TEST_F(HealthTest, DegradedHostsTakeWhatHealthyOnesLeave) {
  cluster().overprovisioning_percent = 200;  // one of two can take everything
  const auto conns = Begin();
  Take(conns[0]);
  Send(conns[0], Status(200, "x-envoy-degraded: yes\r\n"));
  EXPECT_EQ(FlagsOf(0), "/degraded_active_hc");
  EXPECT_EQ(Serving(), "0");
  Answer(conns[1], 200);
  EXPECT_EQ(Serving(), "1");
}

TEST_F(HealthTest, EngineFullIsNoAnswer) {
  options_.conn_count_max = 1;
  engine();
  Advance(kTick);
  Connect();
  EXPECT_TRUE(connecting_.empty());
  EXPECT_EQ(Sample("envoy_cluster_health_check_network_failure"), 1);
}

TEST_F(HealthTest, GrpcServiceHealth) {
  check().kind = config::GrpcHealthCheck{.authority = "backend"};
  engine();
  Advance(kTick);
  End server = Server();
  EXPECT_EQ(At(server.id).alpn, "h2");
  EXPECT_EQ(server.peer->stream(1).headers[3].second, "/grpc.health.v1.Health/Check");
  server.peer->Respond(1, {{":status", "200"}}, std::string("\0\0\0\0\2\x08\1", 7),
                       {{"grpc-status", "0"}});
  Talk(server);
  EXPECT_EQ(FlagsOf(0), "healthy");
  Connect();
}

TEST_F(HealthTest, TlsOfTheCluster) {
  cluster().tls.settings = 5;
  const auto conns = Begin();
  EXPECT_EQ(At(conns[0]).tls, 5u);
  EXPECT_EQ(At(conns[0]).alpn, "http/1.1");
}

}  // namespace
}  // namespace meltemi::engine
