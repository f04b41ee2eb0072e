// Goal: hosts with errors in a row are kept out, for as long and as many as configured, and come
// back. Method: the pure parts by tables, then a cluster in virtual time. Rates: rates_test.cc; the
// workers of a node together: ejection_test.cc.
#include "l7/cluster/outlier.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "l7/cluster/cluster.h"
#include "l7/cluster/testing/endpoints.h"

namespace meltemi::cluster {
namespace {

using config::OutlierDetection;

TEST(Outlier, StatusesAreOutcomes) {
  for (const auto& [status, want] : std::map<int, Outcome>{{200, Outcome::kSuccess},
                                                           {404, Outcome::kSuccess},
                                                           {499, Outcome::kSuccess},
                                                           {500, Outcome::kServerError},
                                                           {501, Outcome::kServerError},
                                                           {502, Outcome::kGatewayError},
                                                           {504, Outcome::kGatewayError},
                                                           {505, Outcome::kServerError}}) {
    EXPECT_EQ(OutcomeOf(static_cast<uint16_t>(status)), want) << status;
  }
}

// "s", "c", "e", "g", "l": success, connected, server error, gateway error, local failure. The
// streaks that were long enough, as "5", "g", "l" in the order they were.
std::string Streaks(const OutlierDetection& config, const std::string& outcomes) {
  HostOutlier host;
  std::string found;
  for (const char c : outcomes) {
    const Outcome outcome = c == 's'   ? Outcome::kSuccess
                            : c == 'e' ? Outcome::kServerError
                            : c == 'g' ? Outcome::kGatewayError
                            : c == 'c' ? Outcome::kConnected
                                       : Outcome::kLocalFailure;
    const Detected detected = CountOutcome(config, outcome, &host);
    for (int i = 0; i < kStreaks; ++i) {
      if (detected.streak[i]) found += "5gl"[i];
    }
  }
  return found;
}

TEST(Outlier, CountsStreaks) {
  OutlierDetection together{.consecutive_5xx = 3, .consecutive_gateway = 2, .consecutive_local = 2};
  OutlierDetection split = together;
  split.split_local = true;
  OutlierDetection off;
  off.consecutive_5xx = off.consecutive_gateway = off.consecutive_local = 0;
  const struct {
    const char* name;
    const OutlierDetection& config;
    const char* outcomes;
    const char* want;
  } rows[] = {
      {"one below the threshold", together, "ee", ""},
      {"the threshold", together, "eee", "5"},
      {"begins anew", together, "eeeee", "5"},
      {"and again", together, "eeeeee", "55"},
      {"a success ends it", together, "eesee", ""},
      {"a plain 500 ends a gateway streak, not one of 5xx", together, "geg", "5"},
      {"gateway errors are 5xx too", together, "ggg", "g5"},
      {"local failures count as 503", together, "lll", "g5"},
      {"both streaks at once", together, "egg", "5g"},
      {"split: local failures are their own", split, "eel", ""},
      {"split: they do not end a streak of answers", split, "elee", "5"},
      {"split: two in a row", split, "ll", "l"},
      {"split: an answer ends them, whatever it is", split, "lel", ""},
      {"split: a success ends them", split, "lsl", ""},
      {"an open connection is a success", together, "eecee", ""},
      {"split: it is one of ours", split, "lclecee", "5"},
      {"zero is never", off, "eeeggglll", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(Streaks(row.config, row.outcomes), row.want) << row.name;
}

TEST(Outlier, EjectionsGetLongerUpToTheMaximum) {
  OutlierDetection config;
  config.base_ejection_time = Duration::Seconds(30);
  config.max_ejection_time = Duration::Seconds(100);
  EXPECT_EQ(EjectionTime(config, 1), Duration::Seconds(30));
  EXPECT_EQ(EjectionTime(config, 3), Duration::Seconds(90));
  EXPECT_EQ(EjectionTime(config, 4), Duration::Seconds(100));
  EXPECT_EQ(EjectionTime(config, UINT32_MAX), Duration::Seconds(100));
  config.max_ejection_time = Duration::Seconds(1);  // not below the base
  EXPECT_EQ(EjectionTime(config, 1), Duration::Seconds(30));
}

TEST(Outlier, CountsAnswersByOrigin) {
  const struct {
    Outcome outcome;
    // succeeded, failed of the host's; and of ours when they are split
    uint32_t together[2], external[2], local[2];
  } rows[] = {
      {Outcome::kSuccess, {1, 0}, {1, 0}, {1, 0}},
      {Outcome::kConnected, {1, 0}, {0, 0}, {1, 0}},
      {Outcome::kServerError, {0, 1}, {0, 1}, {1, 0}},
      {Outcome::kGatewayError, {0, 1}, {0, 1}, {1, 0}},
      {Outcome::kLocalFailure, {0, 1}, {0, 0}, {0, 1}},
  };
  for (const auto& row : rows) {
    const auto expect = [&](const HostOutlier& host, Origin origin, const uint32_t(&want)[2]) {
      const HostOutlier::Answers& answers = host.answers.of[static_cast<size_t>(origin)];
      EXPECT_EQ(answers.succeeded.Load(), want[0]) << static_cast<int>(row.outcome);
      EXPECT_EQ(answers.failed.Load(), want[1]) << static_cast<int>(row.outcome);
    };
    OutlierDetection config;
    HostOutlier together, split;
    CountOutcome(config, row.outcome, &together);
    expect(together, Origin::kExternal, row.together);
    expect(together, Origin::kLocal, {0, 0});
    config.split_local = true;
    CountOutcome(config, row.outcome, &split);
    expect(split, Origin::kExternal, row.external);
    expect(split, Origin::kLocal, row.local);
  }
}

TEST(Outlier, HowManyMayBeOut) {
  OutlierDetection config;
  config.ejection_percent_max = 30;
  const struct {
    uint64_t hosts;
    uint32_t most, with_one;
  } rows[] = {{0, 0, 1}, {3, 0, 1}, {4, 1, 1}, {9, 2, 2}, {10, 3, 3}, {11, 3, 3}};
  for (const auto& row : rows) {
    config.always_eject_one = false;
    EXPECT_EQ(EjectedMax(config, row.hosts), row.most) << row.hosts;
    config.always_eject_one = true;
    EXPECT_EQ(EjectedMax(config, row.hosts), row.with_one) << row.hosts;
  }
}

class OutlierTest : public ::testing::Test {
 protected:
  OutlierTest() {
    config_.name = "c";
    config_.stable_id = 1;
    config_.panic_percent = 0;  // as Istio
    config_.outlier.emplace();
    config_.outlier->consecutive_5xx = 2;
    config_.outlier->ejection_percent_max = 50;
    SetHosts(4);
  }
  OutlierDetection& outlier() { return *config_.outlier; }
  void SetHosts(uint32_t count) {
    config_.endpoints = Endpoints(count);
    Update();
  }
  void Update() { cluster_.Update(config_, prng_, now_, &closing_); }
  Host* host(size_t i) { return cluster_.hosts()[i].get(); }
  void Report(size_t i, Outcome outcome, int count = 1) {
    for (int n = 0; n < count; ++n) cluster_.Report(host(i), outcome, prng_, now_);
  }
  // Virtual time, looked at only when the cluster asks for it.
  void Advance(Duration d) {
    const Instant end = now_ + d;
    while (cluster_.next_look() <= end) {
      now_ = cluster_.next_look();
      cluster_.LookAgain(prng_, now_);
    }
    now_ = end;
  }
  // The hosts that are picked, "0123".
  std::string Picked() {
    std::string picked(4, ' ');
    for (int i = 0; i < 40; ++i) {
      if (const Host* h = cluster_.Pick({}, prng_)) {
        const uint32_t n = h->address.ip.v4_host_order() & 255;
        picked[n] = static_cast<char>('0' + n);
      }
    }
    std::erase(picked, ' ');
    return picked;
  }

  config::Cluster config_;
  Cluster cluster_;
  Prng prng_{5};
  std::vector<ConnId> closing_;
  Instant now_;
};

TEST_F(OutlierTest, AnEjectedHostIsNotPickedUntilItsTimeIsOver) {
  Report(1, Outcome::kServerError);
  EXPECT_EQ(Picked(), "0123");
  Report(1, Outcome::kServerError);
  EXPECT_EQ(Picked(), "023");
  EXPECT_EQ(cluster_.ejected_count(), 1u);
  EXPECT_EQ(cluster_.healthy_count(), 3u);
  Advance(Duration::Seconds(30) - Duration::Nanos(1));
  EXPECT_EQ(Picked(), "023");
  Advance(Duration::Nanos(1));
  EXPECT_EQ(Picked(), "0123");
  EXPECT_EQ(cluster_.ejected_count(), 0u);
}

TEST_F(OutlierTest, LooksOncePerIntervalOnly) {
  outlier().base_ejection_time = Duration::Seconds(11);
  Update();
  Report(0, Outcome::kServerError, 2);
  Advance(Duration::Seconds(19));
  EXPECT_EQ(Picked(), "123");
  Advance(Duration::Seconds(1));
  EXPECT_EQ(Picked(), "0123");
}

TEST_F(OutlierTest, TheSecondTimeIsTwiceAsLong) {
  Report(0, Outcome::kServerError, 2);
  Advance(Duration::Seconds(30));
  Report(0, Outcome::kServerError, 2);
  Advance(Duration::Seconds(59));
  EXPECT_EQ(Picked(), "123");
  Advance(Duration::Seconds(1));
  EXPECT_EQ(Picked(), "0123");
}

TEST_F(OutlierTest, EachIntervalInHealthForgetsOneEjection) {
  Report(0, Outcome::kServerError, 2);
  Advance(Duration::Seconds(30));
  EXPECT_EQ(host(0)->node->outlier.ejections.Load(), 1u);
  Advance(Duration::Seconds(10));
  EXPECT_EQ(host(0)->node->outlier.ejections.Load(), 0u);
  Advance(Duration::Seconds(10));
  EXPECT_EQ(host(0)->node->outlier.ejections.Load(), 0u);
  Report(0, Outcome::kServerError, 2);
  Advance(Duration::Seconds(30));
  EXPECT_EQ(Picked(), "0123");
}

TEST_F(OutlierTest, NoMoreThanTheShareIsEjected) {
  for (size_t i = 0; i < 4; ++i) Report(i, Outcome::kServerError, 2);
  EXPECT_EQ(Picked(), "23");  // n: half of four
  EXPECT_EQ(cluster_.outlier_stats.overflow, 2u);
  EXPECT_EQ(cluster_.outlier_stats.enforced_total, 2u);
  EXPECT_EQ(cluster_.outlier_stats.detected[0], 4u);
}

TEST_F(OutlierTest, TenPercentOfFourIsNobody) {
  outlier().ejection_percent_max = 10;
  Update();
  Report(0, Outcome::kServerError, 2);
  EXPECT_EQ(Picked(), "0123");
  outlier().always_eject_one = true;
  Update();
  Report(0, Outcome::kServerError, 2);
  Report(1, Outcome::kServerError, 2);
  EXPECT_EQ(Picked(), "123");
}

TEST_F(OutlierTest, AllEjectedIsNoHealthyUpstreamUnlessThereIsPanic) {
  outlier().ejection_percent_max = 100;
  Update();
  for (size_t i = 0; i < 4; ++i) Report(i, Outcome::kServerError, 2);
  EXPECT_EQ(Picked(), "");
  EXPECT_EQ(cluster_.Pick({}, prng_), nullptr);
  config_.panic_percent = 50;
  Update();
  EXPECT_EQ(Picked(), "0123");
  EXPECT_TRUE(cluster_.in_panic());
}

TEST_F(OutlierTest, EnforcingZeroDetectsOnly) {
  outlier().consecutive_gateway = 2;
  outlier().consecutive_5xx = 0;
  Update();
  Report(0, Outcome::kGatewayError, 2);
  EXPECT_EQ(Picked(), "0123");
  EXPECT_EQ(cluster_.outlier_stats.detected[1], 1u);
  outlier().enforcing_gateway = 100;
  Update();
  Report(0, Outcome::kGatewayError, 2);
  EXPECT_EQ(Picked(), "123");
}

TEST_F(OutlierTest, EnforcingHalfEjectsHalf) {
  outlier().enforcing_5xx = 50;
  outlier().ejection_percent_max = 100;
  outlier().base_ejection_time = outlier().interval;
  Update();
  constexpr uint64_t kRounds = 1000;
  for (uint64_t i = 0; i < kRounds; ++i) {
    Report(0, Outcome::kServerError, 2);
    Advance(Duration::Seconds(3000));
  }
  EXPECT_EQ(cluster_.outlier_stats.detected[0], kRounds);
  EXPECT_NEAR(static_cast<double>(cluster_.outlier_stats.enforced[0]), kRounds / 2, 60);
}

TEST_F(OutlierTest, AnUpdateKeepsEjectionsAndSwitchingOffEndsThem) {
  Report(0, Outcome::kServerError, 2);
  SetHosts(3);
  EXPECT_EQ(Picked(), "12");
  EXPECT_EQ(cluster_.ejected_count(), 1u);
  config_.outlier.reset();
  Update();
  EXPECT_EQ(Picked(), "012");
  EXPECT_TRUE(cluster_.next_look().never());
  Report(0, Outcome::kServerError, 5);
  EXPECT_EQ(Picked(), "012");
}

TEST_F(OutlierTest, ARemovedHostIsNotEjected) {
  Host* const gone = host(3);
  gone->rq_active = 1;  // keeps it until its request is over
  SetHosts(3);
  cluster_.Report(gone, Outcome::kServerError, prng_, now_);
  cluster_.Report(gone, Outcome::kServerError, prng_, now_);
  EXPECT_EQ(cluster_.outlier_stats.enforced_total, 0u);
  gone->rq_active = 0;
}

TEST_F(OutlierTest, ARemovedHostGivesItsPlaceBack) {
  Report(3, Outcome::kServerError, 2);
  EXPECT_EQ(cluster_.ejected_count(), 1u);
  SetHosts(3);
  EXPECT_EQ(cluster_.ejected_count(), 0u);
  SetHosts(4);  // the same address, known anew
  EXPECT_EQ(Picked(), "0123");
}

TEST_F(OutlierTest, JitterMakesItLongerByUpToSoMuch) {
  outlier().max_ejection_time_jitter = Duration::Seconds(20);
  outlier().interval = Duration::Millis(1);
  outlier().max_ejection_time = outlier().base_ejection_time;
  Update();
  Duration shortest = Duration::Max(), longest;
  for (int i = 0; i < 40; ++i) {
    Report(0, Outcome::kServerError, 2);
    const Instant begun = now_;
    while (cluster_.ejected_count() > 0) Advance(Duration::Millis(1));
    shortest = std::min(shortest, now_ - begun);
    longest = std::max(longest, now_ - begun);
  }
  EXPECT_GE(shortest, Duration::Seconds(30));
  EXPECT_LT(shortest, Duration::Seconds(34));
  EXPECT_GT(longest, Duration::Seconds(46));
  EXPECT_LE(longest, Duration::Seconds(50) + Duration::Millis(1));
}

TEST_F(OutlierTest, APassedCheckBringsItBackUnlessToldNotTo) {
  config_.health_check.emplace();
  Update();
  const auto unejects = [this] {
    Report(0, Outcome::kServerError, 2);
    EXPECT_EQ(cluster_.ejected_count(), 1u);
    return cluster_.PassedCheck(host(0), now_);
  };
  EXPECT_TRUE(unejects());
  EXPECT_EQ(Picked(), "0123");
  EXPECT_FALSE(cluster_.PassedCheck(host(0), now_));  // it was not out
  Report(0, Outcome::kServerError);                   // its streaks were forgotten
  EXPECT_EQ(cluster_.ejected_count(), 0u);
  outlier().check_unejects = false;
  Update();
  EXPECT_FALSE(unejects());
  EXPECT_EQ(Picked(), "123");
}

TEST_F(OutlierTest, APassedCheckIsNotEnoughWhileOthersAreWanted) {
  config_.health_check.emplace();
  Update();
  Report(0, Outcome::kServerError, 2);
  cluster_.SetChecked(host(0), /*failed=*/true, /*degraded=*/false);
  EXPECT_FALSE(cluster_.PassedCheck(host(0), now_));
  cluster_.SetChecked(host(0), /*failed=*/false, /*degraded=*/false);
  EXPECT_TRUE(cluster_.PassedCheck(host(0), now_));
}

TEST_F(OutlierTest, ClusterSetLooksAtTheEarliest) {
  ClusterSet set;
  config::Snapshot snapshot;
  for (uint32_t id : {1u, 2u}) {
    config::Cluster config = config_;
    config.stable_id = id;
    for (config::Endpoint& endpoint : config.endpoints) endpoint.stable_id += 10 * id;
    config.outlier->interval = Duration::Seconds(id * 20);
    snapshot.clusters.push_back(std::move(config));
  }
  set.Update(snapshot, prng_, now_, &closing_);
  for (uint32_t id : {2u, 1u}) {
    Cluster* cluster = set.Find(id);
    for (int i = 0; i < 2; ++i) {
      cluster->Report(cluster->hosts()[0].get(), Outcome::kServerError, prng_, now_);
    }
  }
  EXPECT_EQ(set.next_look(), now_ + Duration::Seconds(20));
  set.LookAgain(prng_, now_ + Duration::Seconds(20));
  EXPECT_EQ(set.next_look(), now_ + Duration::Seconds(40));
  set.LookAgain(prng_, now_ + Duration::Seconds(40));  // both: each has its host back
  EXPECT_EQ(set.Find(1)->ejected_count(), 0u);
  EXPECT_EQ(set.Find(2)->ejected_count(), 0u);
  for (config::Cluster& cluster : snapshot.clusters) cluster.outlier.reset();
  set.Update(snapshot, prng_, now_, &closing_);
  EXPECT_TRUE(set.next_look().never());
}

}  // namespace
}  // namespace meltemi::cluster
