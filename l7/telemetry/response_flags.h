// Response flags as Envoy writes them: "UF,URX", "-" for none.
// Pure, any thread.
#ifndef MELTEMI_L7_TELEMETRY_RESPONSE_FLAGS_H_
#define MELTEMI_L7_TELEMETRY_RESPONSE_FLAGS_H_

#include <cstdint>
#include <string>

namespace meltemi::telemetry {

std::string FlagsText(uint32_t flags);

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_RESPONSE_FLAGS_H_
