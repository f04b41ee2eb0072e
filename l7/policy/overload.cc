#include "l7/policy/overload.h"

#include <algorithm>

namespace meltemi::policy {
namespace {

constexpr std::array<std::string_view, kResourceCount> kResources = {
    "envoy.resource_monitors.fixed_heap",
    "envoy.resource_monitors.global_downstream_max_connections",
    "envoy.resource_monitors.cpu_utilization",
    "meltemi.resource_monitors.connection_memory",
};
constexpr std::array<std::string_view, kOverloadActionCount> kActions = {
    "envoy.overload_actions.stop_accepting_requests",
    "envoy.overload_actions.disable_http_keepalive",
    "envoy.overload_actions.stop_accepting_connections",
    "envoy.overload_actions.reject_incoming_connections",
};

template <typename Enum, size_t kCount>
std::optional<Enum> Find(const std::array<std::string_view, kCount>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

uint16_t ShareAt(const OverloadTrigger& trigger, double pressure) {
  if (pressure >= trigger.saturation) return OverloadActions::kWhole;
  if (pressure <= trigger.scaling) return 0;
  const double share = (pressure - trigger.scaling) / (trigger.saturation - trigger.scaling);
  // Below the whole, whatever the rounding: only saturation is certain.
  return static_cast<uint16_t>(share * (OverloadActions::kWhole - 1));
}

}  // namespace

std::string_view NameOf(Resource resource) { return kResources[static_cast<size_t>(resource)]; }
std::string_view NameOf(OverloadAction action) { return kActions[static_cast<size_t>(action)]; }

std::optional<Resource> FindResource(std::string_view name) {
  return Find<Resource>(kResources, name);
}
std::optional<OverloadAction> FindOverloadAction(std::string_view name) {
  return Find<OverloadAction>(kActions, name);
}

OverloadActions Decide(const OverloadSettings& settings, const Pressures& pressures) {
  OverloadActions out;
  for (size_t i = 0; i < kOverloadActionCount; ++i) {
    uint16_t share = 0;
    for (const OverloadTrigger& trigger : settings.actions[i]) {
      share = std::max(share, ShareAt(trigger, pressures[static_cast<size_t>(trigger.resource)]));
    }
    out.Set(static_cast<OverloadAction>(i), share);
  }
  return out;
}

}  // namespace meltemi::policy
