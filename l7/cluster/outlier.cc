#include "l7/cluster/outlier.h"

#include <algorithm>

namespace meltemi::cluster {

Outcome OutcomeOf(uint16_t status) {
  if (status < 500) return Outcome::kSuccess;
  return status >= 502 && status <= 504 ? Outcome::kGatewayError : Outcome::kServerError;
}

namespace {

// Which streaks an outcome makes longer. Those it does not mention are over, unless failures of our
// own making are counted apart: then each origin has its own say.
struct Effect {
  bool longer[kStreaks] = {};
  bool over[kStreaks] = {};
};

Effect EffectOf(Outcome outcome, bool split) {
  switch (outcome) {
    case Outcome::kSuccess:
      return {.over = {true, true, true}};
    case Outcome::kServerError:
      return {.longer = {true, false, false}, .over = {false, true, true}};
    case Outcome::kGatewayError:
      return {.longer = {true, true, false}, .over = {false, false, true}};
    case Outcome::kLocalFailure:
      // Not split: as if the host had answered 503 or 504.
      if (!split) return {.longer = {true, true, false}};
      return {.longer = {false, false, true}};
  }
  return {};
}

uint32_t Threshold(const config::OutlierDetection& config, int streak) {
  const uint32_t thresholds[kStreaks] = {config.consecutive_5xx, config.consecutive_gateway,
                                         config.consecutive_local};
  return thresholds[streak];
}

}  // namespace

Detected CountOutcome(const config::OutlierDetection& config, Outcome outcome, HostOutlier* host) {
  const Effect effect = EffectOf(outcome, config.split_local);
  Detected detected;
  for (int i = 0; i < kStreaks; ++i) {
    if (effect.over[i]) host->errors[i] = 0;
    const uint32_t threshold = Threshold(config, i);
    if (!effect.longer[i] || threshold == 0 || ++host->errors[i] < threshold) continue;
    host->errors[i] = 0;
    detected.streak[i] = true;
  }
  return detected;
}

uint32_t EnforcingPercent(const config::OutlierDetection& config, Streak streak) {
  switch (streak) {
    case Streak::k5xx:
      return config.enforcing_5xx;
    case Streak::kGateway:
      return config.enforcing_gateway;
    case Streak::kLocal:
      return config.enforcing_local;
  }
  return 0;
}

Duration EjectionTime(const config::OutlierDetection& config, uint32_t ejection_count) {
  const int64_t base = config.base_ejection_time.nanos();
  const int64_t most = std::max(base, config.max_ejection_time.nanos());
  if (ejection_count == 0 || base > most / ejection_count) return Duration::Nanos(most);
  return Duration::Nanos(base * ejection_count);
}

void Eject(const config::OutlierDetection& config, Instant now, HostOutlier* host) {
  host->ejected = true;
  host->ejected_at = now;
  // Counting on beyond the longest time would only make the way back longer (Envoy).
  const Duration next = config.base_ejection_time * host->ejection_count;
  const Duration most = std::max(config.base_ejection_time, config.max_ejection_time);
  if (next < most + config.base_ejection_time) ++host->ejection_count;
}

bool LookAgain(const config::OutlierDetection& config, Instant now, HostOutlier* host) {
  if (!host->ejected) {
    if (host->ejection_count > 0) --host->ejection_count;
    return false;
  }
  if (now - host->ejected_at < EjectionTime(config, host->ejection_count)) return false;
  *host = HostOutlier{.ejection_count = host->ejection_count};
  return true;
}

}  // namespace meltemi::cluster
