// The circuit breaker's limits are the node's: what other workers have counts here, at n-1, n and
// n+1, and everything that ends gives back what it had (the fixture looks at the end of each test).
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

constexpr char kOverflow[] = "503 UO upstream_reset_before_response_started{overflow}";

class BreakerTest : public EngineTest {
 protected:
  // A request on a connection of its own.
  ConnId Ask() {
    const ConnId down = Accept();
    Send(down, Get());
    return down;
  }
  double Open(const std::string& what) {
    return Sample("envoy_cluster_circuit_breakers_default_" + what + "_open");
  }
  Elsewhere other_{&board_};
};

TEST_F(BreakerTest, RequestsOfAllWorkersAreOneCount) {
  cluster().breaker.requests_max = 3;
  other_.requests().Add(1);
  Ask();
  EXPECT_EQ(other_.requests().Load(), 2u);  // n-1
  EXPECT_EQ(Open("rq"), 0);
  const ConnId second = Ask();
  EXPECT_EQ(other_.requests().Load(), 3u);  // n
  EXPECT_EQ(Open("rq"), 1);
  const ConnId third = Ask();  // n+1
  EXPECT_EQ(other_.requests().Load(), 3u);
  EXPECT_EQ(LastRecord(), kOverflow);
  EXPECT_EQ(HeaderOf(Take(third), "x-envoy-overloaded"), "true");
  EXPECT_EQ(Sample("envoy_cluster_upstream_rq_pending_overflow"), 1);
  Closed(second);
  EXPECT_EQ(other_.requests().Load(), 2u);
  other_.requests().Subtract(1);
  EXPECT_EQ(Sample("envoy_cluster_upstream_rq_active"), 1);
  Ask();
  EXPECT_EQ(other_.requests().Load(), 2u);
}

TEST_F(BreakerTest, PendingRequestsOfAllWorkersAreOneCount) {
  cluster().breaker.pending_max = 2;
  other_.pending().Add(1);
  Ask();
  EXPECT_EQ(other_.pending().Load(), 2u);
  Ask();
  EXPECT_EQ(LastRecord(), kOverflow);
  Connect();  // the first does not wait any more
  EXPECT_EQ(other_.pending().Load(), 1u);
  Ask();
  EXPECT_EQ(other_.pending().Load(), 2u);
  Refuse();
  EXPECT_EQ(other_.pending().Load(), 1u);
  other_.pending().Subtract(1);
}

// Goal: who waits for a connection keeps its place when others would take all that is left.
TEST_F(BreakerTest, WhoWaitsKeepsItsPlace) {
  cluster().breaker.connections_max = 1;
  cluster().breaker.pending_max = 2;
  Ask();
  const ConnId waits = Ask();
  EXPECT_EQ(other_.pending().Load(), 2u);
  const ConnId up = Connect();
  other_.pending().Add(1);  // n again
  Closed(up);               // frees the connection: the second asks for one
  EXPECT_EQ(Take(waits), "");
  EXPECT_EQ(other_.pending().Load(), 2u);
  const ConnId again = Connect();
  EXPECT_EQ(Take(again).substr(0, 5), "GET /");
  other_.pending().Subtract(1);
}

TEST_F(BreakerTest, ConnectionsOfAllWorkersAreOneCount) {
  cluster().breaker.connections_max = 3;
  other_.connections().Add(1);
  Ask();
  Ask();
  EXPECT_EQ(other_.connections().Load(), 3u);
  EXPECT_EQ(Open("cx"), 1);
  Ask();  // waits for one of the two
  EXPECT_EQ(connecting_.size(), 2u);
  EXPECT_EQ(Sample("envoy_cluster_upstream_cx_overflow"), 1);
  other_.connections().Subtract(1);
  Ask();
  EXPECT_EQ(connecting_.size(), 3u);
}

