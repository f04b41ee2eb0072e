// The window: CUBIC's curve and its Reno-friendly region, idle time, undo.
#include "dataplane/tcp/congestion.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace meltemi::tcp {
namespace {

Instant At(int64_t ms) { return Instant::FromNanos(1'000'000'000 + ms * 1'000'000); }

TEST(Cubic, FastConvergenceGivesWay) {
  // RFC 9438 4.7: a loss below the last maximum lowers it by more.
  Cubic c;
  c.OnLoss(100'000, 100'000, 1000);
  EXPECT_FLOAT_EQ(c.w_max, 100);
  c.OnLoss(80'000, 80'000, 1000);
  EXPECT_FLOAT_EQ(c.w_max, 80 * 0.85F);
  EXPECT_FLOAT_EQ(c.cwnd_prior, 80);
}

TEST(Cubic, AfterATimeoutTheCurveBeginsAtItsPlateau) {
  // RFC 9438 4.8: K = 0, W_max = cwnd when congestion avoidance begins.
  Cubic c;
  EXPECT_EQ(c.OnTimeout(100'000, 100'000, 1000), 70'000u);
  uint32_t credit = 0;
  c.Grow(70'000, 1000, 1000, Duration::Millis(10), At(5000), &credit);
  EXPECT_FLOAT_EQ(c.w_max, 70);
  EXPECT_NEAR((At(5000) - c.plateau).seconds(), 0, 0.002);
}

// A window of ACKs at once, a round trip later.
void Round(Congestion* c, Duration rtt, Instant* now) {
  for (uint32_t left = c->cwnd / 1000; left > 0; --left) c->OnAcked(1000, 1000, rtt, *now);
  *now = *now + rtt;
}

TEST(Cubic, IsAsFastAsRenoWhereRenoIsFaster) {
  // RFC 9438 4.3: small windows, round trips of 50 ms: alpha = 0.53 segments a round trip until the
  // window at the loss is reached, 1 after it; in whole segments.
  Congestion c;
  c.cwnd = 20'000;
  c.ssthresh = 1;
  c.OnLoss(20'000, 1000);
  EXPECT_EQ(c.cwnd, 14'000u);
  Instant now = At(0);
  const Duration rtt = Duration::Millis(50);
  for (int round = 0; round < 10; ++round) Round(&c, rtt, &now);
  EXPECT_EQ(c.cwnd, 18'000u);  // W_est is 14 + 10 * 0.53, and cwnd is there a round trip later
  while (c.cwnd < 22'000) Round(&c, rtt, &now);
  for (int round = 0; round < 5; ++round) Round(&c, rtt, &now);
  EXPECT_EQ(c.cwnd, 27'000u);
}

TEST(Cubic, LooksAgainAfter31Milliseconds) {
  // While the window does not grow: of a round trip of 1 ms it stands still that long after a loss,
  // and then grows by half of it at most.
  Congestion c;
  c.cwnd = 20'000;
  c.ssthresh = 1;
  c.OnLoss(20'000, 1000);
  Instant now = At(0);
  const Duration rtt = Duration::Millis(1);
  for (int round = 0; round < 31; ++round) Round(&c, rtt, &now);
  EXPECT_EQ(c.cwnd, 14'000u);
  for (int round = 31; round < 34; ++round) Round(&c, rtt, &now);
  EXPECT_GT(c.cwnd, 20'000u);
  EXPECT_LE(c.cwnd, 14'000u * 27 / 8);
}

TEST(Cubic, GrowsByNoBurstWhenNothingWasAskedForBefore) {
  // What was acknowledged meanwhile counts for one segment, however much it was.
  Congestion c;
  c.cwnd = 100'000;
  c.OnTimeout(100'000, 1000, true);
  c.cwnd = c.ssthresh;
  EXPECT_EQ(c.cwnd, 70'000u);
  Instant now = At(0);
  const Duration rtt = Duration::Millis(10);
  for (int round = 0; round < 4; ++round) Round(&c, rtt, &now);
  EXPECT_EQ(c.cwnd, 70'000u);
  c.OnAcked(1000, 1000, rtt, now);  // W_est is 72
  EXPECT_EQ(c.cwnd, 71'000u);
  for (int ack = 0; ack < 68; ++ack) c.OnAcked(1000, 1000, rtt, now);
  EXPECT_EQ(c.cwnd, 71'000u);
}

TEST(Cubic, ALargeWindowGrowsToo) {
  // Steps of W_est that a float of so large a value would swallow.
  Congestion c;
  c.cwnd = 20'000'000;
  c.ssthresh = 1;
  c.OnLoss(20'000'000, 1000);
  Instant now = At(0);
  for (int round = 0; round < 100; ++round) Round(&c, Duration::Millis(1), &now);
  EXPECT_NEAR(c.cwnd, 14'000'000 + 100 * 529, 25'000);
}

TEST(Cubic, IdleTimeIsNoTimeOfTheCurve) {
  // RFC 9438 5.8.
  Congestion c;
  c.cwnd = 100'000;
  c.ssthresh = 1;
  c.OnLoss(100'000, 1000);
  c.OnAcked(1000, 1000, Duration::Millis(100), At(0));
  Congestion d = c;
  EXPECT_FALSE(d.OnIdle(1000, Duration::Millis(150), Duration::Millis(200)));
  c.OnAcked(1000, 1000, Duration::Millis(100), At(100));
  d.OnAcked(1000, 1000, Duration::Millis(100), At(250));
  EXPECT_EQ(c.cwnd, d.cwnd);
}

TEST(Congestion, WhatWasLetOutBeyondTheWindowIsNotCounted) {
  // RFC 5681 3.2 (2): FlightSize at n-1, n and n+1 of the window.
  for (const uint32_t flight : {99'000u, 100'000u, 101'000u, 200'000u}) {
    Congestion c;
    c.algorithm = CongestionAlgorithm::kNewReno;
    c.cwnd = 100'000;
    c.OnLoss(flight, 1000);
    EXPECT_EQ(c.cwnd, std::min(flight, 100'000u) / 2) << flight;
  }
}

TEST(Congestion, HalvesForEachRtoOfIdleness) {
  // RFC 2861 and 7661, not below the initial window (5681 4.1).
  const struct {
    int64_t idle_ms;
    uint32_t cwnd;
  } rows[] = {{199, 100'000}, {200, 100'000}, {201, 50'000}, {401, 25'000}, {2000, 10'000}};
  for (const auto& row : rows) {
    Congestion c;
    c.cwnd = 100'000;
    c.OnIdle(1000, Duration::Millis(row.idle_ms), Duration::Millis(200));
    EXPECT_EQ(c.cwnd, row.cwnd) << row.idle_ms;
  }
  Congestion small;
  small.cwnd = 3000;
  small.ssthresh = 1000;
  EXPECT_FALSE(small.OnIdle(1000, Duration::Seconds(9), Duration::Millis(200)));
  EXPECT_EQ(small.cwnd, 3000u);
  EXPECT_EQ(small.ssthresh, 2250u);  // most of what was known
}

TEST(Congestion, UndoGivesBackWhatWasThereAndKeepsWhatHasGrown) {
  Congestion c;
  c.cwnd = 50'000;
  const Congestion before = c;
  c.OnTimeout(50'000, 1000, true);
  EXPECT_EQ(c.cwnd, 1000u);
  c.Undo(before);
  EXPECT_EQ(c.cwnd, 50'000u);
  EXPECT_EQ(c.ssthresh, UINT32_MAX);
  c.OnTimeout(50'000, 1000, true);
  c.cwnd = 60'000;
  c.Undo(before);
  EXPECT_EQ(c.cwnd, 60'000u);
}

}  // namespace
}  // namespace meltemi::tcp
