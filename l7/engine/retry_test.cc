// Retries: what is repeated, when, where, with which body; and fault injection.
#include "l7/engine/retry.h"

#include <algorithm>

#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

using config::RetryPolicy;

TEST(RetryPolicyText, ParsesWhatItKnows) {
  EXPECT_EQ(ParseRetryOn("5xx, reset,nonsense ,gateway-error"),
            RetryPolicy::k5xx | RetryPolicy::kReset | RetryPolicy::kGatewayError);
  EXPECT_EQ(ParseRetryOn(""), 0u);
}

TEST(RetryBackoff, IsUniformBelowTheBound) {
  RetryPlan plan;
  Prng prng(7);
  for (const auto& [retry, bound_ms] :
       {std::pair{1u, 25}, {2u, 75}, {3u, 175}, {4u, 250}, {90u, 250}}) {
    Duration low = Duration::Max(), high;
    for (int i = 0; i < 2000; ++i) {
      const Duration d = Backoff(plan, retry, prng);
      low = std::min(low, d);
      high = std::max(high, d);
    }
    EXPECT_LT(high, Duration::Millis(bound_ms)) << retry;
    EXPECT_GT(high, Duration::Millis(bound_ms) * 9 / 10) << retry;
    EXPECT_LT(low, Duration::Millis(bound_ms) / 10) << retry;
  }
}

class RetryTest : public EngineTest {
 protected:
  RetryTest() {
    snapshot_ = MakeSnapshot(1, 2);
    retry().on = RetryPolicy::k5xx | RetryPolicy::kConnectFailure;
    retry().retry_count_max = 2;
  }
  void Wait() { Advance(Duration::Millis(260)); }  // longer than any backoff
};

