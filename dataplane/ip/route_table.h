// RouteTable: longest prefix match over both families. A hash map per prefix length, longest first: exact,
// small and bounded by 33 + 129 lookups; in front of it stands Ip's destination cache. (rte_fib can
// replace it behind this interface when a node has more than a few thousand routes.)
#ifndef MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_
#define MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "l7/base/limits.h"

namespace meltemi::ip {

class RouteTable {
 public:
  // Later routes of the same prefix win. Beyond limits::kRouteCountMax routes are ignored; returns how
  // many were taken.
  size_t Set(const std::vector<Route>& routes) {
    lengths_.clear();
    const size_t n = std::min<size_t>(routes.size(), limits::kRouteCountMax);
    for (size_t i = 0; i < n; ++i) {
      const Route& r = routes[i];
      auto at = std::find_if(lengths_.begin(), lengths_.end(), [&r](const Length& l) {
        return l.bits == r.prefix.bits && l.v4 == r.prefix.address.v4();
      });
      if (at == lengths_.end()) {
        lengths_.push_back({.bits = r.prefix.bits, .v4 = r.prefix.address.v4(), .routes = {}});
        at = lengths_.end() - 1;
      }
      at->routes[r.prefix.address] = r;
    }
    std::sort(lengths_.begin(), lengths_.end(),
              [](const Length& a, const Length& b) { return a.bits > b.bits; });
    return n;
  }

  // Null: no route. Valid until the next Set.
  const Route* Find(const IpAddr& destination) const {
    const bool v4 = destination.v4();
    for (const Length& l : lengths_) {
      if (l.v4 != v4) continue;
      const auto found = l.routes.find(Masked(destination, l.bits + (v4 ? 96 : 0)));
      if (found != l.routes.end()) return &found->second;
    }
    return nullptr;
  }

 private:
  struct Length {
    uint8_t bits = 0;
    bool v4 = false;
    absl::flat_hash_map<IpAddr, Route> routes;
  };
  static IpAddr Masked(const IpAddr& a, int bits) {
    std::array<uint8_t, 16> bytes = a.bytes();
    for (int i = 0; i < 16; ++i) {
      const int keep = std::clamp(bits - 8 * i, 0, 8);
      bytes[i] &= static_cast<uint8_t>(0xff00 >> keep);
    }
    return IpAddr::V6(bytes.data());
  }
  std::vector<Length> lengths_;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_ROUTE_TABLE_H_
