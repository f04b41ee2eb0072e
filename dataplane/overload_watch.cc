#include "dataplane/overload_watch.h"

#include <algorithm>
#include <string>

#include "control/common/log.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using policy::OverloadAction;
using policy::OverloadActions;
using policy::Resource;

// "envoy.resource_monitors.fixed_heap" as Envoy's Prometheus page has it.
std::string StatName(std::string_view name, std::string_view what) {
  std::string out = Cat("envoy_overload_", name, "_", what);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

double ShareOf(uint64_t used, uint64_t most) {
  return static_cast<double>(used) / static_cast<double>(most);
}

void LogChange(OverloadAction action, OverloadActions before, OverloadActions after) {
  if (before.saturated(action) == after.saturated(action) &&
      (before.share(action) == 0) == (after.share(action) == 0)) {
    return;
  }
  const char* state = after.saturated(action) ? "saturated" : "scaled";
  control::common::Log(control::common::Level::kWarning, "overload action",
                       {{"action", std::string(policy::NameOf(action))},
                        {"state", after.share(action) == 0 ? "inactive" : state}});
}

}  // namespace

OverloadWatch::OverloadWatch(const policy::OverloadSettings& settings, int workers,
                             uint64_t memory_max, shared::OverloadSlot* slot)
    : settings_(settings),
      workers_(workers),
      memory_max_(memory_max),
      slot_(slot),
      busy_before_(workers) {}

// The first look has nothing to compare with.
double OverloadWatch::CpuPressure(uint64_t cycles) {
  double most = 0;
  for (int i = 0; i < workers_; ++i) {
    const uint64_t busy = slot_->busy_cycles(i);
    if (cycles_before_ && cycles > *cycles_before_) {
      most = std::max(most, ShareOf(busy - busy_before_[i], cycles - *cycles_before_));
    }
    busy_before_[i] = busy;
  }
  cycles_before_ = cycles;
  return std::min(most, 1.0);
}

void OverloadWatch::Look(const OverloadReading& reading, Instant now) {
  next_ = now + settings_.refresh_interval;
  const auto at = [this](Resource resource) -> double& {
    return pressures_[static_cast<size_t>(resource)];
  };
  if (settings_.watches(Resource::kHeap)) {
    if (reading.resident_bytes) {
      at(Resource::kHeap) = ShareOf(*reading.resident_bytes, settings_.most_of(Resource::kHeap));
    } else {
      ++failed_updates_;  // and what was last seen stands, as in Envoy
    }
  }
  if (settings_.watches(Resource::kConnections)) {
    at(Resource::kConnections) =
        ShareOf(slot_->connections()->Load(), settings_.most_of(Resource::kConnections));
  }
  if (settings_.watches(Resource::kCpu)) at(Resource::kCpu) = CpuPressure(reading.cycles);
  if (settings_.watches(Resource::kConnectionMemory)) {
    uint64_t most = 0;
    for (int i = 0; i < workers_; ++i) most = std::max(most, slot_->memory_held(i));
    at(Resource::kConnectionMemory) = ShareOf(most, memory_max_);
  }
  const OverloadActions before = actions_;
  actions_ = policy::Decide(settings_, pressures_);
  slot_->Set(actions_.bits());
  for (size_t i = 0; i < policy::kOverloadActionCount; ++i) {
    LogChange(static_cast<OverloadAction>(i), before, actions_);
  }
}

std::vector<telemetry::Sample> OverloadWatch::Samples() const {
  std::vector<telemetry::Sample> out;
  const auto add = [&](std::string name, double value, telemetry::Sample::Kind kind) {
    out.push_back(
        {.name = std::move(name), .labels = "", .value = value, .kind = kind, .family = {}});
  };
  using Kind = telemetry::Sample::Kind;
  for (size_t i = 0; i < policy::kResourceCount; ++i) {
    const auto resource = static_cast<Resource>(i);
    if (!settings_.watches(resource)) continue;
    const std::string_view name = policy::NameOf(resource);
    add(StatName(name, "pressure"), static_cast<double>(static_cast<int>(pressures_[i] * 100)),
        Kind::kGaugeMax);
    if (resource == Resource::kHeap) {
      add(StatName(name, "failed_updates"), static_cast<double>(failed_updates_), Kind::kCounter);
    }
  }
  for (size_t i = 0; i < policy::kOverloadActionCount; ++i) {
    const auto action = static_cast<OverloadAction>(i);
    if (settings_.actions[i].empty()) continue;
    add(StatName(policy::NameOf(action), "active"), actions_.saturated(action) ? 1 : 0,
        Kind::kGaugeMax);
    add(StatName(policy::NameOf(action), "scale_percent"),
        actions_.share(action) * 100 / OverloadActions::kWhole, Kind::kGaugeMax);
  }
  return out;
}

}  // namespace meltemi
