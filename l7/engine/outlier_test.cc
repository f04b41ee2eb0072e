// Goal: every way an attempt can end is told to outlier detection, and what it decides shows:
// in the host picked, the flag, the statistics. Method: the engine by hand in virtual time.
#include <string>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

class OutlierEngineTest : public EngineTest {
 protected:
  OutlierEngineTest() {
    snapshot_ = MakeSnapshot(1, 2);
    cluster().panic_percent = 0;
    cluster().outlier.emplace();
    cluster().outlier->consecutive_5xx = 1;
    cluster().outlier->ejection_percent_max = 50;
  }
  // As long as there is outlier detection its timer runs.
  void TearDown() override {
    CloseAll();
    last_ = MakeSnapshot(1000, 2);
    Use(last_.get());
    EngineTest::TearDown();
  }
  double Sample(const std::string& name) {
    return EngineTest::Sample("envoy_cluster_outlier_detection_" + name);
  }
  // One request on a connection of its own: where it went, and what was said.
  SockAddr Ask(std::string_view answer) {
    const ConnId down = Accept();
    Send(down, Get("/", "connection: close\r\n"));
    const ConnId up = Connect();
    Take(up);
    Send(up, answer);
    Take(down);
    return At(up).address;
  }

 private:
  std::unique_ptr<config::Snapshot> last_;
};

TEST_F(OutlierEngineTest, A500EjectsTheHostForAWhile) {
  const std::string close = "connection: close\r\n";
  const SockAddr ill = Ask(Status(500, close));
  EXPECT_EQ(Sample("ejections_active"), 1);
  EXPECT_EQ(Sample("ejections_enforced_total"), 1);
  EXPECT_EQ(Sample("ejections_enforced_consecutive_5xx"), 1);
  for (int i = 0; i < 4; ++i) EXPECT_NE(Ask(Ok("1", close)), ill);
  std::string clusters;
  engine().AppendClusters(&clusters);
  EXPECT_NE(clusters.find("::health_flags::/failed_outlier_check"), std::string::npos) << clusters;
  Advance(Duration::Seconds(31));
  EXPECT_EQ(Sample("ejections_active"), 0);
  const SockAddr one = Ask(Ok("1", close));
  EXPECT_NE(Ask(Ok("1", close)), one);
}

TEST_F(OutlierEngineTest, NothingIsSaidAboutClustersWithoutIt) {
  cluster().outlier.reset();
  Ask(Status(500, "connection: close\r\n"));
  EXPECT_EQ(Sample("ejections_active"), -1);
}

TEST_F(OutlierEngineTest, WhenAllAreOutThereIsNoHealthyUpstream) {
  cluster().outlier->ejection_percent_max = 100;
  Ask(Status(503, "connection: close\r\n"));
  Ask(Status(503, "connection: close\r\n"));
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(LastRecord(), "503 UH no_healthy_upstream");
}

TEST_F(OutlierEngineTest, ARefusedConnectionCounts) {
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  EXPECT_EQ(Sample("ejections_active"), 1);
}

TEST_F(OutlierEngineTest, AConnectionThatEndsWithoutAnAnswerCounts) {
  const ConnId down = Accept();
  Send(down, Get());
  Closed(Connect());
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_EQ(Sample("ejections_active"), 1);
}

TEST_F(OutlierEngineTest, ATimeoutCounts) {
  forward().timeout = Duration::Seconds(1);
  const ConnId down = Accept();
  Send(down, Get());
  Connect();
  Advance(Duration::Seconds(2));
  EXPECT_EQ(StatusOf(Take(down)), 504);
  EXPECT_EQ(Sample("ejections_active"), 1);
}

TEST_F(OutlierEngineTest, ATimeoutInTheQueueIsNotTheHostsFault) {
  forward().timeout = Duration::Seconds(1);
  snapshot_->clusters[0].endpoints.resize(1);
  cluster().outlier->ejection_percent_max = 100;
  cluster().breaker.connections_max = 1;
  Accept(1);  // opaque TCP, which keeps the only connection
  Connect();
  const ConnId down = Accept();
  Send(down, Get());
  Advance(Duration::Seconds(2));
  EXPECT_EQ(StatusOf(Take(down)), 504);
  EXPECT_EQ(Sample("ejections_detected_consecutive_5xx"), 0);
}

