// RouteTable: longest prefix match over both families. One hash map per prefix length in use,
// longest first, and a direct-mapped cache of recent destinations in front; the interface is the
// one rte_fib could stand behind.
//
// Owned by Ip; its worker's thread. Rebuilt whole by the control mail, never on the packet path.
// Bound: limits::kRouteCountMax entries besides those of the ports' own addresses.
#ifndef MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_
#define MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/ip_addr.h"

namespace meltemi::ip {

struct RouteEntry {
  enum class Kind : uint8_t {
    kNone,         // no route
    kForward,      // out of `port`, to `via` or, when has_via is false, to the destination itself
    kLocal,        // an address of the plane
    kBroadcast,    // an IPv4 subnet's broadcast address
    kUnreachable,  // on a pod subnet, but nobody has it
  };
  Kind kind = Kind::kNone;
  bool has_via = false;
  uint16_t port = UINT16_MAX;
  IpAddr via;

  bool operator==(const RouteEntry&) const = default;
};

class RouteTable {
 public:
  void Clear();
  // A later entry of the same prefix replaces the earlier one.
  void Add(const IpPrefix& prefix, const RouteEntry& entry);

  const RouteEntry& Find(const IpAddr& destination);
  // Without the cache.
  const RouteEntry& Walk(const IpAddr& destination) const;

 private:
  static constexpr size_t kCacheSlots = 256;
  struct Length {
    uint8_t bits = 0;
    absl::flat_hash_map<IpAddr, RouteEntry> prefixes;
  };
  struct CacheSlot {
    IpAddr destination;
    const RouteEntry* entry = nullptr;
  };

  std::vector<Length> v4_, v6_;  // longest first
  std::array<CacheSlot, kCacheSlots> cache_{};
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_
