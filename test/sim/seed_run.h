// A seed, run to its end: what was wrong with it, as sentences.
#ifndef MELTEMI_TEST_SIM_SEED_RUN_H_
#define MELTEMI_TEST_SIM_SEED_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/drawn.h"

namespace meltemi::sim {

// What a seed was, summed over many: a thousand seeds that draw no loss would prove little.
struct SeedTotals {
  uint64_t seeds = 0, turns = 0, frames = 0, lost = 0, requests = 0, replies_not_200 = 0,
           streams = 0, streams_whole = 0, streams_reset = 0;
  void Add(const SeedTotals& other);
  std::string ToString() const;
};

// Invariants that fail between turns end the process (CHECK); the rest is returned, one sentence
// each.
std::vector<std::string> RunSeed(const Drawn& drawn, SeedTotals* totals);

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_SEED_RUN_H_