TEST_F(RetryTest, RepeatsAfterConnectFailure) {
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  EXPECT_EQ(Take(down), "");
  Wait();
  const ConnId up = Connect();
  Send(up, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
  EXPECT_EQ(engine().records().back().attempt_count, 2);
}

TEST_F(RetryTest, WaitsTheBackoff) {
  retry().backoff_base = Duration::Seconds(1);
  retry().backoff_max = Duration::Seconds(10);
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  int waited = 0;
  while (connecting_.empty() && waited < 1000) {
    Advance(Duration::Millis(1));
    ++waited;
  }
  EXPECT_GT(waited, 0);
  EXPECT_LE(waited, 1000);
  ASSERT_FALSE(connecting_.empty());
}

TEST_F(RetryTest, RepeatsA503AndKeepsTheConnection) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Take(up);
  Send(up, Status(503));
  EXPECT_EQ(Take(down), "");
  EXPECT_FALSE(At(up).dead());
  Wait();
  if (!connecting_.empty()) {
    Send(Connect(), Ok("1"));
  } else {
    Send(up, Ok("1"));
  }
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(RetryTest, A503WithoutItsBodyYetLosesTheConnection) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 503 X\r\ncontent-length: 5\r\n\r\na");
  EXPECT_TRUE(At(up).aborted);
  Wait();
  Send(Connect(), Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(RetryTest, LimitIsKeptAndFlagged) {
  const ConnId down = Accept();
  Send(down, Get());
  for (int i = 0; i < 3; ++i) {
    Refuse();
    Wait();
  }
  EXPECT_EQ(LastRecord(), "503 UF,URX upstream_reset_before_response_started{connection_failure}");
  EXPECT_TRUE(connecting_.empty());
  EXPECT_EQ(engine().counters().retries, 2u);
}

TEST_F(RetryTest, LastResponsePassesWhenTheLimitIsReached) {
  retry().retry_count_max = 1;
  const ConnId down = Accept();
  Send(down, Get());
  Send(Connect(), Status(503, "connection: close\r\n"));
  Wait();
  Send(Connect(), Status(500, "connection: close\r\nx-mine: 1\r\n"));
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 500);
  EXPECT_EQ(HeaderOf(response, "x-mine"), "1");
  EXPECT_EQ(LastRecord(), "500 URX via_upstream");
}

TEST_F(RetryTest, PreviousHostsAreAvoided) {
  retry().previous_hosts = true;
  retry().host_selection_attempt_count_max = 20;
  const ConnId down = Accept();
  Send(down, Get());
  const SockAddr first = At(connecting_.front()).address;
  Refuse();
  Wait();
  EXPECT_NE(At(connecting_.front()).address, first);
}

TEST_F(RetryTest, BodyIsReplayed) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 6\r\n\r\nabc");
  const ConnId up = Connect();
  EXPECT_EQ(BodyOf(Take(up)), "abc");
  Closed(up);
  Send(down, "def");
  Wait();
  const ConnId again = Connect();
  EXPECT_EQ(BodyOf(Take(again)), "abcdef");
  Send(again, Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(RetryTest, ChunkedBodyIsReplayedWithItsEnd) {
  const ConnId down = Accept();
  Send(down,
       "POST / HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n"
       "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  const ConnId up = Connect();
  Send(up, Status(503, "connection: close\r\n"));
  Wait();
  const ConnId again = Connect();
  EXPECT_EQ(BodyOf(Take(again)), "5\r\nabcde\r\n0\r\n\r\n");
}

TEST_F(RetryTest, BodyLargerThanTheBufferIsNotRepeated) {
  const ConnId down = Accept();
  const size_t size = limits::kHttpRetryBufferBytesMax + 1;
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n");
  const ConnId up = Connect();
  Send(down, std::string(size, 'x'));
  Send(up, Status(503));
  EXPECT_EQ(StatusOf(Take(down)), 503);
  EXPECT_TRUE(connecting_.empty());
}

TEST_F(RetryTest, BodyAtTheBoundIsRepeated) {
  const ConnId down = Accept();
  const size_t size = limits::kHttpRetryBufferBytesMax;
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n" +
                 std::string(size, 'x'));
  Send(Connect(), Status(503, "connection: close\r\n"));
  Wait();
  EXPECT_EQ(BodyOf(Take(Connect())).size(), size);
}

TEST_F(RetryTest, PerTryTimeoutRepeats) {
  retry().per_try_timeout = Duration::Millis(100);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  EXPECT_EQ(HeaderOf(Take(up), "x-envoy-expected-rq-timeout-ms"), "100");
  Advance(Duration::Millis(101));
  EXPECT_TRUE(At(up).aborted);
  Wait();
  Send(Connect(), Ok("1"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(RetryTest, PerTryTimeoutAtTheLimit) {
  retry().per_try_timeout = Duration::Millis(100);
  retry().retry_count_max = 0;
  const ConnId down = Accept();
  Send(down, Get());
  Connect();
  Advance(Duration::Millis(101));
  EXPECT_EQ(BodyOf(Take(down)), "upstream request timeout");
  EXPECT_EQ(LastRecord(), "504 UT upstream_per_try_timeout");
}

TEST_F(RetryTest, RouteTimeoutCoversAllAttempts) {
  forward().timeout = Duration::Millis(300);
  retry().backoff_base = retry().backoff_max = Duration::Seconds(100);
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  Advance(Duration::Millis(301));
  EXPECT_EQ(LastRecord(), "504 UT response_timeout");
}

TEST_F(RetryTest, StatusCodesThatThePolicyNames) {
  retry().on = RetryPolicy::kRetriableStatusCodes;
  retry().status_codes = {404, 429};
  const ConnId down = Accept();
  Send(down, Get());
  Send(Connect(), Status(429, "connection: close\r\n"));
  Wait();
  Send(Connect(), Status(503));
  EXPECT_EQ(StatusOf(Take(down)), 503);
}

TEST_F(RetryTest, WhatEachBitRepeats) {
  const struct {
    uint32_t on;
    int status;
    bool repeated;
  } rows[] = {
      {RetryPolicy::k5xx, 500, true},           {RetryPolicy::k5xx, 499, false},
      {RetryPolicy::kGatewayError, 500, false}, {RetryPolicy::kGatewayError, 502, true},
      {RetryPolicy::kGatewayError, 504, true},  {RetryPolicy::kRetriable4xx, 409, true},
      {RetryPolicy::kRetriable4xx, 404, false}, {RetryPolicy::kConnectFailure, 503, false},
      {RetryPolicy::kReset, 503, false},
  };
  http::HeaderBlock headers(&pool_);
  for (const auto& row : rows) {
    RetryPlan plan;
    plan.on = row.on;
    EXPECT_EQ(WantsRetry(plan, static_cast<uint16_t>(row.status), headers), row.repeated)
        << row.on << " " << row.status;
  }
  EXPECT_TRUE(WantsRetry({.on = RetryPolicy::kReset}, AttemptFailure::kTermination));
  EXPECT_FALSE(WantsRetry({.on = RetryPolicy::kConnectFailure}, AttemptFailure::kTermination));
  EXPECT_TRUE(WantsRetry({.on = RetryPolicy::kConnectFailure}, AttemptFailure::kConnect));
}

TEST_F(RetryTest, HeadersAskForRetries) {
  forward().retry.reset();
  const ConnId down = Accept();
  Send(down, Get("/", "x-envoy-retry-on: connect-failure\r\nx-envoy-max-retries: 3\r\n"));
  for (int i = 0; i < 3; ++i) {
    Refuse();
    Wait();
  }
  const ConnId up = Connect();
  const std::string request = Take(up);
  EXPECT_EQ(HeaderOf(request, "x-envoy-retry-on"), "(none)");
  EXPECT_EQ(HeaderOf(request, "x-envoy-max-retries"), "(none)");
}

TEST_F(RetryTest, BreakerBoundsRetries) {
  cluster().breaker.retries_max = 0;
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  EXPECT_EQ(LastRecord(), "503 UF,UO upstream_reset_before_response_started{connection_failure}");
}

TEST_F(RetryTest, ClientGoesAwayInTheBackoff) {
  const ConnId down = Accept();
  Send(down, Get());
  Refuse();
  Closed(down);
  Wait();
  EXPECT_TRUE(connecting_.empty());
}

class RaceTest : public EngineTest {
 protected:
  ConnId Warm(ConnId down) {
    Send(down, Get());
    const ConnId up = Connect();
    Send(up, Ok("1"));
    Take(down);
    Take(up);
    return up;
  }
};

TEST_F(RaceTest, PooledConnectionThatClosesIsReplacedUnseen) {
  const ConnId down = Accept();
  const ConnId up = Warm(down);
  Send(down, Get("/again"));
  EXPECT_NE(Take(up), "");
  Eof(up);
  const ConnId fresh = Connect();
  EXPECT_EQ(Take(fresh).substr(0, 10), "GET /again");
  Send(fresh, Ok("2"));
  EXPECT_EQ(BodyOf(Take(down)), "2");
  EXPECT_EQ(engine().counters().reuse_races, 1u);
  EXPECT_EQ(engine().counters().retries, 0u);
}

TEST_F(RaceTest, ResetCountsToo) {
  const ConnId down = Accept();
  const ConnId up = Warm(down);
  Send(down, Get("/again"));
  Closed(up);
  Send(Connect(), Ok("2"));
  EXPECT_EQ(StatusOf(Take(down)), 200);
}

TEST_F(RaceTest, OnlyOnce) {
  const ConnId down = Accept();
  const ConnId up = Warm(down);
  Send(down, Get("/again"));
  Eof(up);
  Eof(Connect());
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

TEST_F(RaceTest, PostIsNotRepeated) {
  const ConnId down = Accept();
  const ConnId up = Warm(down);
  Send(down, "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 1\r\n\r\na");
  Eof(up);
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

TEST_F(RaceTest, NotAfterTheFirstResponseByte) {
  const ConnId down = Accept();
  const ConnId up = Warm(down);
  Send(down, Get());
  Send(up, "H");
  Eof(up);
  EXPECT_EQ(LastRecord(), "503 UC upstream_reset_before_response_started{connection_termination}");
}

class FaultTest : public EngineTest {
 protected:
  config::Fault& fault() {
    if (!route().fault.has_value()) route().fault.emplace();
    return *route().fault;
  }
};

TEST_F(FaultTest, DelayHoldsTheRequest) {
  fault().delay = Duration::Seconds(2);
  fault().delay_fraction = config::Fraction{100, 100};
  const ConnId down = Accept();
  Send(down, Get());
  Advance(Duration::Millis(1'999));
  EXPECT_TRUE(connecting_.empty());
  Advance(Duration::Millis(2));
  Send(Connect(), Ok("1"));
  EXPECT_EQ(LastRecord(), "200 DI via_upstream");
}

TEST_F(FaultTest, AbortAnswersAtOnce) {
  fault().abort_status = 503;
  fault().abort_fraction = config::Fraction{100, 100};
  const ConnId down = Accept();
  Send(down, Get());
  const std::string response = Take(down);
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_EQ(BodyOf(response), "fault filter abort");
  EXPECT_EQ(LastRecord(), "503 FI fault_filter_abort");
}

TEST_F(FaultTest, DelayThenAbort) {
  fault().delay = Duration::Seconds(1);
  fault().delay_fraction = config::Fraction{100, 100};
  fault().abort_status = 555;
  fault().abort_fraction = config::Fraction{100, 100};
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(Take(down), "");
  Advance(Duration::Millis(1'001));
  EXPECT_EQ(StatusOf(Take(down)), 555);
  EXPECT_EQ(LastRecord(), "555 DI,FI fault_filter_abort");
}

TEST_F(FaultTest, HeadersChooseTheVictim) {
  fault().abort_status = 500;
  fault().abort_fraction = config::Fraction{100, 100};
  config::HeaderMatch match;
  match.name = "end-user";
  match.kind = config::HeaderMatch::Kind::kString;
  match.string.value = "jason";
  fault().headers.push_back(std::move(match));
  const ConnId down = Accept();
  Send(down, Get("/", "end-user: jason\r\n"));
  EXPECT_EQ(StatusOf(Take(down)), 500);
  Send(down, Get());
  EXPECT_EQ(connecting_.size(), 1u);
}

TEST_F(FaultTest, FractionIsKept) {
  fault().abort_status = 500;
  fault().abort_fraction = config::Fraction{10, 100};
  route().action = config::DirectResponse{200, ""};
  const ConnId down = Accept();
  for (int i = 0; i < 10'000; ++i) Send(down, Get());
  // Binomial(10000, 0.1): sigma is 30.
  EXPECT_NEAR(static_cast<double>(engine().counters().faults_aborted), 1000.0, 100.0);
}

TEST_F(FaultTest, WithoutTheFilterNothingHappens) {
  manager().fault_filter = false;
  fault().abort_status = 500;
  fault().abort_fraction = config::Fraction{100, 100};
  const ConnId down = Accept();
  Send(down, Get());
  EXPECT_EQ(connecting_.size(), 1u);
}

TEST_F(FaultTest, ClientGoesAwayInTheDelay) {
  fault().delay = Duration::Seconds(2);
  fault().delay_fraction = config::Fraction{100, 100};
  const ConnId down = Accept();
  Send(down, Get());
  Closed(down);
  EXPECT_EQ(LastRecord(), "0 DC,DI downstream_remote_disconnect");
}

TEST(RetriesMax, IsAShareOfTheRequests) {
  config::CircuitBreaker breaker{.retries_max = 7};
  EXPECT_EQ(RetriesMax(breaker, 1000), 7u);
  breaker.retry_budget.emplace();  // 20 percent, at least 3
  const struct {
    uint32_t requests, retries;
  } rows[] = {{0, 3}, {15, 3}, {19, 3}, {20, 4}, {24, 4}, {25, 5}, {1000, 200}};
  for (const auto& row : rows) EXPECT_EQ(RetriesMax(breaker, row.requests), row.retries);
  breaker.retry_budget = {.percent = 0, .retries_min = 0};
  EXPECT_EQ(RetriesMax(breaker, 1000), 0u);
  breaker.retry_budget = {.percent = 100, .retries_min = 0};
  EXPECT_EQ(RetriesMax(breaker, 1000), 1000u);
}

// Five requests under way, two of which may be retried at a time.
TEST_F(RetryTest, TheBudgetHoldsExactly) {
  retry().on = config::RetryPolicy::k5xx;
  retry().retry_count_max = 1;
  cluster().breaker.retry_budget = {.percent = 40, .retries_min = 1};
  std::vector<ConnId> downs, ups;
  for (int i = 0; i < 5; ++i) {
    downs.push_back(Accept());
    Send(downs.back(), Get());
    ups.push_back(Connect());
  }
  for (int i = 0; i < 3; ++i) Send(ups[i], Status(503));
  EXPECT_EQ(Take(downs[0]), "");
  EXPECT_EQ(Take(downs[1]), "");
  EXPECT_EQ(StatusOf(Take(downs[2])), 503);
  EXPECT_EQ(LastRecord(), "503 UO via_upstream");
  EXPECT_EQ(engine().counters().retries, 2u);
}

}  // namespace
}  // namespace meltemi::engine
