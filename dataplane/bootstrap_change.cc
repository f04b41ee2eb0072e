#include "dataplane/bootstrap_change.h"

#include <algorithm>
#include <utility>

#include "dataplane/nic/device.h"
#include "google/protobuf/util/message_differencer.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using google::protobuf::util::MessageDifferencer;

// The node as the file has it: who lives here is added by us, and may change.
envoy::config::core::v3::Node WithoutWorkloads(envoy::config::core::v3::Node node) {
  node.mutable_metadata()->mutable_fields()->erase("WORKLOADS");
  return node;
}

template <typename Messages>
bool SameMessages(const Messages& a, const Messages& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return MessageDifferencer::Equals(x, y); });
}

}  // namespace

bool NeedsDpdkMemory(const agent::Bootstrap& b) {
  return std::any_of(b.ports.begin(), b.ports.end(), [](const agent::PortConfig& port) {
    const auto device = nic::ParseDevice(port.device);
    return device.ok() && nic::NeedsEal(device->kind);
  });
}

absl::Status CheckReload(const agent::Bootstrap& running, const agent::Bootstrap& next) {
  const std::pair<const char*, bool> fields[] = {
      {"node",
       MessageDifferencer::Equals(WithoutWorkloads(running.node), WithoutWorkloads(next.node))},
      {"admin", running.admin == next.admin},
      {"dynamic_resources",
       running.ads_target == next.ads_target && running.ads_tls == next.ads_tls},
      {"static_resources.listeners", SameMessages(running.listeners, next.listeners)},
      {"static_resources.clusters", SameMessages(running.clusters, next.clusters)},
      {"static_resources.secrets", SameMessages(running.secrets, next.secrets)},
      {"overload_manager", running.overload == next.overload},
      {"meltemi.workers", running.workers == next.workers},
      {"meltemi.cpus", running.cpus == next.cpus},
      {"meltemi.busy_poll_us_max", running.busy_poll_max == next.busy_poll_max},
      {"meltemi.idle_nap_us_max", running.idle_nap_max == next.idle_nap_max},
      {"meltemi.memory_mb", running.memory_mb == next.memory_mb},
      {"meltemi.hugepages", running.hugepages == next.hugepages},
      {"meltemi.access_log_path", running.access_log_path == next.access_log_path},
      {"meltemi.handshake_threads", running.handshake_threads == next.handshake_threads},
      {"meltemi.connections_max", running.connections_max == next.connections_max},
      {"meltemi.ca", running.ca == next.ca},
  };
  for (const auto& [name, same] : fields) {
    if (!same) {
      return absl::FailedPreconditionError(
          Cat(name,
              ": differs from what the node was started with; only meltemi.ports, .workloads "
              "and .routes can change while it runs"));
    }
  }
  return absl::OkStatus();
}

}  // namespace meltemi
