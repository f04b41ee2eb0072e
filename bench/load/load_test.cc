// Generator and backend against each other over a wire in memory, on a virtual clock: no proxy
// between, no device, no thread.
#include <string>

#include "bench/load/backend.h"
#include "bench/load/generator.h"
#include "bench/load/report.h"
#include "bench/load/stack.h"
#include "bench/load/testing_both.h"
#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"

namespace meltemi::load {
namespace {

TEST(Load, OpenLoopKeepsItsRateAndTimesTheRoundTrip) {
  Both both({.response_bytes = 64});
  const RunResult r = both.Run({.connections = 8,
                                .rate = 10'000,
                                .warmup = Duration::Millis(100),
                                .duration = Duration::Seconds(1)});
  EXPECT_EQ("", r.problem);
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_NEAR(10'000, static_cast<double>(r.requests), 2);
  EXPECT_EQ(10'000u, r.latency.count());
  EXPECT_EQ(r.requests * 64, r.body_bytes);
  // Two wires of 50 us, and up to two steps of 10 us.
  EXPECT_GE(r.latency.Percentile(0.01), Duration::Micros(100));
  EXPECT_LE(r.latency.max(), Duration::Micros(131));
  EXPECT_EQ(8u, r.connections_opened);
}

// Goal: no coordinated omission. Method: the backend stalls for 100 ms of a 1 s run at 10,000/s:
// the thousand requests meant for that time wait between 100 ms and nothing, evenly. A generator
// that waited for answers would have timed eight of them.
TEST(Load, AStallCountsForEveryRequestMeantInIt) {
  Both both({.response_bytes = 64});
  both.stall_from = both.now + Duration::Millis(500);
  both.stall_until = both.stall_from + Duration::Millis(100);
  const RunResult r =
      both.Run({.connections = 8, .rate = 10'000, .warmup = {}, .duration = Duration::Seconds(1)});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_EQ(10'000u, r.latency.count());
  EXPECT_GE(r.latency.max(), Duration::Millis(99));
  EXPECT_NEAR(50e6, static_cast<double>(r.latency.Percentile(0.95).nanos()), 15e6);
  EXPECT_LT(r.service.Percentile(0.99), Duration::Millis(1));  // as the others would tell it
}

TEST(Load, PoissonMeansTheSameRequestsForTheSameSeed) {
  const RunOptions options{.connections = 64,
                           .rate = 5'000,
                           .arrival = Arrival::kPoisson,
                           .warmup = {},
                           .duration = Duration::Seconds(1),
                           .seed = 3};
  Both a({}), b({});
  const RunResult first = a.Run(options);
  const RunResult second = b.Run(options);
  EXPECT_EQ(first.latency.count(), second.latency.count());
  EXPECT_NEAR(5'000, static_cast<double>(first.latency.count()), 5 * 71);
  EXPECT_EQ(0u, first.errors.total());
}

TEST(Load, ClosedLoopIsBoundByTheRoundTrip) {
  Both both({.response_bytes = 64});
  const RunResult r = both.Run(
      {.connections = 4, .warmup = Duration::Millis(10), .duration = Duration::Seconds(1)});
  EXPECT_EQ(0u, r.errors.total());
  // 4 connections / (2 x 50 us + steps).
  EXPECT_GT(r.requests, 30'000u);
  EXPECT_LE(r.requests, 40'000u);
  EXPECT_EQ(4u, r.connections_opened);
  EXPECT_GE(r.requests_total, r.requests);
}

TEST(Load, AConnectionForEachRequest) {
  Both both({.response_bytes = 100});
  const RunResult r = both.Run({.connections = 16,
                                .reuse = Reuse::kPerRequest,
                                .warmup = {},
                                .duration = Duration::Millis(200)});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_GT(r.requests, 4'000u);
  EXPECT_EQ(r.requests_total, r.connections_opened);
  EXPECT_EQ(0u, both.backend.connection_count());
  EXPECT_GE(r.latency.min(), Duration::Micros(200));  // the handshake is part of it
}

TEST(Load, BodiesOfAMegabyteBothWays) {
  Both both({.response_bytes = 1 << 20});
  const RunResult r = both.Run(
      {.connections = 2, .warmup = {}, .duration = Duration::Millis(20), .request_bytes = 1 << 20});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_GT(r.requests, 3u);
  EXPECT_EQ(r.requests << 20, r.body_bytes);
  EXPECT_EQ(0u, both.backend.bad_requests());
}

TEST(Load, IdleConnectionsStayOpenAfterTheirShare) {
  Both both({.response_bytes = 64, .response_delay = Duration::Millis(20)});
  const RunResult r = both.Run({.connections = 500,
                                .requests_per_connection = 1,
                                .warmup = {},
                                .duration = Duration::Millis(200)});
  EXPECT_EQ(0u, r.errors.total());
  EXPECT_EQ(500u, r.requests_total);
  EXPECT_EQ(500u, both.backend.accepted());
  EXPECT_GE(r.latency.min(), Duration::Millis(20));
}

TEST(Load, AnswersThatNeverComeAreCounted) {
  Both both({.response_bytes = 64});
  both.stall_from = both.now + Duration::Millis(500);
  const RunResult r = both.Run({.connections = 4,
                                .rate = 1'000,
                                .warmup = {},
                                .duration = Duration::Seconds(1),
                                .drain = Duration::Millis(100)});
  EXPECT_NEAR(500, static_cast<double>(r.errors.unfinished), 2);
  EXPECT_EQ(r.errors.unfinished, r.errors.total());
  EXPECT_EQ(1000u, r.latency.count());
  EXPECT_GE(r.latency.max(), Duration::Millis(590));
}

TEST(Load, NobodyThere) {
  Both both({});
  Generator generator({.target = {*IpAddr::Parse("10.0.0.2"), 81}, .connections = 2}, &both.client,
                      both.now);
  for (int i = 0; i < 3'000'000 && !generator.done(); ++i) both.Step(&generator);
  EXPECT_TRUE(generator.done());
  EXPECT_NE("", generator.result().problem);
  EXPECT_GT(generator.result().errors.connect, 2u);  // it goes on trying
}

// Goal: nothing leaks. Method: after a run in which the port, the stacks and the backend held all
// kinds of packets, all segments are back.
TEST(Load, GivesAllPacketsBack) {
  packet::HeapPacketPool pool;
  Instant now = Instant::FromNanos(1);
  {
    WirePort a(&now, Duration::Micros(50), &pool), b(&now, Duration::Micros(50), &pool);
    a.Join(&b);
    Stack client(Side("10.0.0.1", 1, 0), &a, &pool, now);
    Stack server(Side("10.0.0.2", 2, 80), &b, &pool, now);
    Backend backend({.response_bytes = 100'000}, &server);
    Generator generator({.target = {*IpAddr::Parse("10.0.0.2"), 80},
                         .connections = 8,
                         .warmup = {},
                         .duration = Duration::Seconds(1),
                         .request_bytes = 10'000},
                        &client, now);
    for (int i = 0; i < 1'000; ++i) {  // stopped in the middle
      client.Receive(now);
      generator.Turn(now);
      client.Transmit(now);
      server.Receive(now);
      backend.Turn(now);
      server.Transmit(now);
      now = now + Duration::Micros(10);
    }
    EXPECT_FALSE(generator.done());
  }
  EXPECT_EQ(0, pool.outstanding());
}

TEST(Load, TheReportsNameWhatWasRun) {
  Both both({.response_bytes = 64});
  const RunOptions options{.connections = 2,
                           .rate = 1'000,
                           .arrival = Arrival::kPoisson,
                           .warmup = {},
                           .duration = Duration::Millis(100)};
  const RunResult r = both.Run(options);
  const std::string json = ToJson(options, r, {});
  EXPECT_NE(std::string::npos, json.find("\"arrival\":\"poisson\""));
  EXPECT_NE(std::string::npos, json.find("\"p99.9\":"));
  EXPECT_EQ(std::string::npos, json.find('\n'));
  EXPECT_NE(std::string::npos, ToText(options, r, {}).find("1000 requests/s, Poisson"));
}

}  // namespace
}  // namespace meltemi::load
