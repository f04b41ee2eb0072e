// The command line of meltemi-load: what stays for the process, and what a run may change.
// Pure but for reading the arguments.
#ifndef MELTEMI_BENCH_LOAD_OPTIONS_H_
#define MELTEMI_BENCH_LOAD_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/load/backend.h"
#include "bench/load/generator.h"
#include "bench/load/stack.h"
#include "bench/load/tls_setup.h"

namespace meltemi::load {

// Paths; empty: none.
struct TlsFiles {
  std::string ca, certificate, key;
  std::string suites = TlsTexts{}.suites;
};

struct ProcessOptions {
  std::string client_device, server_device;  // empty: that side is not run
  StackOptions client, server;               // seed and isn_key are the caller's to set
  BackendOptions backend;
  TlsFiles tls;
  bool backend_tls = false;
  int tls_threads = 0;
  int cpu = -1;
  int memory_mb = 128;
  bool hugepages = false;
  bool json = false;
  bool interactive = false;
  bool wants_help = false, wants_version = false;
  std::string help;
};

struct Options {
  ProcessOptions process;
  RunOptions run;
};

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& args);
// A line of --interactive: the flags of a run, over `defaults`.
absl::StatusOr<RunOptions> ParseRun(const std::string& line, const RunOptions& defaults);

// "250ms", "3s", "100us", "1.5s".
absl::StatusOr<Duration> ParseDuration(const std::string& text);

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_OPTIONS_H_
