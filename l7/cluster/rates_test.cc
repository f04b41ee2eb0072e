// Goal: hosts are outliers by success rate and by share of failures exactly when Envoy's formulas
// say so. Method: Envoy's documented example, tables at each bound, then thousands of drawn
// clusters against the formulas as the documentation words them.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "l7/base/prng.h"
#include "l7/cluster/outlier.h"

namespace meltemi::cluster {
namespace {

using config::OutlierDetection;

std::vector<HostRates> OfHundred(const std::vector<uint32_t>& succeeded) {
  std::vector<HostRates> hosts;
  for (const uint32_t n : succeeded) hosts.push_back({.succeeded = n, .failed = 100 - n});
  return hosts;
}

RateOutliers Find(const OutlierDetection& config, const std::vector<HostRates>& hosts) {
  RateOutliers found;
  FindRateOutliers(config, hosts, &found);
  return found;
}
using Indices = std::vector<uint32_t>;

// Of 50, 100, 100, 100, 100: mean 90, standard deviation 20. With the default factor the threshold
// is 52.
TEST(Rates, EnvoysExample) {
  const std::vector<HostRates> hosts = OfHundred({50, 100, 100, 100, 100});
  OutlierDetection config;
  EXPECT_EQ(Find(config, hosts).by_success_rate, Indices{0});
  config.success_rate_stdev_factor = 2000;  // 50 is not below 50
  EXPECT_EQ(Find(config, hosts).by_success_rate, Indices{});
  config.success_rate_stdev_factor = 1999;
  EXPECT_EQ(Find(config, hosts).by_success_rate, Indices{0});
}

TEST(Rates, HostsAndVolumeHaveToSuffice) {
  OutlierDetection config;
  const std::vector<HostRates> four = OfHundred({50, 100, 100, 100});
  config.success_rate_stdev_factor = 1000;
  for (const auto& [minimum, found] :
       {std::pair(3u, Indices{0}), {4u, Indices{0}}, {5u, Indices{}}}) {
    config.success_rate_minimum_hosts = minimum;
    EXPECT_EQ(Find(config, four).by_success_rate, found) << minimum;
  }
  config.success_rate_minimum_hosts = 4;
  for (const auto& [volume, found] :
       {std::pair(99u, Indices{0}), {100u, Indices{0}}, {101u, Indices{}}}) {
    config.success_rate_request_volume = volume;
    EXPECT_EQ(Find(config, four).by_success_rate, found) << volume;
  }
  // One with too few requests neither counts nor pulls the mean down.
  config = OutlierDetection();
  std::vector<HostRates> hosts = OfHundred({50, 100, 100, 100, 100});
  hosts.push_back({.succeeded = 0, .failed = 99});
  EXPECT_EQ(Find(config, hosts).by_success_rate, Indices{0});
  // Nor does one that is out already.
  hosts[5] = {.succeeded = 0, .failed = 100, .ejected = true};
  EXPECT_EQ(Find(config, hosts).by_success_rate, Indices{0});
}

TEST(Rates, AHostWithoutRequestsHasNoRate) {
  OutlierDetection config;
  config.success_rate_minimum_hosts = config.failure_percentage_minimum_hosts = 0;
  config.success_rate_request_volume = config.failure_percentage_request_volume = 0;
  config.failure_percentage_threshold = 0;
  EXPECT_EQ(Find(config, std::vector<HostRates>(3)).by_success_rate, Indices{});
  EXPECT_EQ(Find(config, std::vector<HostRates>(3)).by_failures, Indices{});
  EXPECT_EQ(Find(config, {}).by_failures, Indices{});
}

TEST(Rates, ShareOfFailures) {
  OutlierDetection config;
  config.failure_percentage_request_volume = 100;
  const std::vector<HostRates> hosts = OfHundred({16, 15, 14, 100, 0});
  EXPECT_EQ(Find(config, hosts).by_failures, (Indices{1, 2, 4}));  // 85 is enough
  config.failure_percentage_threshold = 100;
  EXPECT_EQ(Find(config, hosts).by_failures, (Indices{4}));
  config.failure_percentage_threshold = 0;
  EXPECT_EQ(Find(config, hosts).by_failures, (Indices{0, 1, 2, 3, 4}));
  config.failure_percentage_minimum_hosts = 6;
  EXPECT_EQ(Find(config, hosts).by_failures, Indices{});
  config.failure_percentage_minimum_hosts = 5;
  config.failure_percentage_request_volume = 101;
  EXPECT_EQ(Find(config, hosts).by_failures, Indices{});
}

// "The ejection threshold is the difference between the mean success rate, and the product of this
// factor and the standard deviation of the mean success rate": word by word, one host after
// another.
RateOutliers Reference(const OutlierDetection& config, const std::vector<HostRates>& hosts) {
  RateOutliers found;
  std::vector<std::pair<uint32_t, double>> by_rate, by_failures;
  for (uint32_t i = 0; i < hosts.size(); ++i) {
    const double requests = static_cast<double>(hosts[i].succeeded) + hosts[i].failed;
    if (hosts[i].ejected || requests == 0) continue;
    const double rate = 100.0 * hosts[i].succeeded / requests;
    if (requests >= config.success_rate_request_volume) by_rate.emplace_back(i, rate);
    if (requests >= config.failure_percentage_request_volume) by_failures.emplace_back(i, rate);
  }
  if (by_rate.size() >= config.success_rate_minimum_hosts) {
    double mean = 0, variance = 0;
    for (const auto& [i, rate] : by_rate) mean += rate;
    mean /= static_cast<double>(by_rate.size());
    for (const auto& [i, rate] : by_rate) variance += std::pow(rate - mean, 2);
    const double stdev = std::sqrt(variance / static_cast<double>(by_rate.size()));
    for (const auto& [i, rate] : by_rate) {
      if (rate < mean - stdev * (config.success_rate_stdev_factor / 1000.0)) {
        found.by_success_rate.push_back(i);
      }
    }
  }
  if (by_failures.size() >= config.failure_percentage_minimum_hosts) {
    for (const auto& [i, rate] : by_failures) {
      if (100.0 - rate >= config.failure_percentage_threshold) found.by_failures.push_back(i);
    }
  }
  return found;
}

TEST(Rates, DrawnClustersAgreeWithTheFormulas) {
  Prng prng(7);
  size_t ejected_by_rate = 0, ejected_by_failures = 0;
  for (int round = 0; round < 20'000; ++round) {
    OutlierDetection config;
    config.success_rate_stdev_factor = static_cast<uint32_t>(500 + prng.Below(2500));
    config.success_rate_minimum_hosts = static_cast<uint32_t>(prng.Below(8));
    config.success_rate_request_volume = static_cast<uint32_t>(prng.Below(200));
    config.failure_percentage_threshold = static_cast<uint32_t>(prng.Below(101));
    config.failure_percentage_minimum_hosts = static_cast<uint32_t>(prng.Below(8));
    config.failure_percentage_request_volume = static_cast<uint32_t>(prng.Below(200));
    std::vector<HostRates> hosts(prng.Below(12));
    for (HostRates& host : hosts) {
      const auto requests = static_cast<uint32_t>(prng.Below(300));
      host.failed = static_cast<uint32_t>(prng.Chance(1, 4) ? prng.Below(requests + 1)
                                                            : prng.Below(requests / 20 + 1));
      host.succeeded = requests - host.failed;
      host.ejected = prng.Chance(1, 10);
    }
    const RateOutliers want = Reference(config, hosts), got = Find(config, hosts);
    ASSERT_EQ(got.by_success_rate, want.by_success_rate) << "round " << round;
    ASSERT_EQ(got.by_failures, want.by_failures) << "round " << round;
    ejected_by_rate += got.by_success_rate.size();
    ejected_by_failures += got.by_failures.size();
  }
  EXPECT_GT(ejected_by_rate, 5000u);
  EXPECT_GT(ejected_by_failures, 5000u);
}

}  // namespace
}  // namespace meltemi::cluster
