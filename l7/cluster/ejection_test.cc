// Goal: outlier detection is one of the node: what each worker sees is counted together, a host
// that one ejects is out at all, and the share is never passed. Method: two workers' clusters on
// one board in virtual time; one of them looks once an interval.
#include <gtest/gtest.h>

#include <string>

#include "l7/cluster/cluster.h"
#include "l7/cluster/testing/endpoints.h"

namespace meltemi::cluster {
namespace {

constexpr size_t kWorkers = 2;
constexpr Duration kInterval = Duration::Seconds(10);

class EjectionTest : public ::testing::Test {
 protected:
  EjectionTest() {
    config_.name = "c";
    config_.stable_id = 1;
    config_.panic_percent = 0;  // as Istio
    config_.breaker = {kNoLimit, kNoLimit, kNoLimit, kNoLimit, std::nullopt};
    config_.outlier.emplace();
    config_.outlier->consecutive_5xx = 4;
    config_.outlier->ejection_percent_max = 50;
    SetHosts(5);
  }
  config::OutlierDetection& outlier() { return *config_.outlier; }
  void SetHosts(uint32_t count) {
    config_.endpoints = Endpoints(count);
    Update();
  }
  void Update(size_t worker) { workers_[worker].Update(config_, prng_, now_, &closing_); }
  void Update() {
    for (size_t w = 0; w < kWorkers; ++w) Update(w);
  }
  void Report(size_t worker, size_t host, Outcome outcome, int count = 1) {
    for (int n = 0; n < count; ++n) {
      workers_[worker].Report(workers_[worker].hosts()[host].get(), outcome, prng_, now_);
    }
  }
  void Eject(size_t worker, size_t host) { Report(worker, host, Outcome::kServerError, 4); }
  // Every worker's next turn.
  void Follow() {
    for (Cluster& worker : workers_) worker.Follow(now_, &closing_);
  }
  void Advance(Duration d) {
    const Instant end = now_ + d;
    while (workers_[0].next_look() <= end) {
      now_ = workers_[0].next_look();
      workers_[0].LookAgain(prng_, now_);
    }
    now_ = end;
    Follow();
  }
  // The hosts that worker chooses from, "01234".
  std::string Chosen(size_t worker) {
    std::string chosen;
    for (const auto& host : workers_[worker].hosts()) {
      if (host->pool != kNoPool) chosen += static_cast<char>('0' + host->stable_id - 1);
    }
    return chosen;
  }
  uint64_t Total(uint64_t OutlierStats::*counter) const {
    uint64_t sum = 0;
    for (const Cluster& worker : workers_) sum += worker.outlier_stats.*counter;
    return sum;
  }
  uint64_t Detected(Cause cause) const {
    uint64_t sum = 0;
    for (const Cluster& worker : workers_) {
      sum += worker.outlier_stats.detected[static_cast<size_t>(cause)];
    }
    return sum;
  }

