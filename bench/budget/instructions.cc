// Runs one scenario so that callgrind counts the plane's instructions of the measured part, and
// nothing else's. Prints how many requests these were. Without valgrind it only runs.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <string_view>

#include "bench/budget/scenarios.h"

namespace meltemi::budget {
namespace {

class CallgrindWatch final : public Watch {
 public:
  void Begin() override { measuring_ = true; }
  void End() override { measuring_ = false; }
  void Enter() override { Toggle(); }
  void Leave() override { Toggle(); }

 private:
  void Toggle() const {
    if (measuring_) CALLGRIND_TOGGLE_COLLECT;
  }
  bool measuring_ = false;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitizer = true;
#else
constexpr bool kSanitizer = false;
#endif

int Main(std::string_view name) {
  if (name == "--build") {
    std::puts(kSanitizer ? "sanitizer" : "plain");
    return 0;
  }
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name != name) continue;
    CallgrindWatch watch;
    std::printf("%lu\n", static_cast<unsigned long>(Run(scenario, &watch).requests));
    return 0;
  }
  std::fprintf(stderr, "usage: instructions SCENARIO | --build, see scenarios.cc\n");
  return 2;
}

}  // namespace
}  // namespace meltemi::budget

int main(int argc, char** argv) {
  return meltemi::budget::Main(argc == 2 ? std::string_view(argv[1]) : std::string_view());
}
