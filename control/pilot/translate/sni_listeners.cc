// LDS of services whose clients speak TLS of their own: where a rule has tls routes, and where
// several services share a port of any address, connections are told apart by SNI. Without either,
// such a port is opaque like any other (listeners.cc).
#include "control/pilot/translate/sni_listeners.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

// The rule's tls routes that take the port, within the mesh.
std::vector<std::pair<const model::TcpRoute*, std::vector<std::string>>> RoutesOf(
    const model::VirtualService* rule, uint32_t port) {
  std::vector<std::pair<const model::TcpRoute*, std::vector<std::string>>> found;
  if (rule == nullptr || !rule->AppliesTo(model::kMeshGateway)) return found;
  for (const model::TcpRoute& route : rule->tls) {
    for (const model::L4Match& match : route.match) {
      if (Takes(match, model::kMeshGateway, port)) found.emplace_back(&route, match.sni_hosts);
    }
  }
  return found;
}

}  // namespace

bool SniListeners::Takes(const model::MeshService& service, const model::MeshPort& port) const {
  if (port.protocol != model::Protocol::kTls) return false;
  return service.of_any_address() ||
         !RoutesOf(model_.VirtualServiceFor(service.hostname), port.number).empty();
}

// Names that an earlier chain of the listener has are its: the first rule wins.
void SniListeners::AddChain(const std::vector<std::string>& names, const TcpProxy& proxy,
                            Entry* to) {
  FilterChain chain;
  auto* match = chain.mutable_filter_chain_match();
  match->set_transport_protocol("tls");
  bool any = false;
  for (const std::string& given : names) {
    std::string name = absl::AsciiStrToLower(given);
    if (!to->names.insert(name).second) continue;
    any |= name == "*";
    match->add_server_names(std::move(name));
  }
  if (match->server_names().empty()) return;
  // No other chain has it, and it stays when names are added: connections that stand go by it.
  chain.set_name(absl::StrCat("sni ", match->server_names(0)));
  if (any) match->clear_server_names();  // to Envoy no name at all means every name
  *chain.add_filters() = ProxyFilter(proxy);
  *to->listener.add_filter_chains() = std::move(chain);
}

void SniListeners::AddChains(const model::MeshService& service, const model::MeshPort& port,
                             Entry* to) {
  const model::VirtualService* rule = model_.VirtualServiceFor(service.hostname);
  const auto routes = RoutesOf(rule, port.number);
  for (const auto& [route, names] : routes) {
    TcpProxy proxy;
    proxy.set_stat_prefix(ClusterName(port.number, "", service.hostname));
    SetDestinations(model_, rule->meta, route->route, port.number, &proxy);
    SetAccessLog(mesh_, &proxy);
    AddChain(names, proxy, to);
  }
  const TcpProxy own = TcpProxyFor(model_, service, port, mesh_);
  if (service.of_any_address()) {
    if (routes.empty()) AddChain({service.hostname}, own, to);
  } else {
    *to->listener.mutable_default_filter_chain()->add_filters() = ProxyFilter(own);
  }
}

void SniListeners::Add(const model::MeshService& service, const model::MeshPort& port,
                       std::set<std::string>* names) {
  for (const std::string& address : TcpAddresses(service, port)) {
    const std::string name = absl::StrCat(address, "_", port.number);
    const bool is_new = names->insert(name).second;
    // As of opaque ports: the first has it. Only those of any address are shared.
    if (!is_new && !(service.of_any_address() && entries_.contains(name))) continue;
    Entry& entry = entries_[name];
    if (is_new) {
      entry.listener = NewListener(name, address, port.number);
      entry.any_address = service.of_any_address();
      if (entry.any_address) AddWildcardIpv6(port.number, &entry.listener);
    }
    AddChains(service, port, &entry);
  }
}

void SniListeners::Finish(Resources* out) {
  for (auto& [name, entry] : entries_) {
    if (entry.any_address) {
      TcpProxy others;
      others.set_cluster(mesh_.outbound == model::MeshConfig::Outbound::kAllowAny
                             ? kPassthroughCluster
                             : kBlackHoleCluster);
      others.set_stat_prefix(others.cluster());
      SetAccessLog(mesh_, &others);
      *entry.listener.mutable_default_filter_chain()->add_filters() = ProxyFilter(others);
    }
    SetFirstBytes(mesh_, &entry.listener);
    out->listeners.push_back(std::move(entry.listener));
  }
}

}  // namespace meltemi::control::pilot::translate
