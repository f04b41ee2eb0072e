// HostProbe: one host that is subject to active health checks, at the one worker that checks.
// Engine::Impl owns them all (health.cc): a connection or none, a timer, and what l7/health says.
// Bound: the members of clusters that have health checks.
#ifndef MELTEMI_L7_ENGINE_HEALTH_H_
#define MELTEMI_L7_ENGINE_HEALTH_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "l7/base/handle.h"
#include "l7/base/timer_wheel.h"
#include "l7/cluster/cluster.h"
#include "l7/config/health_check.h"
#include "l7/health/check.h"
#include "l7/health/probe.h"

namespace meltemi::engine {

struct HostProbe {
  HostProbe(const config::HealthCheck& config_in, bool failed, uint8_t timer_kind, uint32_t id)
      : config(config_in), check(failed), timer(TimerOwner::kL7, timer_kind, id) {}

  const config::HealthCheck config;
  cluster::Cluster* cluster = nullptr;  // both live as long as the probe: LookAtChecks
  cluster::Host* host = nullptr;
  health::Check check;
  std::unique_ptr<health::Probe> probe;  // of `conn`, once that is connected
  ConnId conn;
  SockAddr address;
  uint32_t tls = config::kNoTls;
  bool asking = false;
  Timer timer;  // asking: the check's timeout; else the next check
};

// By the stable id of the host.
using HostProbes = absl::btree_map<uint32_t, std::unique_ptr<HostProbe>>;

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_HEALTH_H_
