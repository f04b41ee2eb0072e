// The command operators that an access log format may have (Envoy's names), so that a format with
// another one is refused with the configuration. What they print: l7/telemetry/access_log.h, whose
// test holds the two lists together.
#ifndef MELTEMI_L7_CONFIG_LOG_OPERATORS_H_
#define MELTEMI_L7_CONFIG_LOG_OPERATORS_H_

#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace meltemi::config {

// In upper case, with their arguments.
std::span<const std::string_view> LogOperators();
// The error names what is wrong.
absl::Status CheckLogFormat(std::string_view format);
// One of them is about a peer's certificate, identity or TLS (AccessRecord::peers).
bool NamesPeers(std::string_view format);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_LOG_OPERATORS_H_
