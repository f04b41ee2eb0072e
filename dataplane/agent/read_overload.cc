#include "dataplane/agent/read_overload.h"

#include <charconv>

#include "google/protobuf/util/time_util.h"

namespace meltemi::agent {
namespace {

using policy::OverloadSettings;
using policy::OverloadTrigger;
using policy::Resource;

constexpr int64_t kMostMax = int64_t{1} << 60;
constexpr int64_t kConnectionsMax = UINT32_MAX - 1;
constexpr Duration kIntervalMin = Duration::Millis(1);
constexpr Duration kIntervalMax = Duration::Seconds(3600);

double ReadShare(Reader* reader, const std::string& key) {
  const std::string text = reader->Text(key);
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1)) {
    reader->Fail(key, Cat("must be a number from 0 to 1, not \"", text, "\""));
  }
  return value;
}

constexpr char kHeap[] =
    "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig";
constexpr char kConnections[] =
    "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3."
    "DownstreamConnectionsConfig";
constexpr char kCpu[] =
    "type.googleapis.com/envoy.extensions.resource_monitors.cpu_utilization.v3."
    "CpuUtilizationConfig";

// What the monitor of `resource` is configured by, and the field that says how much there is.
struct MonitorType {
  std::string_view type;
  const char* most = "";  // "": shares need none
  int64_t most_max = kMostMax;
};

MonitorType TypeOf(Resource resource) {
  switch (resource) {
    case Resource::kHeap:
      return {.type = kHeap, .most = "max_heap_size_bytes"};
    case Resource::kConnections:
      return {.type = kConnections,
              .most = "max_active_downstream_connections",
              .most_max = kConnectionsMax};
    case Resource::kCpu:
      return {.type = kCpu};
    case Resource::kConnectionMemory:
      return {};
  }
  return {};
}

void ReadMonitor(Reader monitor, OverloadSettings* out) {
  const std::string name = monitor.Text("name");
  const auto resource = policy::FindResource(name);
  if (!resource) return monitor.Fail("name", Cat("there is no monitor \"", name, "\""));
  if (out->watches(*resource)) return monitor.Fail("name", Cat("\"", name, "\" is there twice"));
  const MonitorType type = TypeOf(*resource);
  int64_t most = 1;
  if (type.type.empty()) {
    if (monitor.Has("typed_config")) monitor.Fail("typed_config", "there is nothing to configure");
  } else if (*resource != Resource::kCpu || monitor.Has("typed_config")) {
    Reader config = monitor.Child("typed_config");
    if (config.Text("@type") != type.type) config.Fail("@type", Cat("must be ", type.type));
    if (type.most[0] != '\0') {
      if (!config.Has(type.most)) config.Fail(type.most, "is required");
      most = config.Int(type.most, 1, 1, type.most_max);
    }
    config.Finish();
  }
  monitor.Finish();
  out->most[static_cast<size_t>(*resource)] = static_cast<uint64_t>(most);
}

void ReadTrigger(Reader trigger, const OverloadSettings& settings,
                 std::vector<OverloadTrigger>* out) {
  const std::string name = trigger.Text("name");
  const auto resource = policy::FindResource(name);
  if (!resource || !settings.watches(*resource)) {
    return trigger.Fail("name", Cat("\"", name, "\" is not one of resource_monitors"));
  }
  for (const OverloadTrigger& other : *out) {
    if (other.resource == *resource) trigger.Fail("name", Cat("\"", name, "\" is there twice"));
  }
  OverloadTrigger& read = out->emplace_back();
  read.resource = *resource;
  if (trigger.Has("threshold") == trigger.Has("scaled")) {
    trigger.Fail("", "needs one of threshold and scaled");
  } else if (trigger.Has("threshold")) {
    Reader threshold = trigger.Child("threshold");
    read.scaling = read.saturation = ReadShare(&threshold, "value");
    threshold.Finish();
  } else {
    Reader scaled = trigger.Child("scaled");
    read.scaling = ReadShare(&scaled, "scaling_threshold");
    read.saturation = ReadShare(&scaled, "saturation_threshold");
    if (read.scaling >= read.saturation) {
      scaled.Fail("scaling_threshold", "must be less than saturation_threshold");
    }
    scaled.Finish();
  }
  trigger.Finish();
}

void ReadAction(Reader action, OverloadSettings* out) {
  const std::string name = action.Text("name");
  const auto kind = policy::FindOverloadAction(name);
  if (!kind) return action.Fail("name", Cat("there is no action \"", name, "\""));
  auto& triggers = out->actions[static_cast<size_t>(*kind)];
  if (!triggers.empty()) action.Fail("name", Cat("\"", name, "\" is there twice"));
  action.ForEach("triggers", [&](const YAML::Node& node, const std::string& path) {
    ReadTrigger(Reader(node, path, action.error()), *out, &triggers);
  });
  if (triggers.empty()) action.Fail("triggers", "is required");
  action.Finish();
}

void ReadInterval(Reader* manager, OverloadSettings* out) {
  const std::string text = manager->Text("refresh_interval");
  if (text.empty()) return;
  google::protobuf::Duration parsed;
  if (google::protobuf::util::TimeUtil::FromString(text, &parsed)) {
    out->refresh_interval =
        Duration::Nanos(google::protobuf::util::TimeUtil::DurationToNanoseconds(parsed));
    if (out->refresh_interval >= kIntervalMin && out->refresh_interval <= kIntervalMax) return;
  }
  manager->Fail("refresh_interval", Cat("must be from 0.001s to 3600s, not \"", text, "\""));
}

}  // namespace

OverloadSettings ReadOverload(Reader manager) {
  OverloadSettings out;
  ReadInterval(&manager, &out);
  manager.ForEach("resource_monitors", [&](const YAML::Node& node, const std::string& path) {
    ReadMonitor(Reader(node, path, manager.error()), &out);
  });
  manager.ForEach("actions", [&](const YAML::Node& node, const std::string& path) {
    ReadAction(Reader(node, path, manager.error()), &out);
  });
  manager.Finish();
  return out;
}

}  // namespace meltemi::agent
