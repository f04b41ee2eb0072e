// Goal: any text is a bootstrap that keeps its promises, or an error that names the file; nothing
// escapes yaml-cpp or protobuf. Method: bytes as one file, and what was taken read again from its
// own JSON.
#include <cstdint>
#include <set>
#include <string>

#include "dataplane/agent/bootstrap.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::agent {
namespace {

void CheckPromises(const Bootstrap& b) {
  CHECK(!b.node.id().empty());
  CHECK(b.workers >= 1 && b.workers <= static_cast<int>(limits::kWorkerCountMax));
  CHECK(b.cpus.empty() || b.cpus.size() == static_cast<size_t>(b.workers));
  std::set<std::string> ports;
  for (const PortConfig& port : b.ports) {
    CHECK(!port.name.empty() && !port.device.empty() && port.mtu >= limits::kMtuMin);
    CHECK(ports.insert(port.name).second);
  }
  for (const RouteConfig& route : b.routes) CHECK(ports.count(route.port) == 1);
  for (const WorkloadConfig& w : b.workloads) {
    CHECK(!w.workload.name.empty());
    CHECK(w.port.empty() || ports.count(w.port) == 1);
  }
}

// The JSON of /config_dump says the same as the file.
void CheckJson(const Bootstrap& b) {
  const auto again = ParseBootstrap(b.json, "again.json");
  CHECK(again.ok());
  CHECK(again->json == b.json);
  CHECK(again->node.SerializeAsString().size() == b.node.SerializeAsString().size());
  CHECK(again->ports.size() == b.ports.size() && again->routes.size() == b.routes.size());
  CHECK(again->workloads.size() == b.workloads.size());
  CHECK(again->listeners.size() == b.listeners.size());
  CHECK(again->clusters.size() == b.clusters.size());
  CHECK(again->ads_target == b.ads_target && again->workers == b.workers);
}

}  // namespace
}  // namespace meltemi::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace agent = meltemi::agent;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto bootstrap = agent::ParseBootstrap(text, "fuzz.yaml");
  if (!bootstrap.ok()) {
    CHECK(std::string(bootstrap.status().message()).starts_with("fuzz.yaml:"));
    return 0;
  }
  agent::CheckPromises(*bootstrap);
  agent::CheckJson(*bootstrap);
  return 0;
}
