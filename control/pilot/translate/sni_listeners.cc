// LDS of services whose clients speak TLS of their own: where a rule has tls routes, and where
// several services share a port of any address, connections are told apart by SNI. Without either,
// such a port is opaque like any other (listeners.cc).
#include "control/pilot/translate/sni_listeners.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

// Has the rule tls routes that take the port within the mesh, for whomever?
bool RoutesBySni(const model::VirtualService* rule, uint32_t port) {
  if (rule == nullptr) return false;
  for (const model::TcpRoute& route : rule->tls) {
    for (const model::L4Match& match : route.match) {
      if (match.port != 0 && match.port != port) continue;
      if (OfGateway(match.gateways, model::kMeshGateway)) return true;
    }
  }
  return false;
}

}  // namespace

bool SniListeners::Takes(const model::MeshService& service, const model::MeshPort& port) const {
  if (port.protocol != model::Protocol::kTls) return false;
  return service.of_any_address() ||
         RoutesBySni(model_.VirtualServiceFor(service.hostname), port.number);
}

void SniListeners::Add(const model::MeshService& service, const model::MeshPort& port,
                       std::set<std::string>* names) {
  for (const std::string& address : TcpAddresses(service, port)) {
    const std::string name = absl::StrCat(address, "_", port.number);
    const bool is_new = names->insert(name).second;
    // As of opaque ports: the first has it. Only those of any address are shared.
    if (!is_new && !(service.of_any_address() && entries_.contains(name))) continue;
    Entry& entry = entries_[name];
    entry.address = address;
    entry.port = port.number;
    entry.any_address = service.of_any_address();
    entry.services.emplace_back(&service, &port);
  }
}

ConnectionRoutes SniListeners::RoutesOf(const Entry& entry, const Clients& clients) const {
  ConnectionRoutes all{.clients = clients};
  for (const auto& [service, port] : entry.services) {
    ConnectionRoutes own = RoutesOfPort(model_, *service, *port, mesh_, entry.address, clients);
    all.services.push_back(std::move(own.services[0]));
    all.others = std::move(own.others);
    all.origin = std::move(own.origin);
  }
  if (!entry.any_address) return all;
  all.origin = "others";
  TcpProxy& others = all.others.emplace();
  others.set_cluster(mesh_.outbound == model::MeshConfig::Outbound::kAllowAny ? kPassthroughCluster
                                                                              : kBlackHoleCluster);
  others.set_stat_prefix(others.cluster());
  SetAccessLog(mesh_, &others);
  return all;
}

void SniListeners::Finish(Resources* out) {
  for (const auto& [name, entry] : entries_) {
    Listener listener = NewListener(name, entry.address, entry.port);
    if (entry.any_address) AddWildcardIpv6(entry.port, &listener);
    Asked asked;
    for (const auto& [service, port] : entry.services) {
      AddAskedOfConnections(model_.VirtualServiceFor(service->hostname), port->number, &asked);
    }
    std::vector<ConnectionRoutes> routes;
    for (const Clients& clients : ClientsOf(model_, asked)) {
      routes.push_back(RoutesOf(entry, clients));
    }
    AddConnectionChains(routes, &listener);
    SetFirstBytes(mesh_, &listener);
    out->listeners.push_back(std::move(listener));
  }
}

}  // namespace meltemi::control::pilot::translate
