#include "l7/config/snapshot.h"

#include <algorithm>

namespace meltemi::config {
namespace {

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

bool Listener::chooses_by_bytes() const {
  return std::any_of(chains.begin(), chains.end(),
                     [](const ListenerChain& chain) { return chain.match.needs_bytes(); });
}

ChainChoice ChooseChain(const Listener& listener, uint32_t index, const Heard& heard) {
  if (listener.chains.empty()) return {.listener = index};
  return ChooseChain(listener.chains, heard);
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
