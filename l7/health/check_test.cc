#include "l7/health/check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace meltemi::health {
namespace {

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() {
    config_.timeout = Duration::Seconds(1);
    config_.interval = Duration::Seconds(10);
    config_.no_traffic_interval = Duration::Seconds(60);
    config_.no_traffic_healthy_interval = Duration::Seconds(61);
    config_.unhealthy_interval = Duration::Seconds(20);
    config_.unhealthy_edge_interval = Duration::Seconds(2);
    config_.healthy_edge_interval = Duration::Seconds(3);
    config_.healthy_threshold = 3;
    config_.unhealthy_threshold = 3;
  }
  // "up" or "down", with "!" when that is new, and the wait in seconds.
  std::string Say(Result result, bool traffic = true) {
    const Check::Outcome outcome = check_.Count(config_, result, traffic, prng_);
    return std::string(check_.failed() ? "down" : "up") + (outcome.changed ? "! " : " ") +
           std::to_string(outcome.wait.nanos() / 1'000'000'000);
  }

  config::HealthCheck config_;
  Check check_{/*failed=*/true};
  Prng prng_{1};
};

TEST_F(CheckTest, FirstSuccessIsEnoughForANewHost) {
  EXPECT_EQ(Say(Result::kPass), "up! 10");
  EXPECT_EQ(Say(Result::kPass), "up 10");
}

TEST_F(CheckTest, AfterAFailureTheThresholdOfSuccessesHolds) {
  EXPECT_EQ(Say(Result::kNetwork), "down 20");
  EXPECT_EQ(Say(Result::kPass), "down 3");  // n - 2
  EXPECT_EQ(Say(Result::kPass), "down 3");  // n - 1
  EXPECT_EQ(Say(Result::kPass), "up! 10");  // n
  EXPECT_EQ(Say(Result::kPass), "up 10");   // n + 1
}

TEST_F(CheckTest, AFailureBeginsTheSuccessesAnew) {
  Say(Result::kNetwork);
  Say(Result::kPass);
  Say(Result::kPass);
  EXPECT_EQ(Say(Result::kTimeout), "down 20");
  EXPECT_EQ(Say(Result::kPass), "down 3");
  EXPECT_EQ(Say(Result::kPass), "down 3");
  EXPECT_EQ(Say(Result::kPass), "up! 10");
}

TEST_F(CheckTest, ThresholdOfFailuresWithoutAnswer) {
  Say(Result::kPass);
  EXPECT_EQ(Say(Result::kNetwork), "up 2");      // n - 2
  EXPECT_EQ(Say(Result::kTimeout), "up 2");      // n - 1
  EXPECT_EQ(Say(Result::kNetwork), "down! 20");  // n
  EXPECT_EQ(Say(Result::kNetwork), "down 20");   // n + 1
}

TEST_F(CheckTest, ASuccessBeginsTheFailuresAnew) {
  Say(Result::kPass);
  Say(Result::kFailRetriable);
  Say(Result::kFailRetriable);
  EXPECT_EQ(Say(Result::kPass), "up 10");
  EXPECT_EQ(Say(Result::kFailRetriable), "up 2");
  EXPECT_EQ(Say(Result::kFailRetriable), "up 2");
  EXPECT_EQ(Say(Result::kFailRetriable), "down! 20");
}

TEST_F(CheckTest, AnAnswerThatSaysNoNeedsNoThreshold) {
  Say(Result::kPass);
  EXPECT_EQ(Say(Result::kFail), "down! 20");
}

TEST_F(CheckTest, WithoutTrafficItAsksSeldom) {
  EXPECT_EQ(Say(Result::kNetwork, false), "down 60");
  EXPECT_EQ(Say(Result::kPass, false), "down 60");  // not healthy yet
  EXPECT_EQ(Say(Result::kPass, false), "down 60");
  EXPECT_EQ(Say(Result::kPass, false), "up! 61");
}

TEST_F(CheckTest, DegradedComesAndGoes) {
  EXPECT_EQ(Say(Result::kPassDegraded), "up! 10");
  EXPECT_TRUE(check_.degraded());
  EXPECT_EQ(Say(Result::kPassDegraded), "up 10");
  EXPECT_EQ(Say(Result::kPass), "up! 10");
  EXPECT_FALSE(check_.degraded());
}

TEST_F(CheckTest, JitterIsUniformBelowItsBound) {
  config_.interval_jitter = Duration::Seconds(1);
  config_.interval_jitter_percent = 50;
  Duration least = Duration::Seconds(100), most;
  for (int i = 0; i < 10'000; ++i) {
    const Duration wait = check_.Count(config_, Result::kPass, true, prng_).wait;
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  EXPECT_GE(least, Duration::Seconds(10));
  EXPECT_LT(least, Duration::Millis(10'300));
  EXPECT_LT(most, Duration::Seconds(16));
  EXPECT_GT(most, Duration::Millis(15'700));
  config_.initial_jitter = Duration::Seconds(2);
  for (int i = 0; i < 100; ++i) EXPECT_LT(FirstWait(config_, prng_), Duration::Seconds(2));
  config_.initial_jitter = Duration();
  EXPECT_TRUE(FirstWait(config_, prng_).zero());
}

}  // namespace
}  // namespace meltemi::health
