// Overload: when the plane does less, so that what it does is still done well. Envoy's overload
// manager: monitors say how much of a resource is used (a pressure from 0 to 1), triggers of
// actions say from which pressure on the action is taken, wholly or for a share of what comes.
//
// Values and one pure function. The control thread measures and decides
// (dataplane/overload_watch.h); workers have the result as OverloadActions, and toss a coin where
// an action is taken for a share. Follows envoy.config.overload.v3; resources of Envoy's names mean
// here:
//   fixed_heap                         the process's resident memory, packets included
//   global_downstream_max_connections  clients' connections, opaque ones too, of all workers: never
//                                      more than that, whether an action looks at it or not. One
//                                      with TLS counts when its handshake is done.
//   cpu_utilization                    the share of the busiest worker's cycles that did something
// and one of our own,
//   meltemi.resource_monitors.connection_memory   of the worker that has least left: bytes in
//                                      queues of its connections, of what they may hold
#ifndef MELTEMI_L7_POLICY_OVERLOAD_H_
#define MELTEMI_L7_POLICY_OVERLOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "l7/base/time.h"

namespace meltemi::policy {

enum class Resource : uint8_t { kHeap, kConnections, kCpu, kConnectionMemory };
inline constexpr size_t kResourceCount = 4;

enum class OverloadAction : uint8_t {
  kStopAcceptingRequests,      // 503, flag OM
  kDisableHttpKeepalive,       // a request is the last of its connection
  kStopAcceptingConnections,   // SYNs are dropped: clients try again
  kRejectIncomingConnections,  // they are reset
};
inline constexpr size_t kOverloadActionCount = 4;

std::string_view NameOf(Resource resource);
std::string_view NameOf(OverloadAction action);
std::optional<Resource> FindResource(std::string_view name);
std::optional<OverloadAction> FindOverloadAction(std::string_view name);

// Nothing up to `scaling`, everything from `saturation` on, a growing share in between. Envoy's
// threshold has both at one place, where everything begins.
struct OverloadTrigger {
  Resource resource = Resource::kHeap;
  double scaling = 1, saturation = 1;
  bool operator==(const OverloadTrigger&) const = default;
};

struct OverloadSettings {
  Duration refresh_interval = Duration::Seconds(1);
  // How much of a resource there is, in its unit (bytes, connections; of shares 1). 0: not watched.
  std::array<uint64_t, kResourceCount> most{};
  std::array<std::vector<OverloadTrigger>, kOverloadActionCount> actions;
  bool operator==(const OverloadSettings&) const = default;

  bool watches(Resource resource) const { return most[static_cast<size_t>(resource)] != 0; }
  uint64_t most_of(Resource resource) const { return most[static_cast<size_t>(resource)]; }
};

using Pressures = std::array<double, kResourceCount>;

// For which share of what comes each action is taken, of kWhole. Fits a word, so that workers read
// it whole.
class OverloadActions {
 public:
  static constexpr uint16_t kWhole = UINT16_MAX;

  static OverloadActions FromBits(uint64_t bits) {
    OverloadActions out;
    out.bits_ = bits;
    return out;
  }
  uint64_t bits() const { return bits_; }
  bool any() const { return bits_ != 0; }
  uint16_t share(OverloadAction action) const {
    return static_cast<uint16_t>(bits_ >> Shift(action));
  }
  bool saturated(OverloadAction action) const { return share(action) == kWhole; }
  void Set(OverloadAction action, uint16_t share) {
    bits_ = (bits_ & ~(uint64_t{0xffff} << Shift(action))) | (uint64_t{share} << Shift(action));
  }

 private:
  static int Shift(OverloadAction action) { return static_cast<int>(action) * 16; }
  uint64_t bits_ = 0;
};

// The largest of its triggers' shares is an action's.
OverloadActions Decide(const OverloadSettings& settings, const Pressures& pressures);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_OVERLOAD_H_
