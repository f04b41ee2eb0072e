// The scenarios of the budgets: small worlds of test/sim with loads of which every request is
// alike. Lossless wires, one seed, so that every run is the same run.
#ifndef MELTEMI_BENCH_BUDGET_SCENARIOS_H_
#define MELTEMI_BENCH_BUDGET_SCENARIOS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/worker/testing/memory_port.h"
#include "test/sim/world.h"

namespace meltemi::budget {

struct Scenario {
  std::string name;
  sim::WorldOptions world;
  uint64_t warmup_count = 0;   // requests of each client before anything is measured
  uint64_t request_count = 0;  // of each client, measured
  bool watched = false;        // by outlier detection
};

std::vector<Scenario> Scenarios();

// Told when the measured part begins and ends, and, between the two, when the plane runs.
class Watch : public worker::Probe {
 public:
  virtual void Begin() = 0;
  virtual void End() = 0;
};

struct Result {
  uint64_t requests = 0;
  uint64_t packets = 0;  // TCP packets in and out of the plane
  uint64_t busy_turns = 0;
};

// Warms the world up, runs the measured part, and waits until the wire is silent. CHECKs that every
// request was answered.
Result Run(const Scenario& scenario, Watch* watch);

// Opaque streams between two pods, one after the other, both ways at once and of up to so many
// bytes each. CHECKs that every byte arrived. Returns how many the plane has passed on.
uint64_t PassStreams(size_t bytes_max, Watch* watch);

// Brings a plane to `count` connections of a client, idle after a request each (the upstream
// connections were reused) without or with TLS, or busy with a request that the server has not
// answered, each with an upstream connection of its own. Begin to End is everything on the way.
// Returns how many packets the plane holds then.
enum class Connections { kIdle, kIdleTls, kBusy };
int64_t HoldConnections(Connections kind, int count, Watch* watch);

// Makes a plane of that many allowed connections and throws it away: between Begin and End.
void MakePlane(uint32_t conn_count_max, Watch* watch);

}  // namespace meltemi::budget

#endif  // MELTEMI_BENCH_BUDGET_SCENARIOS_H_