  config::Cluster config_;
  Directory board_;
  Cluster workers_[kWorkers] = {Cluster(&board_), Cluster(&board_)};
  Prng prng_{5};
  std::vector<ConnId> closing_;
  Instant now_;
};

TEST_F(EjectionTest, AStreakIsOneOfAllWorkers) {
  for (int i = 0; i < 3; ++i) Report(i % 2, 1, Outcome::kServerError);
  Report(0, 1, Outcome::kSuccess);  // whoever sees it, it is over
  for (int i = 0; i < 3; ++i) Report(i % 2, 1, Outcome::kServerError);
  EXPECT_EQ(workers_[0].ejected_count(), 0u);
  Report(1, 1, Outcome::kServerError);
  EXPECT_EQ(workers_[0].ejected_count(), 1u);
  EXPECT_EQ(Chosen(1), "0234");   // at once where it was seen
  EXPECT_EQ(Chosen(0), "01234");  // and with the next turn elsewhere
  Follow();
  EXPECT_EQ(Chosen(0), "0234");
  EXPECT_EQ(Detected(Cause::k5xx), 1u);
  EXPECT_EQ(Total(&OutlierStats::enforced_total), 1u);
}

// Of each host 120 requests, 60 at either worker; host 2 fails every other one of these. No worker
// alone has volume enough.
TEST_F(EjectionTest, AHostThatFailsHalfIsOutOfAllWorkersInTheSameInterval) {
  outlier().failure_percentage_minimum_hosts = 100;
  Update();
  for (int i = 0; i < 120; ++i) {
    for (size_t host = 0; host < 5; ++host) {
      const bool fails = host == 2 && i % 4 < 2;
      Report(i % 2, host, fails ? Outcome::kServerError : Outcome::kSuccess);
    }
  }
  Advance(kInterval - Duration::Nanos(1));
  EXPECT_EQ(Chosen(0), "01234");
  Advance(Duration::Nanos(1));
  EXPECT_EQ(Chosen(0), "0134");
  EXPECT_EQ(Chosen(1), "0134");
  EXPECT_EQ(Detected(Cause::kSuccessRate), 1u);
  EXPECT_EQ(Detected(Cause::k5xx), 0u);
  EXPECT_EQ(Total(&OutlierStats::enforced_total), 1u);
  EXPECT_EQ(Total(&OutlierStats::total), 1u);
}

TEST_F(EjectionTest, VolumeIsOfOneIntervalAndOfAllWorkers) {
  outlier().consecutive_5xx = 0;
  Update();
  const auto interval = [this](int requests_per_worker) {
    for (int i = 0; i < requests_per_worker; ++i) {
      for (size_t worker = 0; worker < kWorkers; ++worker) {
        for (size_t host = 0; host < 5; ++host) {
          Report(worker, host, host == 0 && i % 2 == 0 ? Outcome::kServerError : Outcome::kSuccess);
        }
      }
    }
    Advance(kInterval);
    return Detected(Cause::kSuccessRate);
  };
  EXPECT_EQ(interval(49), 0u);  // 98, below 100
  EXPECT_EQ(interval(49), 0u);  // not added to the last interval's
  EXPECT_EQ(interval(50), 1u);  // 100
}

TEST_F(EjectionTest, ShareOfFailuresEjectsWhenItIsEnforced) {
  const auto interval = [this] {
    for (int i = 0; i < 60; ++i) {
      for (size_t host = 0; host < 5; ++host) {
        const bool fails = host == 4 && i % 10 != 0;
        Report(i % 2, host, fails ? Outcome::kServerError : Outcome::kSuccess);
      }
    }
    Advance(kInterval);
  };
  outlier().consecutive_5xx = 0;
  outlier().success_rate_minimum_hosts = 100;
  Update();
  interval();
  EXPECT_EQ(Detected(Cause::kFailurePercentage), 1u);
  EXPECT_EQ(Chosen(1), "01234");  // Envoy's default: detected only
  outlier().enforcing_failure_percentage = 100;
  Update();
  interval();
  EXPECT_EQ(Detected(Cause::kFailurePercentage), 2u);
  EXPECT_EQ(Chosen(1), "0123");
}

TEST_F(EjectionTest, OurOwnFailuresHaveRatesOfTheirOwn) {
  outlier().split_local = true;
  outlier().consecutive_local = 0;
  outlier().enforcing_local_failure_percentage = 100;
  Update();
  for (int i = 0; i < 100; ++i) {
    for (size_t host = 0; host < 5; ++host) {
      const bool fails = host == 3 && i % 10 != 0;
      Report(i % 2, host, fails ? Outcome::kLocalFailure : Outcome::kSuccess);
    }
  }
  Advance(kInterval);
  EXPECT_EQ(Detected(Cause::kSuccessRate), 0u);
  EXPECT_EQ(Detected(Cause::kFailurePercentage), 0u);
  EXPECT_EQ(Detected(Cause::kLocalSuccessRate), 1u);
  EXPECT_EQ(Detected(Cause::kLocalFailurePercentage), 1u);
  EXPECT_EQ(Total(&OutlierStats::enforced_total), 1u);  // for the first of them
  EXPECT_EQ(Chosen(0), "0124");
  EXPECT_EQ(Chosen(1), "0124");
}

// Base time x how often, and each interval in health takes one away again.
TEST_F(EjectionTest, TheNthTimeIsNTimesAsLong) {
  for (int n = 1; n <= 4; ++n) {
    Eject(static_cast<size_t>(n) % 2, 0);  // whoever ejects it
    Follow();
    Advance(Duration::Seconds(30) * n - Duration::Nanos(1));
    EXPECT_EQ(Chosen(1), "1234") << n;
    Advance(Duration::Nanos(1));
    EXPECT_EQ(Chosen(1), "01234") << n;
  }
  Advance(kInterval * 2);  // 4 becomes 2, the next one is the third
  Eject(1, 0);
  Advance(Duration::Seconds(90) - Duration::Nanos(1));
  EXPECT_EQ(Chosen(0), "1234");
  Advance(Duration::Nanos(1));
  EXPECT_EQ(Chosen(0), "01234");
}

TEST_F(EjectionTest, TheShareHoldsForAllWorkersTogether) {
  SetHosts(10);
  outlier().ejection_percent_max = 30;
  Update();
  for (size_t i = 0; i < 2; ++i) Eject(i % 2, i);
  EXPECT_EQ(workers_[0].ejected_count(), 2u);  // n - 1
  Eject(0, 2);
  EXPECT_EQ(workers_[1].ejected_count(), 3u);  // n
  EXPECT_EQ(Total(&OutlierStats::overflow), 0u);
  Eject(1, 3);
  EXPECT_EQ(workers_[1].ejected_count(), 3u);  // n + 1
  EXPECT_EQ(Total(&OutlierStats::overflow), 1u);
  Follow();
  EXPECT_EQ(Chosen(0), "3456789");
  EXPECT_EQ(Chosen(1), "3456789");
}

// Panic begins below the threshold, at both workers alike.
TEST_F(EjectionTest, PanicBeginsBelowItsThreshold) {
  SetHosts(10);
  config_.panic_percent = 50;
  outlier().ejection_percent_max = 100;
  Update();
  for (size_t i = 0; i < 6; ++i) {
    Eject(i % 2, i);
    Follow();
    for (Cluster& worker : workers_) {
      EXPECT_EQ(worker.in_panic(), i == 5) << i + 1 << " of 10 are out";
    }
  }
  EXPECT_EQ(Chosen(1), "0123456789");
}

TEST_F(EjectionTest, AlwaysOneOfTheNodeNotOfEachWorker) {
  outlier().ejection_percent_max = 10;  // of five: nobody
  outlier().always_eject_one = true;
  Update();
  Eject(0, 0);
  Eject(1, 1);
  Follow();
  EXPECT_EQ(Chosen(0), "1234");
  EXPECT_EQ(Chosen(1), "1234");
  EXPECT_EQ(Total(&OutlierStats::overflow), 1u);
}

TEST_F(EjectionTest, SwitchingOffWorkerAfterWorkerLeavesNothing) {
  Eject(0, 0);
  Follow();
  const auto outlier = config_.outlier;
  config_.outlier.reset();
  Update(0);
  EXPECT_EQ(Chosen(0), "01234");
  Eject(1, 1);  // which has not heard of it
  Update(1);
  EXPECT_EQ(Chosen(1), "01234");
  EXPECT_TRUE(board_.empty());
  config_.outlier = outlier;
  Update();
  EXPECT_EQ(Chosen(0), "01234");
  EXPECT_EQ(workers_[0].ejected_count(), 0u);
  for (Cluster& worker : workers_) worker.Remove(&closing_);
  EXPECT_TRUE(board_.empty());
}

TEST_F(EjectionTest, AHostThatIsGoneTakesNoPlace) {
  SetHosts(4);
  Eject(0, 3);
  Follow();
  SetHosts(3);
  EXPECT_EQ(workers_[0].ejected_count(), 0u);
  Eject(1, 0);
  EXPECT_EQ(workers_[0].ejected_count(), 1u);
}

TEST_F(EjectionTest, ChecksAndOutliersShareTheBoard) {
  config_.health_check.emplace();
  config_.endpoints[4].unchecked = true;
  Update();
  Host* const checked = workers_[0].hosts()[0].get();
  workers_[0].SetChecked(checked, /*failed=*/true, /*degraded=*/false);
  Eject(1, 4);  // not checked, but watched
  Follow();
  EXPECT_EQ(Chosen(0), "123");
  EXPECT_EQ(Chosen(1), "123");
  config_.health_check.reset();  // what they said is forgotten, what answers said is not
  Update();
  EXPECT_EQ(Chosen(0), "0123");
  Follow();
  EXPECT_EQ(Chosen(1), "0123");
}

}  // namespace
}  // namespace meltemi::cluster
