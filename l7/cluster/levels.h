// How the requests of a cluster are shared among its priorities, by how many hosts of each are well
// (Envoy's priority levels): the first takes all, as long as 1/1.4 of it is healthy; what it cannot
// take spills to the next. Degraded hosts take what healthy ones of all priorities leave.
//
// Pure arithmetic, when hosts or their health change.
#ifndef MELTEMI_L7_CLUSTER_LEVELS_H_
#define MELTEMI_L7_CLUSTER_LEVELS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace meltemi::cluster {

struct Level {  // hosts of one priority; unhealthy ones are in `all` only
  size_t all = 0, healthy = 0, degraded = 0;
};

struct LevelLoad {
  uint32_t healthy = 0, degraded = 0;  // percent of all requests
  bool panic = false;                  // so few are well that all hosts take its load
};

// As many as levels, by ascending priority. The loads are 100 together, or 0: there is nobody to
// send a request to. `factor_percent`: how much of a level may be missing before the next one is
// used, in percent (Envoy: overprovisioning_factor). `panic_percent` 0: no panic.
std::vector<LevelLoad> ShareLoad(std::span<const Level> levels, uint32_t panic_percent,
                                 uint32_t factor_percent);

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_LEVELS_H_
