// upgrade_configs of a connection manager and of a route.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {

// "connect" is the method. h2c is no matter of a configuration: a listener that takes both versions
// takes it from clients, and no upstream is asked for it (RFC 9113 3.1 has taken it back).
absl::Status AddUpgrade(const std::string& type, bool enabled, Upgrades* to) {
  const std::string name = absl::AsciiStrToLower(type);
  if (name.empty()) return Invalid("upgrade_type", "must not be empty");
  const auto bad = [](char c) { return c <= ' ' || c >= 0x7f || c == ','; };
  if (std::any_of(name.begin(), name.end(), bad)) {
    return Invalid("upgrade_type", "is not the name of a protocol");
  }
  if (name == "connect-udp" || name == "h2c") {
    return Invalid("upgrade_type", Cat("\"", type, "\" is not supported"));
  }
  const auto same = [&](const auto& entry) { return entry.first == name; };
  if (std::any_of(to->begin(), to->end(), same)) {
    return Invalid("upgrade_type", Cat("\"", type, "\" is given twice"));
  }
  to->emplace_back(name, enabled);
  return absl::OkStatus();
}

}  // namespace meltemi::config
