// Small values that several parts of the Snapshot have in common: fractions, and what is done to
// headers.
#ifndef MELTEMI_L7_CONFIG_VALUES_H_
#define MELTEMI_L7_CONFIG_VALUES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace meltemi::config {

// envoy.type.v3.FractionalPercent. numerator == 0 never happens, numerator >= denominator always.
struct Fraction {
  uint32_t numerator = 0;
  uint32_t denominator = 100;  // 100, 10'000 or 1'000'000
};

struct HeaderAdd {  // HeaderValueOption
  enum class Mode : uint8_t { kAppendOrAdd, kAddIfAbsent, kOverwriteOrAdd, kOverwriteIfExists };
  std::string name;  // lower case
  std::string value;
  Mode mode = Mode::kAppendOrAdd;
};
struct HeaderMutation {
  std::vector<HeaderAdd> request_add, response_add;
  std::vector<std::string> request_remove, response_remove;  // lower case
  bool empty() const {
    return request_add.empty() && response_add.empty() && request_remove.empty() &&
           response_remove.empty();
  }
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_VALUES_H_
