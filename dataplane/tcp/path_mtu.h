// PathMtuCache: destinations whose path takes less than their link, so that every new connection
// there does not learn it again by losing its first window. RFC 1191 6.3, 8201 5.3.
//
// Owned by Tcp. Bound: limits::kTcpPathMtuCount entries, made when the first is noted; an entry
// ends at its time or when another destination falls on its place. Pure: time is a parameter.
#ifndef MELTEMI_DATAPLANE_TCP_PATH_MTU_H_
#define MELTEMI_DATAPLANE_TCP_PATH_MTU_H_

#include <cstdint>
#include <vector>

#include "dataplane/tcp/siphash.h"
#include "l7/base/ip_addr.h"
#include "l7/base/limits.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

class PathMtuCache {
 public:
  explicit PathMtuCache(const std::array<uint8_t, 16>& key) : hash_(key) {}

  // 0: nothing known.
  uint16_t Find(const IpAddr& remote, Instant now) const {
    if (entries_.empty()) return 0;
    const Entry& e = entries_[Place(remote)];
    return e.remote == remote && now < e.until ? e.mtu : 0;
  }

  void Note(const IpAddr& remote, uint16_t mtu, Instant until) {
    if (entries_.empty()) entries_.resize(limits::kTcpPathMtuCount);
    entries_[Place(remote)] = {remote, mtu, until};
  }

 private:
  struct Entry {
    IpAddr remote;
    uint16_t mtu = 0;
    Instant until;
  };
  size_t Place(const IpAddr& remote) const {
    return hash_(remote.bytes().data(), remote.bytes().size()) % limits::kTcpPathMtuCount;
  }

  SipHash13 hash_;
  std::vector<Entry> entries_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_PATH_MTU_H_
