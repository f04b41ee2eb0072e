#include "l7/telemetry/response_flags.h"

#include <string_view>

namespace meltemi::telemetry {

std::string FlagsText(uint32_t flags) {
  // By bit, in the order of ResponseFlag.
  static constexpr std::string_view kNames[] = {"UH", "UF", "UO",  "NR",  "URX", "NC",
                                                "UT", "LR", "UR",  "UC",  "DC",  "DI",
                                                "FI", "SI", "DPE", "UPE", "OM",  "DT"};
  std::string text;
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((flags >> bit & 1) == 0) continue;
    if (!text.empty()) text += ',';
    text += kNames[bit];
  }
  return text.empty() ? "-" : text;
}

}  // namespace meltemi::telemetry
