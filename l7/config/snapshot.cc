#include "l7/config/snapshot.h"

namespace meltemi::config {

uint32_t Snapshot::FindListener(Direction direction, const SockAddr& destination) const {
  const auto& table = direction == Direction::kInbound ? inbound : outbound;
  const auto exact = table.find(destination);
  if (exact != table.end()) return exact->second;
  const SockAddr wildcard{destination.ip.v4() ? IpAddr::V4(uint32_t{0}) : IpAddr(),
                          destination.port};
  const auto any = table.find(wildcard);
  return any == table.end() ? kNoIndex : any->second;
}

}  // namespace meltemi::config
