#include "l7/health/check.h"

namespace meltemi::health {
namespace {

// Uniform in [0, max).
Duration Below(Duration max, Prng& prng) {
  if (max <= Duration()) return Duration();
  return Duration::Nanos(static_cast<int64_t>(prng.Below(static_cast<uint64_t>(max.nanos()))));
}

Duration WithJitter(const config::HealthCheck& config, Duration wait, Prng& prng) {
  const Duration base = wait;
  if (config.interval_jitter_percent > 0) {
    wait = wait + Below(base * int64_t{config.interval_jitter_percent} / 100, prng);
  }
  return wait + Below(config.interval_jitter, prng);
}

}  // namespace

Check::Outcome Check::Count(const config::HealthCheck& config, Result result, bool traffic,
                            Prng& prng) {
  const bool passed = Passed(result);
  bool changed = false, pending = false;
  if (passed) {
    failed_count_ = 0;
    if (failed_) {
      changed = first_ || ++passed_count_ >= config.healthy_threshold;
      pending = !changed;
    }
    const bool degraded = result == Result::kPassDegraded;
    if (degraded != degraded_) changed = true;
    degraded_ = degraded;
    if (!pending) failed_ = false;
  } else {
    passed_count_ = 0;
    if (!failed_) {
      changed = result == Result::kFail || ++failed_count_ >= config.unhealthy_threshold;
      pending = !changed;
      failed_ = changed;
    }
  }
  if (changed) passed_count_ = failed_count_ = 0;
  first_ = false;
  Duration wait;
  if (!traffic) {
    wait = passed && !pending ? config.no_traffic_healthy_interval : config.no_traffic_interval;
  } else if (passed) {
    wait = pending ? config.healthy_edge_interval : config.interval;
  } else {
    wait = pending ? config.unhealthy_edge_interval : config.unhealthy_interval;
  }
  return {.changed = changed, .wait = WithJitter(config, wait, prng)};
}

Duration FirstWait(const config::HealthCheck& config, Prng& prng) {
  return Below(config.initial_jitter, prng);
}

}  // namespace meltemi::health