// Goal: Envoy's rule that a host without a connection gets one, whatever others have.
TEST_F(BreakerTest, OneConnectionIsAlwaysAllowed) {
  cluster().breaker.connections_max = 1;
  other_.connections().Add(1);
  Ask();
  EXPECT_EQ(connecting_.size(), 1u);
  EXPECT_EQ(other_.connections().Load(), 2u);
  EXPECT_EQ(Sample("envoy_cluster_upstream_cx_overflow"), 1);
  Ask();
  EXPECT_EQ(connecting_.size(), 1u);
  other_.connections().Subtract(1);
}

TEST_F(BreakerTest, TcpConnectionsNeverPassTheLimit) {
  cluster().breaker.connections_max = 2;
  other_.connections().Add(1);
  Accept(1);
  EXPECT_EQ(other_.connections().Load(), 2u);
  Accept(1);
  EXPECT_EQ(connecting_.size(), 1u);
  EXPECT_EQ(Sample("envoy_cluster_upstream_cx_overflow"), 1);
  Refuse();
  EXPECT_EQ(other_.connections().Load(), 1u);
  Accept(1);
  EXPECT_EQ(connecting_.size(), 1u);
  other_.connections().Subtract(1);
}

TEST_F(BreakerTest, RetriesOfAllWorkersAreOneCount) {
  cluster().breaker.retries_max = 2;
  retry().on = config::RetryPolicy::kConnectFailure;
  retry().retry_count_max = 1;
  other_.retries().Add(1);
  const ConnId first = Ask();
  Refuse();
  EXPECT_EQ(other_.retries().Load(), 2u);
  Ask();
  Refuse();
  EXPECT_EQ(LastRecord(), "503 UF,UO upstream_reset_before_response_started{connection_failure}");
  EXPECT_EQ(Sample("envoy_cluster_upstream_rq_retry_overflow"), 1);
  Closed(first);
  EXPECT_EQ(other_.retries().Load(), 1u);
  other_.retries().Subtract(1);
}

// Goal: a budget is a share of the requests of all workers: 50 of 100 of 3, and so 1.
TEST_F(BreakerTest, RetryBudgetIsAShareOfTheNodesRequests) {
  cluster().breaker = {.requests_max = UINT32_MAX};
  cluster().breaker.retry_budget = {.percent = 50, .retries_min = 0};
  retry().on = config::RetryPolicy::kConnectFailure;
  retry().retry_count_max = 1;
  Ask();
  Refuse();  // of one request: none
  EXPECT_EQ(other_.retries().Load(), 0u);
  other_.requests().Add(1);
  Ask();
  Refuse();  // of two: one
  EXPECT_EQ(other_.retries().Load(), 1u);
  other_.requests().Subtract(1);
}

// Goal: without limits no request touches what others read.
TEST_F(BreakerTest, WithoutLimitsNothingIsShared) {
  cluster().breaker = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, std::nullopt};
  Ask();
  Ask();
  for (SharedCell* const cell : other_.cells()) EXPECT_EQ(cell->Load(), 0u);
  EXPECT_EQ(Open("rq"), -1);
}

// Goal: counts go along with the cluster of the same name, and leave with a removed one's requests.
TEST_F(BreakerTest, CountsFollowTheConfiguration) {
  Ask();
  EXPECT_EQ(other_.requests().Load(), 1u);
  auto unlimited = MakeSnapshot(2, 1);
  unlimited->clusters[0].breaker = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, std::nullopt};
  Use(unlimited.get());
  EXPECT_EQ(other_.requests().Load(), 0u);
  Ask();
  auto limited = MakeSnapshot(3, 1);
  limited->clusters[0].breaker.requests_max = 3;
  Use(limited.get());
  EXPECT_EQ(other_.requests().Load(), 2u);
  EXPECT_EQ(other_.connections().Load(), 2u);
  auto without = MakeSnapshot(4, 1);
  without->clusters.clear();
  Use(without.get());
  EXPECT_EQ(other_.requests().Load(), 2u);  // they drain
  CloseAll();
  EXPECT_EQ(other_.requests().Load(), 0u);
  snapshot_ = MakeSnapshot(5, 1);
  Use(snapshot_.get());
}

}  // namespace
}  // namespace meltemi::engine
