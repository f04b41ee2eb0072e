// Outlier detection: which host of a cluster is kept out of balancing for a while because of what
// its answers said (Envoy's passive health checks: errors in a row, success rates, shares of
// failures).
//
// What is here is pure: what is counted of one host, and who is an outlier by it. A host's counts
// are on the node's board and all workers write them, so that a streak is one of the node and an
// interval's rates are of all requests, exactly. ejection.cc keeps the share of ejected hosts
// bounded. Called by l7/cluster on its worker's thread.
#ifndef MELTEMI_L7_CLUSTER_OUTLIER_H_
#define MELTEMI_L7_CLUSTER_OUTLIER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "l7/base/shared_cell.h"
#include "l7/base/time.h"
#include "l7/config/outlier_detection.h"

namespace meltemi::cluster {

// How one attempt ended, or one TCP connection began.
enum class Outcome : uint8_t {
  kSuccess,       // a response below 500
  kConnected,     // a TCP connection that was opened, of which we shall hear no more
  kServerError,   // 5xx, but not one of the next
  kGatewayError,  // 502, 503, 504
  kLocalFailure,  // no response: refused, timed out, closed, not HTTP
};
Outcome OutcomeOf(uint16_t status);

// What a host is ejected for. Streaks, which come first, are seen by whoever sees their last error;
// the others once an interval by one worker.
enum class Cause : uint8_t {
  k5xx,
  kGateway,
  kLocal,
  kSuccessRate,
  kLocalSuccessRate,
  kFailurePercentage,
  kLocalFailurePercentage,
};
inline constexpr int kStreaks = 3, kCauses = 7;

// Whose failures: the host's, and our own in reaching it. Unless they are split all are the host's.
enum class Origin : uint8_t { kExternal, kLocal };
inline constexpr int kOrigins = 2;

// One host's part of the board.
struct HostOutlier {
  SharedCell errors[kStreaks];  // in a row, by Cause
  SharedCell ejections;         // grows with each ejection, decays while all is well
  // While it is ejected, nanoseconds. Written by the worker that ejects it.
  SharedNumber<int64_t> ejected_at, jitter;

  // Of this interval, by Origin. Every request writes here and nowhere else.
  struct Answers {
    SharedCell succeeded, failed;
  };
  struct alignas(64) Busy {
    Answers of[kOrigins];
  };
  Busy answers;
};

// Counters of Envoy's cluster.outlier_detection.* statistics.
struct OutlierStats {
  uint64_t detected[kCauses] = {};
  uint64_t enforced[kCauses] = {};  // and led to an ejection
  uint64_t enforced_total = 0;
  uint64_t overflow = 0;  // not ejected: too many are out already
  uint64_t total = 0;     // deprecated: of 5xx and success rate, enforced or not
};

// The streaks that have just become long enough; they begin anew.
struct Detected {
  bool streak[kStreaks] = {};  // by Cause
};
Detected CountOutcome(const config::OutlierDetection& config, Outcome outcome, HostOutlier* host);

// What one host has answered in an interval.
struct HostRates {
  uint32_t succeeded = 0, failed = 0;
  bool ejected = false;  // already: it has no part in it
};
// Indices of hosts, ascending.
struct RateOutliers {
  std::vector<uint32_t> by_success_rate, by_failures;
};
void FindRateOutliers(const config::OutlierDetection& config, std::span<const HostRates> hosts,
                      RateOutliers* found);

// Chance that it ejects, in percent.
uint32_t EnforcingPercent(const config::OutlierDetection& config, Cause cause);
// Longer with each ejection, up to the configured maximum.
Duration EjectionTime(const config::OutlierDetection& config, uint32_t ejections);
// The next ejection is to be longer: counting on beyond the longest would only make the way back
// longer (Envoy).
bool GrowsLonger(const config::OutlierDetection& config, uint32_t ejections);
// How many of so many hosts may be out at once.
uint32_t EjectedMax(const config::OutlierDetection& config, uint64_t host_count);

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_OUTLIER_H_
