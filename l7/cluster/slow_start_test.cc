// Goal: a host that joins takes its part little by little, by Envoy's formula, and then all of it.
// Method: a window of 100 s in virtual time; how many of a thousand requests the new host has.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "l7/cluster/cluster.h"

namespace meltemi::cluster {
namespace {

constexpr Duration kWindow = Duration::Seconds(100);
constexpr int kRequests = 1000;

class SlowStartTest : public ::testing::TestWithParam<config::LbPolicy> {
 protected:
  SlowStartTest() {
    config_.name = "c";
    config_.stable_id = 1;
    config_.lb = GetParam();
    config_.slow_start = config::SlowStart{.window = kWindow};
  }
  void AddHost(uint32_t weight = 1) {
    config::Endpoint endpoint;
    const auto n = static_cast<uint32_t>(config_.endpoints.size());
    endpoint.address = {IpAddr::V4(0x0a000000 + n), 80};
    endpoint.stable_id = n + 1;
    endpoint.weight = weight;
    config_.endpoints.push_back(endpoint);
    Update();
  }
  void Update() { cluster_.Update(config_, prng_, now_, &closing_); }
  // Three hosts that have been there for long, and one that comes now.
  void BeginWithThree() {
    for (int i = 0; i < 3; ++i) AddHost();
    now_ = now_ + Duration::Seconds(1000);
    AddHost();
  }
  // Of kRequests, those of the last host; none is under way for long.
  int OfTheLast() {
    const Host* const last = cluster_.hosts()[cluster_.member_count() - 1].get();
    int count = 0;
    for (int i = 0; i < kRequests; ++i) {
      count += cluster_.Pick({.now = now_}, prng_) == last ? 1 : 0;
    }
    return count;
  }
  // What a host with that part of its weight has beside three whole ones.
  static double Share(double part) { return kRequests * part / (3 + part); }

  config::Cluster config_;
  Cluster cluster_;
  Prng prng_{9};
  std::vector<ConnId> closing_;
  Instant now_;
};

TEST_P(SlowStartTest, GrowsLinearlyFromTheLeast) {
  BeginWithThree();
  const Instant begun = now_;
  for (const int percent : {0, 5, 10, 11, 25, 50, 75, 99}) {
    now_ = begun + kWindow * percent / 100;
    EXPECT_NEAR(OfTheLast(), Share(std::max(percent, 10) / 100.0), 2) << percent;
  }
}

TEST_P(SlowStartTest, ThenItIsAsAnyOther) {
  BeginWithThree();
  now_ = now_ + kWindow - Duration::Nanos(1);
  EXPECT_TRUE(now_ < cluster_.pools()[0].slow_until);
  now_ = now_ + Duration::Nanos(1);
  EXPECT_FALSE(now_ < cluster_.pools()[0].slow_until);
  EXPECT_NEAR(OfTheLast(), kRequests / 4,
              GetParam() == config::LbPolicy::kRoundRobin ? 1 : 60);  // by two choices: by chance
}

TEST_P(SlowStartTest, AggressionBendsTheLine) {
  for (const double aggression : {0.5, 2.0, 4.0}) {
    config_.endpoints.clear();
    Update();
    config_.slow_start->aggression = aggression;
    BeginWithThree();
    now_ = now_ + kWindow / 2;
    EXPECT_NEAR(OfTheLast(), Share(std::pow(0.5, 1 / aggression)), 2) << aggression;
  }
}

TEST_P(SlowStartTest, TheLeastIsConfigured) {
  config_.slow_start->min_weight_percent = 40;
  BeginWithThree();
  EXPECT_NEAR(OfTheLast(), Share(0.4), 2);
}

TEST_P(SlowStartTest, WeightsAreKept) {
  for (int i = 0; i < 3; ++i) AddHost();
  now_ = now_ + Duration::Seconds(1000);
  AddHost(/*weight=*/6);
  now_ = now_ + kWindow / 2;
  EXPECT_NEAR(OfTheLast(), Share(3), 2);
}

// All of a new cluster start alike: nobody is slow beside the others.
TEST_P(SlowStartTest, AClusterThatIsNewIsEven) {
  for (int i = 0; i < 4; ++i) AddHost();
  EXPECT_NEAR(OfTheLast(), kRequests / 4, 2);
}

TEST_P(SlowStartTest, AnUpdateDoesNotBeginAnew) {
  BeginWithThree();
  now_ = now_ + kWindow / 2;
  Update();
  EXPECT_NEAR(OfTheLast(), Share(0.5), 2);
}

TEST_P(SlowStartTest, BeginsWhenChecksPass) {
  config_.health_check.emplace();
  config_.panic_percent = 0;
  BeginWithThree();
  const auto check = [this](size_t i, bool failed) {
    cluster_.SetChecked(cluster_.hosts()[i].get(), failed, /*degraded=*/false);
    cluster_.Follow(now_, &closing_);
  };
  for (size_t i = 0; i < 3; ++i) check(i, false);
  now_ = now_ + Duration::Seconds(1000);  // longer than the window: it has not passed yet
  EXPECT_EQ(OfTheLast(), 0);
  check(3, false);
  now_ = now_ + kWindow / 4;
  EXPECT_NEAR(OfTheLast(), Share(0.25), 2);
  check(3, true);
  EXPECT_EQ(OfTheLast(), 0);
  now_ = now_ + kWindow;
  check(3, false);
  now_ = now_ + kWindow / 2;
  EXPECT_NEAR(OfTheLast(), Share(0.5), 2);
}

INSTANTIATE_TEST_SUITE_P(Balancers, SlowStartTest,
                         ::testing::Values(config::LbPolicy::kRoundRobin,
                                           config::LbPolicy::kLeastRequest),
                         [](const auto& info) {
                           return info.param == config::LbPolicy::kRoundRobin ? "RoundRobin"
                                                                              : "LeastRequest";
                         });

class OtherBalancer : public SlowStartTest {};
TEST_P(OtherBalancer, HasNone) {
  BeginWithThree();
  EXPECT_NEAR(OfTheLast(), kRequests / 4, 60);
}
INSTANTIATE_TEST_SUITE_P(Balancers, OtherBalancer, ::testing::Values(config::LbPolicy::kRandom));

}  // namespace
}  // namespace meltemi::cluster
