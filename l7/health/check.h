// Check: what one host's active health checks have said so far, and when to ask again. Envoy's
// rules: one success makes a host healthy that has never been asked before; then it takes
// healthy_threshold successes and unhealthy_threshold failures in a row; an answer that says no
// outright (not `retriable`) ends a host at once.
//
// Pure: results in, verdicts and waiting times out. One per host, at the one worker of the node
// that checks. Bounds: none needed.
#ifndef MELTEMI_L7_HEALTH_CHECK_H_
#define MELTEMI_L7_HEALTH_CHECK_H_

#include <cstdint>

#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/config/health_check.h"

namespace meltemi::health {

enum class Result : uint8_t {
  kPass,
  kPassDegraded,  // the answer has x-envoy-degraded
  kFail,          // an answer that says no
  kFailRetriable,
  kNetwork,  // no answer: refused, reset, closed
  kTimeout,
};
constexpr bool Passed(Result result) {
  return result == Result::kPass || result == Result::kPassDegraded;
}
constexpr bool NoAnswer(Result result) {
  return result == Result::kNetwork || result == Result::kTimeout;
}

class Check {
 public:
  // `failed`: what is known of the host already; a new one is failed until it passes.
  explicit Check(bool failed) : failed_(failed) {}

  struct Outcome {
    bool changed = false;  // failed() or degraded() is another now
    Duration wait;         // until the next check
  };
  // `traffic`: somebody has used the cluster.
  Outcome Count(const config::HealthCheck& config, Result result, bool traffic, Prng& prng);
  bool failed() const { return failed_; }
  bool degraded() const { return degraded_; }

 private:
  bool failed_ = true, degraded_ = false, first_ = true;
  uint32_t passed_count_ = 0, failed_count_ = 0;  // in a row
};

// Before the first check of a host.
Duration FirstWait(const config::HealthCheck& config, Prng& prng);

}  // namespace meltemi::health

#endif  // MELTEMI_L7_HEALTH_CHECK_H_
