#include "l7/config/snapshot.h"

#include <algorithm>

namespace meltemi::config {
namespace {

// How well the names fit: an exact one best, then the longest wildcard, then no names at all (1).
// 0: they do not.
size_t NameRank(const std::vector<std::string>& names, std::string_view sni) {
  if (names.empty()) return 1;
  size_t best = 0;
  for (const std::string_view name : names) {
    if (name == sni) return SIZE_MAX;
    if (name.starts_with("*.") && sni.ends_with(name.substr(1))) best = std::max(best, name.size());
  }
  return best;
}

// Exact before wildcard.
uint32_t FindAddress(const absl::flat_hash_map<SockAddr, uint32_t>& table,
                     const SockAddr& destination) {
  const auto exact = table.find(destination);
  if (exact != table.end()) return exact->second;
  const SockAddr wildcard{destination.ip.v4() ? IpAddr::V4(uint32_t{0}) : IpAddr(),
                          destination.port};
  const auto any = table.find(wildcard);
  return any == table.end() ? kNoIndex : any->second;
}

}  // namespace

uint32_t ChooseChain(const Listener& listener, uint32_t index, Transport transport,
                     std::string_view sni) {
  if (listener.chains.empty()) return index;
  size_t best = 1;
  uint32_t fallback = kNoIndex;
  for (const ListenerChain& chain : listener.chains) {
    if (chain.match.fallback) {
      fallback = chain.listener;
    } else {
      best = std::max(best, NameRank(chain.match.server_names, sni));
    }
  }
  uint32_t any = kNoIndex;
  for (const ListenerChain& chain : listener.chains) {
    if (chain.match.fallback || NameRank(chain.match.server_names, sni) != best) continue;
    if (chain.match.transport == transport) return chain.listener;
    if (chain.match.transport == Transport::kAny) any = chain.listener;
  }
  return any != kNoIndex ? any : fallback;
}

uint32_t Snapshot::FindListener(Direction direction, const SockAddr& destination) const {
  return FindAddress(direction == Direction::kInbound ? inbound : outbound, destination);
}

uint32_t Snapshot::FindUdpListener(const SockAddr& destination) const {
  return FindAddress(udp, destination);
}

}  // namespace meltemi::config
