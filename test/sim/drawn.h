// Drawn: a whole run of the simulation, drawn from a seed: topology, wires, queues, MTUs, stalls,
// configuration, traffic and what goes wrong. Small on purpose: a thousand of them run in a minute.
#ifndef MELTEMI_TEST_SIM_DRAWN_H_
#define MELTEMI_TEST_SIM_DRAWN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/config.h"
#include "test/sim/world.h"

namespace meltemi::sim {

// A worker or a machine does not run for a while.
struct Stall {
  Duration at;  // since the start
  Duration time;
  int machine = -1;  // of the world; -1: a worker
  int node = 0, worker = 0;
};

// What costs requests, besides the wire.
enum class Fault : uint8_t {
  kNone,
  kServerKilled,
  kServerDark,
  kShortTimeout,
  kImpatientServers,  // close what has been idle for a moment, and say nothing before
  kServersCrash,      // again and again; they are back at once
};

struct Drawn {
  WorldOptions world;
  bool inbound = false;  // the second node ends the connections to its pods; else it routes them
  Duration swap_every;   // configurations; zero: there is one
  std::vector<Stall> stalls;
  Fault fault = Fault::kNone;
  Duration fault_at;
};

Drawn Draw(uint64_t seed);

// What the planes are configured with; `version` counts from 0.
ConfigSpec OutboundSpec(const Drawn& drawn, const World& world, int version);
ConfigSpec InboundSpec();

// One line, for the report of a failure.
std::string Describe(const Drawn& drawn);

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_DRAWN_H_
