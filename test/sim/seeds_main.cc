// Runs seeds of the simulation, each a whole system drawn from its number (drawn.h):
//
//   seeds [--first=N] [--count=N]   so many seeds, from the first; a test runs its shard of them
//   seeds --seed=N                  one seed
//   seeds --endless [--first=N]     until one fails
//
// A seed that fails prints what was wrong, what it was, and the command that runs it again.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "test/sim/drawn.h"
#include "test/sim/seed_run.h"

extern "C" void __attribute__((weak)) __sanitizer_set_death_callback(void (*callback)());

namespace meltemi::sim {
namespace {

struct Options {
  uint64_t first = 1, count = 1000;
  bool endless = false;
};

// A signal handler can reach nothing but a global.
uint64_t current_seed = 0;

void TellAgain() {
  std::fprintf(stderr, "  again: bazel run //test/sim:seeds_test -- --seed=%llu\n",
               static_cast<unsigned long long>(current_seed));
}

void OnSignal(int signal) {
  std::fprintf(stderr, "seed %llu died: %s\n", static_cast<unsigned long long>(current_seed),
               Describe(Draw(current_seed)).c_str());
  TellAgain();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool TakeNumber(std::string_view arg, std::string_view name, uint64_t* out) {
  if (!arg.starts_with(name)) return false;
  *out = std::strtoull(std::string(arg.substr(name.size())).c_str(), nullptr, 10);
  return true;
}

bool ParseArgs(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--endless") {
      options->endless = true;
    } else if (TakeNumber(arg, "--seed=", &options->first)) {
      options->count = 1;
    } else if (!TakeNumber(arg, "--first=", &options->first) &&
               !TakeNumber(arg, "--count=", &options->count)) {
      std::fprintf(stderr, "seeds: unknown option %s\n", argv[i]);
      return false;
    }
  }
  return true;
}

uint64_t Environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// Bazel's protocol for tests that share their work among processes.
void SaySharded() {
  const char* path = std::getenv("TEST_SHARD_STATUS_FILE");
  if (path == nullptr) return;
  if (std::FILE* file = std::fopen(path, "w")) std::fclose(file);
}

// False: it failed.
bool RunOne(uint64_t seed, SeedTotals* totals) {
  current_seed = seed;
  const Drawn drawn = Draw(seed);
  const std::vector<std::string> wrong = RunSeed(drawn, totals);
  if (wrong.empty()) return true;
  std::fprintf(stderr, "seed %llu failed: %s\n", static_cast<unsigned long long>(seed),
               Describe(drawn).c_str());
  for (const std::string& what : wrong) std::fprintf(stderr, "  %s\n", what.c_str());
  TellAgain();
  return false;
}

int Main(int argc, char** argv) {
  Options options;
  if (!ParseArgs(argc, argv, &options)) return 2;
  SaySharded();
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) std::signal(signal, OnSignal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(TellAgain);
  const bool one = options.count == 1;
  const uint64_t shards = one ? 1 : Environment("TEST_TOTAL_SHARDS", 1);
  const uint64_t shard = one ? 0 : Environment("TEST_SHARD_INDEX", 0);
  SeedTotals totals;
  uint64_t failed = 0;
  for (uint64_t i = shard; options.endless || i < options.count; i += shards) {
    if (!RunOne(options.first + i, &totals)) {
      ++failed;
      if (options.endless) break;
    }
    if (options.endless && totals.seeds % 1000 == 0) {
      std::printf("seeds: %s\n", totals.ToString().c_str());
      std::fflush(stdout);
    }
  }
  std::printf("seeds: %s: %llu failed\n", totals.ToString().c_str(),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace meltemi::sim

int main(int argc, char** argv) { return meltemi::sim::Main(argc, argv); }
