// Goal: a session is found from both sides, ends when it must, and their number is bounded.
#include "dataplane/udp/sessions.h"

#include <gtest/gtest.h>

namespace meltemi::udp {
namespace {

constexpr Duration kIdle = Duration::Seconds(60);

class SessionsTest : public ::testing::Test {
 protected:
  static SockAddr At(std::string_view ip, uint16_t port) { return {*IpAddr::Parse(ip), port}; }

  Session* Open(uint16_t n) {
    return sessions_.Open({.client = At("10.1.0.5", n),
                           .service = service_,
                           .local = At("172.16.0.1", n),
                           .endpoint = endpoint_,
                           .idle_timeout = kIdle,
                           .stats = sessions_.StatsOf("dns")},
                          now_);
  }
  Session* Find(uint16_t n) { return sessions_.Find(At("10.1.0.5", n), service_); }
  void Advance(Duration d) {
    now_ = now_ + d;
    timers_.Advance(now_, [this](Timer& timer) { sessions_.OnTimer(timer, now_); });
  }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_{now_};
  Sessions sessions_{3, &timers_};
  const SockAddr service_ = At("10.96.0.10", 53), endpoint_ = At("10.2.0.7", 5353);
};

TEST_F(SessionsTest, IsFoundFromBothSides) {
  Session* session = Open(1000);
  EXPECT_EQ(Find(1000), session);
  EXPECT_EQ(sessions_.FindReply(At("172.16.0.1", 1000), endpoint_), session);
  EXPECT_EQ(Find(1001), nullptr);
  EXPECT_EQ(sessions_.FindReply(At("172.16.0.1", 1000), service_), nullptr);
  sessions_.Close(session);
  EXPECT_EQ(Find(1000), nullptr);
  EXPECT_EQ(sessions_.FindReply(At("172.16.0.1", 1000), endpoint_), nullptr);
  EXPECT_EQ(timers_.size(), 0u);
}

TEST_F(SessionsTest, EndsAfterTheIdleTimeAndNotBefore) {
  Open(1000);
  Advance(kIdle - Duration::Millis(1));
  ASSERT_NE(Find(1000), nullptr);
  sessions_.Touch(Find(1000), now_);
  Advance(kIdle - Duration::Millis(1));
  ASSERT_NE(Find(1000), nullptr);
  Advance(Duration::Millis(2));
  EXPECT_EQ(Find(1000), nullptr);
  EXPECT_EQ(sessions_.counters().sessions_idle, 1u);
  EXPECT_EQ(sessions_.stats(0).idle_timeout, 1u);
  EXPECT_EQ(sessions_.stats(0).sess_active, 0u);
}

TEST_F(SessionsTest, TheLongestSilentMakesRoomForOneMoreThanThereMayBe) {
  for (const uint16_t n : {1, 2, 3}) {
    Open(n);
    Advance(Duration::Seconds(1));
  }
  EXPECT_EQ(sessions_.counters().sessions_evicted, 0u);
  sessions_.Touch(Find(1), now_);
  Open(4);
  EXPECT_EQ(sessions_.count(), 3u);
  EXPECT_EQ(sessions_.counters().sessions_evicted, 1u);
  EXPECT_EQ(Find(2), nullptr);
  EXPECT_NE(Find(1), nullptr);
  EXPECT_NE(Find(3), nullptr);
}

TEST_F(SessionsTest, StatisticsAreEnvoysAndOutliveSessions) {
  Session* session = Open(1);
  sessions_.stats(session->stats).rx_datagrams = 7;
  sessions_.Close(session);
  EXPECT_EQ(sessions_.StatsOf("dns"), 0u);
  EXPECT_EQ(sessions_.StatsOf("log"), 1u);
  std::vector<telemetry::Sample> samples;
  sessions_.AppendSamples(&samples);
  ASSERT_EQ(samples.size(), 16u);
  EXPECT_EQ(samples[0].name, "envoy_udp_downstream_sess_total");
  EXPECT_EQ(samples[0].labels, "envoy_udp_prefix=\"dns\"");
  EXPECT_EQ(samples[0].value, 1);
  EXPECT_EQ(samples[4].name, "envoy_udp_downstream_sess_rx_datagrams");
  EXPECT_EQ(samples[4].value, 7);
}

}  // namespace
}  // namespace meltemi::udp
