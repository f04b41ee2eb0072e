// What a run has found, for people and for programs. Pure.
#ifndef MELTEMI_BENCH_LOAD_REPORT_H_
#define MELTEMI_BENCH_LOAD_REPORT_H_

#include <cstdint>
#include <string>

#include "bench/load/generator.h"

namespace meltemi::load {

// What the load process itself did meanwhile: a generator at its limit measures itself.
struct Effort {
  uint64_t busy_nanos = 0;  // of turns that did something
  uint64_t total_nanos = 0;
  uint64_t packets_in = 0, packets_out = 0;  // at the generator's port
  uint64_t retransmits = 0;                  // of both sides
  uint64_t backend_requests = 0;
  uint64_t backend_connections = 0;  // accepted
  uint64_t backend_open = 0;         // at the end
  uint64_t backend_handshakes = 0;   // of TLS, done
};

std::string ToText(const RunOptions& options, const RunResult& result, const Effort& effort);
// One line. Times in nanoseconds.
std::string ToJson(const RunOptions& options, const RunResult& result, const Effort& effort);

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_REPORT_H_
