// Endpoints for tests: 10.0.0.0, 10.0.0.1 and so on, with stable ids from 1.
#ifndef MELTEMI_L7_CLUSTER_TESTING_ENDPOINTS_H_
#define MELTEMI_L7_CLUSTER_TESTING_ENDPOINTS_H_

#include <cstdint>
#include <vector>

#include "l7/config/snapshot.h"

namespace meltemi::cluster {

inline std::vector<config::Endpoint> Endpoints(uint32_t count) {
  std::vector<config::Endpoint> out(count);
  for (uint32_t i = 0; i < count; ++i) {
    out[i].address = {IpAddr::V4(0x0a000000 + i), 80};
    out[i].stable_id = i + 1;
  }
  return out;
}

}  // namespace meltemi::cluster

#endif  // MELTEMI_L7_CLUSTER_TESTING_ENDPOINTS_H_
