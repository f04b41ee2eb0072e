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

bool TlsPeerNames::Accept(std::string_view spiffe_id) const {
  if (*this == TlsPeerNames{}) return true;
  if (std::find(uris.begin(), uris.end(), spiffe_id) != uris.end()) return true;
  constexpr std::string_view kScheme = "spiffe://";
  if (!spiffe_id.starts_with(kScheme)) return false;
  spiffe_id.remove_prefix(kScheme.size());
  const std::string_view domain = spiffe_id.substr(0, spiffe_id.find('/'));
  return std::find(trust_domains.begin(), trust_domains.end(), domain) != trust_domains.end();
}

const TlsSettings* Snapshot::FindTls(uint32_t stable_id) const {
  const auto at = std::lower_bound(
      tls.begin(), tls.end(), stable_id,
      [](const TlsSettings& settings, uint32_t id) { return settings.stable_id < id; });
  return at == tls.end() || at->stable_id != stable_id ? nullptr : &*at;
}

ChainChoice ChooseChain(const Listener& listener, uint32_t index, const Heard& heard) {
  if (listener.chains.empty()) return {.listener = index};
  size_t best = 1;
  uint32_t fallback = kNoIndex;
  for (const ListenerChain& chain : listener.chains) {
    if (chain.match.fallback) {
      fallback = chain.listener;
    } else {
      best = std::max(best, NameRank(chain.match.server_names, heard.sni));
    }
  }
  const auto fits = [&](const ListenerChain& chain) {
    return !chain.match.fallback && NameRank(chain.match.server_names, heard.sni) == best;
  };
  // Some chain names the transport: those for any are not looked at (Envoy's maps of maps).
  Transport transport = Transport::kAny;
  for (const ListenerChain& chain : listener.chains) {
    if (fits(chain) && chain.match.transport == heard.transport) transport = heard.transport;
  }
  ChainChoice any{.listener = fallback};
  for (const ListenerChain& chain : listener.chains) {
    if (!fits(chain) || chain.match.transport != transport) continue;
    if (chain.match.protocols.empty()) any.listener = chain.listener;
    for (const std::string& protocol : chain.match.protocols) {
      const auto at = std::find(heard.protocols.begin(), heard.protocols.end(), protocol);
      if (at != heard.protocols.end()) return {.listener = chain.listener, .protocol = protocol};
    }
  }
  return any;
}

uint32_t Snapshot::FindListener(Direction direction, const SockAddr& destination) const {
  return FindAddress(direction == Direction::kInbound ? inbound : outbound, destination);
}

uint32_t Snapshot::FindUdpListener(const SockAddr& destination) const {
  return FindAddress(udp, destination);
}

const Listener* Snapshot::FindMeshInbound(const SockAddr& destination) const {
  const auto found = mesh_inbound.find(destination);
  return found == mesh_inbound.end() ? nullptr : &listeners[found->second.listener];
}

std::string Snapshot::MeshIdentityOf(const SockAddr& destination) const {
  const auto found = mesh_inbound.find(destination);
  return found == mesh_inbound.end() ? std::string() : found->second.identity;
}

Spoken Snapshot::SpokenAt(const SockAddr& destination) const {
  const auto found = spoken.find(destination);
  return found == spoken.end() ? Spoken::kUnknown : found->second;
}

uint32_t Snapshot::FindGuard(const SockAddr& destination) const {
  if (guarded.empty()) return kNoIndex;
  auto found = guarded.find(destination);
  if (found == guarded.end() && !inbound.contains(destination)) {
    found = guarded.find({destination.ip, 0});
  }
  return found == guarded.end() ? kNoIndex : found->second;
}

const std::vector<Rbac>& RbacOf(const Listener& listener) {
  const auto* http = std::get_if<HttpManager>(&listener.filter);
  return http != nullptr ? http->rbac : std::get<TcpProxy>(listener.filter).rbac;
}

}  // namespace meltemi::config
