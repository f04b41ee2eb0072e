#include "l7/cluster/outlier.h"

#include <algorithm>
#include <cmath>

namespace meltemi::cluster {

Outcome OutcomeOf(uint16_t status) {
  if (status < 500) return Outcome::kSuccess;
  return status >= 502 && status <= 504 ? Outcome::kGatewayError : Outcome::kServerError;
}

namespace {

// How an outcome counts towards the rates of one origin.
enum class Answer : uint8_t { kNone, kSuccess, kFailure };

// Which streaks an outcome makes longer. Those it does not mention are over, unless failures of our
// own making are counted apart: then each origin has its own say.
struct Effect {
  bool longer[kStreaks] = {};
  bool over[kStreaks] = {};
  Answer answers[kOrigins] = {};  // by Origin
};

// As if the host had said everything: a failure of ours is a 503 or 504 of its.
Effect TogetherEffectOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
    case Outcome::kConnected:
      return {.over = {true, true, true}, .answers = {Answer::kSuccess, Answer::kNone}};
    case Outcome::kServerError:
      return {.longer = {true, false, false},
              .over = {false, true, true},
              .answers = {Answer::kFailure, Answer::kNone}};
    case Outcome::kGatewayError:
    case Outcome::kLocalFailure:
      return {.longer = {true, true, false},
              .over = {false, false, true},
              .answers = {Answer::kFailure, Answer::kNone}};
  }
  return {};
}

// An answer, whatever it says, is a success of ours.
Effect SplitEffectOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
      return {.over = {true, true, true}, .answers = {Answer::kSuccess, Answer::kSuccess}};
    case Outcome::kConnected:
      return {.over = {false, false, true}, .answers = {Answer::kNone, Answer::kSuccess}};
    case Outcome::kServerError:
      return {.longer = {true, false, false},
              .over = {false, true, true},
              .answers = {Answer::kFailure, Answer::kSuccess}};
    case Outcome::kGatewayError:
      return {.longer = {true, true, false},
              .over = {false, false, true},
              .answers = {Answer::kFailure, Answer::kSuccess}};
    case Outcome::kLocalFailure:
      return {.longer = {false, false, true}, .answers = {Answer::kNone, Answer::kFailure}};
  }
  return {};
}

uint32_t Threshold(const config::OutlierDetection& config, int streak) {
  const uint32_t thresholds[kStreaks] = {config.consecutive_5xx, config.consecutive_gateway,
                                         config.consecutive_local};
  return thresholds[streak];
}

double SuccessPercent(const HostRates& host) {
  return host.succeeded * 100.0 / (uint64_t{host.succeeded} + host.failed);
}

// Hosts that had a say: as many requests, and not out already.
template <typename Use>
size_t ForEachOf(std::span<const HostRates> hosts, uint32_t request_volume, Use use) {
  size_t count = 0;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const uint64_t requests = uint64_t{hosts[i].succeeded} + hosts[i].failed;
    if (hosts[i].ejected || requests == 0 || requests < request_volume) continue;
    ++count;
    use(static_cast<uint32_t>(i), SuccessPercent(hosts[i]));
  }
  return count;
}

}  // namespace

Detected CountOutcome(const config::OutlierDetection& config, Outcome outcome, HostOutlier* host) {
  const Effect effect = config.split_local ? SplitEffectOf(outcome) : TogetherEffectOf(outcome);
  Detected detected;
  for (int i = 0; i < kStreaks; ++i) {
    SharedCell& errors = host->errors[i];
    // While all is well this is a look, and no worker takes the line from another.
    if (effect.over[i] && errors.Load() != 0) errors.Store(0);
    const uint32_t threshold = Threshold(config, i);
    if (effect.longer[i] && threshold != 0) detected.streak[i] = errors.CountTo(threshold);
  }
  for (int i = 0; i < kOrigins; ++i) {
    if (effect.answers[i] == Answer::kSuccess) host->answers.of[i].succeeded.Add(1);
    if (effect.answers[i] == Answer::kFailure) host->answers.of[i].failed.Add(1);
  }
  return detected;
}

void FindRateOutliers(const config::OutlierDetection& config, std::span<const HostRates> hosts,
                      RateOutliers* found) {
  found->by_success_rate.clear();
  found->by_failures.clear();
  double sum = 0;
  const uint32_t volume = config.success_rate_request_volume;
  const size_t count = ForEachOf(hosts, volume, [&](uint32_t, double rate) { sum += rate; });
  if (count > 0 && count >= config.success_rate_minimum_hosts) {
    const double mean = sum / static_cast<double>(count);
    double squares = 0;
    ForEachOf(hosts, volume,
              [&](uint32_t, double rate) { squares += (rate - mean) * (rate - mean); });
    const double deviation = std::sqrt(squares / static_cast<double>(count));
    const double least = mean - config.success_rate_stdev_factor / 1000.0 * deviation;
    ForEachOf(hosts, volume, [&](uint32_t i, double rate) {
      if (rate < least) found->by_success_rate.push_back(i);
    });
  }
  const size_t with_volume =
      ForEachOf(hosts, config.failure_percentage_request_volume, [&](uint32_t i, double rate) {
        if (100.0 - rate >= config.failure_percentage_threshold) found->by_failures.push_back(i);
      });
  if (with_volume < config.failure_percentage_minimum_hosts) found->by_failures.clear();
}

uint32_t EnforcingPercent(const config::OutlierDetection& config, Cause cause) {
  switch (cause) {
    case Cause::k5xx:
      return config.enforcing_5xx;
    case Cause::kGateway:
      return config.enforcing_gateway;
    case Cause::kLocal:
      return config.enforcing_local;
    case Cause::kSuccessRate:
      return config.enforcing_success_rate;
    case Cause::kLocalSuccessRate:
      return config.enforcing_local_success_rate;
    case Cause::kFailurePercentage:
      return config.enforcing_failure_percentage;
    case Cause::kLocalFailurePercentage:
      return config.enforcing_local_failure_percentage;
  }
  return 0;
}

Duration EjectionTime(const config::OutlierDetection& config, uint32_t ejections) {
  const int64_t base = config.base_ejection_time.nanos();
  const int64_t most = std::max(base, config.max_ejection_time.nanos());
  if (ejections == 0 || base > most / ejections) return Duration::Nanos(most);
  return Duration::Nanos(base * ejections);
}

bool GrowsLonger(const config::OutlierDetection& config, uint32_t ejections) {
  const Duration most = std::max(config.base_ejection_time, config.max_ejection_time);
  return config.base_ejection_time * ejections < most + config.base_ejection_time;
}

uint32_t EjectedMax(const config::OutlierDetection& config, uint64_t host_count) {
  const uint64_t share = host_count * config.ejection_percent_max / 100;
  return static_cast<uint32_t>(std::max<uint64_t>(share, config.always_eject_one ? 1 : 0));
}

}  // namespace meltemi::cluster
