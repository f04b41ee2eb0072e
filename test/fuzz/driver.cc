// main() of a fuzz target without libFuzzer: runs LLVMFuzzerTestOneInput on each corpus file, then
// on
// --rounds=N seeded mutations. When the target dies, stderr says how to run that one input again.
//
//   target [--rounds=N] [--seed=S] [--only=ROUND] [--bytes_max=B] FILE...
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/fuzz/mutate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __attribute__((weak)) __sanitizer_set_death_callback(void (*callback)());

namespace meltemi::fuzz {
namespace {

struct Options {
  uint64_t rounds = 0;
  uint64_t seed = 1;
  int64_t only = -1;  // run just this round
  uint64_t bytes_max = 16 * 1024;
  std::vector<std::string> files;
};

// A signal handler can reach nothing but a global; this is the only reader.
struct {
  const char* file = nullptr;  // the corpus file under test; null: a mutation
  uint64_t round = 0;
  uint64_t seed = 0;
} current;

void Tell() {
  if (current.file != nullptr) {
    std::fprintf(stderr, "fuzz: died in corpus file %s\n", current.file);
  } else {
    std::fprintf(stderr, "fuzz: died in a mutation; again: --seed=%llu --only=%llu\n",
                 static_cast<unsigned long long>(current.seed),
                 static_cast<unsigned long long>(current.round));
  }
}

void OnSignal(int signal) {
  Tell();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The target reads exactly the bytes it is given: a vector of its own, so that a sanitizer sees a
// read past the end.
void RunOne(const std::string& input) {
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

bool TakeNumber(std::string_view arg, std::string_view name, uint64_t* out) {
  if (!arg.starts_with(name)) return false;
  *out = std::strtoull(std::string(arg.substr(name.size())).c_str(), nullptr, 10);
  return true;
}

bool ParseArgs(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    uint64_t only = 0;
    if (TakeNumber(arg, "--only=", &only)) {
      options->only = static_cast<int64_t>(only);
    } else if (!TakeNumber(arg, "--rounds=", &options->rounds) &&
               !TakeNumber(arg, "--seed=", &options->seed) &&
               !TakeNumber(arg, "--bytes_max=", &options->bytes_max)) {
      if (arg.starts_with("--")) {
        std::fprintf(stderr, "fuzz: unknown option %s\n", argv[i]);
        return false;
      }
      options->files.emplace_back(arg);
    }
  }
  return true;
}

int Main(int argc, char** argv) {
  Options options;
  if (!ParseArgs(argc, argv, &options)) return 2;
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS}) std::signal(signal, OnSignal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(Tell);
  std::vector<std::string> corpus;
  for (const std::string& name : options.files) {
    std::ifstream file(name, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "fuzz: cannot read %s\n", name.c_str());
      return 2;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    current.file = name.c_str();
    if (options.only < 0) RunOne(corpus.back());
  }
  current.file = nullptr;
  current.seed = options.seed;
  const Mutator mutator(std::move(corpus), options.seed, options.bytes_max);
  const uint64_t first = options.only < 0 ? 0 : static_cast<uint64_t>(options.only);
  const uint64_t end = options.only < 0 ? options.rounds : first + 1;
  for (current.round = first; current.round < end; ++current.round) {
    RunOne(mutator.Input(current.round));
  }
  std::printf("fuzz: %zu corpus files, %llu mutations, seed %llu: passed\n", options.files.size(),
              static_cast<unsigned long long>(end - first),
              static_cast<unsigned long long>(options.seed));
  return 0;
}

}  // namespace
}  // namespace meltemi::fuzz

int main(int argc, char** argv) { return meltemi::fuzz::Main(argc, argv); }