TEST_F(OutlierEngineTest, ARetriedResponseCounts) {
  retry().on = config::RetryPolicy::k5xx;
  retry().retry_count_max = 1;
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId ill = Connect();
  Send(ill, Status(502, "connection: close\r\n"));
  EXPECT_EQ(Sample("ejections_active"), 1);
  Advance(Duration::Millis(260));
  const ConnId well = Connect();
  EXPECT_NE(At(well).address, At(ill).address);
  Send(well, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

// Five hosts that all have their turn; one answers every other request with 500. What the worker
// that looks has found holds at the other one.
TEST_F(OutlierEngineTest, RatesEjectOncePerIntervalAtAllWorkers) {
  snapshot_ = MakeSnapshot(1, 5);
  cluster().panic_percent = 0;
  cluster().lb = config::LbPolicy::kRoundRobin;
  cluster().outlier.emplace();
  cluster().outlier->success_rate_request_volume = 20;
  cluster().outlier->ejection_percent_max = 20;
  EngineOptions options = options_;
  options.checks_health = false;
  TimerWheel timers(now_);
  Prng prng(1);
  Engine other(options, &pool_, &timers, &prng);
  other.UseSnapshot(snapshot_.get(), now_);
  EXPECT_EQ(timers.size(), 0u);  // it does not look
  const std::string close = "connection: close\r\n";
  const SockAddr ill = Address(12, 8080);
  bool fails = false;
  for (int i = 0; i < 100; ++i) {
    const ConnId down = Accept();
    Send(down, Get("/", close));
    const ConnId up = Connect();
    if (At(up).address == ill) fails = !fails;
    Send(up, At(up).address == ill && fails ? Status(500, close) : Ok("1", close));
  }
  EXPECT_EQ(Sample("ejections_active"), 0);
  Advance(Duration::Millis(10'001));  // the timer wheel's tick
  EXPECT_EQ(Sample("ejections_active"), 1);
  EXPECT_EQ(Sample("ejections_detected_success_rate"), 1);
  EXPECT_EQ(Sample("ejections_enforced_success_rate"), 1);
  EXPECT_EQ(Sample("ejections_success_rate"), 1);
  EXPECT_EQ(Sample("ejections_total"), 1);
  EXPECT_EQ(Sample("ejections_detected_failure_percentage"), 0);
  for (const std::string name : {"local_origin_success_rate", "local_origin_failure_percentage",
                                 "consecutive_local_origin_failure"}) {
    EXPECT_EQ(Sample("ejections_enforced_" + name), 0) << name;
  }
  other.FollowBoard(now_);
  std::string clusters;
  other.AppendClusters(&clusters);
  EXPECT_NE(clusters.find("10.0.0.12:8080::health_flags::/failed_outlier_check"), std::string::npos)
      << clusters;
  for (int i = 0; i < 3; ++i) Advance(Duration::Millis(10'001));
  EXPECT_EQ(Sample("ejections_active"), 0);
}

TEST_F(OutlierEngineTest, TcpConnectionsCountByWhetherTheyOpen) {
  proxy().connect_attempt_count_max = 1;
  cluster().outlier->consecutive_5xx = 2;
  cluster().lb = config::LbPolicy::kRoundRobin;
  snapshot_->clusters[0].endpoints.resize(1);
  cluster().outlier->ejection_percent_max = 100;
  Accept(1);
  Refuse();
  Accept(1);
  Connect();  // ends the streak
  Accept(1);
  Refuse();
  EXPECT_EQ(Sample("ejections_active"), 0);
  Accept(1);
  Refuse();
  EXPECT_EQ(Sample("ejections_active"), 1);
}

}  // namespace
}  // namespace meltemi::engine
