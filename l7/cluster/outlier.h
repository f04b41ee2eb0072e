// Outlier detection: which host of a cluster is kept out of balancing for a while because of what
// its answers said (Envoy's passive health checks: consecutive errors; not success rates).
//
// What is here is pure: the streaks of one host, and how long it stays out. The cluster adds them
// up, keeps the share of ejected hosts bounded and tells the engine when to look again. One worker
// sees its own requests only: the streaks are counted, and hosts ejected, per worker. Called by
// l7/cluster on its worker's thread.
#ifndef MELTEMI_L7_CLUSTER_OUTLIER_H_
#define MELTEMI_L7_CLUSTER_OUTLIER_H_

#include <cstdint>

#include "l7/base/time.h"
#include "l7/config/snapshot.h"

namespace meltemi::cluster {

// How one attempt ended, or one TCP connection began.
enum class Outcome : uint8_t {
  kSuccess,       // a response below 500; a TCP connection that was opened
  kServerError,   // 5xx, but not one of the next
  kGatewayError,  // 502, 503, 504
  kLocalFailure,  // no response: refused, timed out, closed, not HTTP
};
Outcome OutcomeOf(uint16_t status);

enum class Streak : uint8_t { k5xx, kGateway, kLocal };
inline constexpr int kStreaks = 3;

// One host's part.
struct HostOutlier {
  uint32_t errors[kStreaks] = {};  // in a row, by Streak
  uint32_t ejection_count = 0;     // grows with each ejection, decays while all is well
  bool ejected = false;
  Instant ejected_at;
};

// Counters of Envoy's cluster.outlier_detection.* statistics.
struct OutlierStats {
  uint64_t detected[kStreaks] = {};  // streaks that were long enough
  uint64_t enforced[kStreaks] = {};  // and led to an ejection
  uint64_t enforced_total = 0;
  uint64_t overflow = 0;  // not ejected: too many are out already
};

// The streaks that have just become long enough; they begin anew.
struct Detected {
  bool streak[kStreaks] = {};  // by Streak
};
Detected CountOutcome(const config::OutlierDetection& config, Outcome outcome, HostOutlier* host);
// Chance that such a streak ejects, in percent.
uint32_t EnforcingPercent(const config::OutlierDetection& config, Streak streak);
// Longer with each ejection, up to the configured maximum.
Duration EjectionTime(const config::OutlierDetection& config, uint32_t ejection_count);
void Eject(const config::OutlierDetection& config, Instant now, HostOutlier* host);
// Once per interval. True: the host was ejected and is back.
bool LookAgain(const config::OutlierDetection& config, Instant now, HostOutlier* host);

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_OUTLIER_H_
