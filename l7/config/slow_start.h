// Slow start of a cluster, compiled (envoy.config.cluster.v3.Cluster.SlowStartConfig, whose names
// and defaults these are). Values only; l7/cluster applies them.
#ifndef MELTEMI_L7_CONFIG_SLOW_START_H_
#define MELTEMI_L7_CONFIG_SLOW_START_H_

#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::config {

// A host that has joined, or become healthy, takes its part little by little.
struct SlowStart {
  Duration window;          // until all of it
  double aggression = 1.0;  // 1: linearly; above it: more at first
  double min_weight_percent = 10;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_SLOW_START_H_
