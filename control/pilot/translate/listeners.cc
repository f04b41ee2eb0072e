// LDS.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/connection_routes.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/sni_listeners.h"
#include "control/pilot/translate/sources.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using envoy::config::listener::v3::Filter;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

void SetUdpAddress(const std::string& ip, uint32_t port, envoy::config::core::v3::Address* to) {
  SetAddress(ip, port, to);
  to->mutable_socket_address()->set_protocol(envoy::config::core::v3::SocketAddress::UDP);
}

// Clients of whom rules ask have a filter chain, and a route configuration, of their own. The last
// chain is everybody else's, and without them the only one.
void AddHttpListener(uint32_t port, const std::vector<Clients>& clients,
                     const model::MeshConfig& mesh, Resources* out) {
  const std::string name = absl::StrCat("0.0.0.0_", port);
  Listener listener = NewListener(name, "0.0.0.0", port);
  AddWildcardIpv6(port, &listener);
  for (size_t c = clients.size(); c-- > 0;) {
    hcm::HttpConnectionManager manager;
    manager.set_stat_prefix(absl::StrCat("outbound_", name));
    manager.mutable_rds()->set_route_config_name(MeshTable(port, clients[c]));
    SetAds(manager.mutable_rds()->mutable_config_source());
    AddHttpFilters(&manager);
    SetAccessLog(mesh, &manager);
    auto* chain = listener.add_filter_chains();
    *chain->add_filters() = ManagerFilter(manager);
    if (c == 0) continue;
    chain->set_name(clients[c].name);
    AddSources(clients[c], chain->mutable_filter_chain_match());
  }
  out->listeners.push_back(std::move(listener));
}

void AddTcpListeners(const model::Model& model, const model::MeshService& service,
                     const model::MeshPort& port, const model::MeshConfig& mesh,
                     std::set<std::string>* names, Resources* out) {
  Asked asked;
  AddAskedOfConnections(model.VirtualServiceFor(service.hostname), port.number, &asked);
  const std::vector<Clients> kinds = ClientsOf(model, asked);
  for (const std::string& address : TcpAddresses(service, port)) {
    const std::string name = absl::StrCat(address, "_", port.number);
    // Two headless services may select one pod; the first by host name has it.
    if (!names->insert(name).second) continue;
    Listener listener = NewListener(name, address, port.number);
    if (address == "0.0.0.0") AddWildcardIpv6(port.number, &listener);
    std::vector<ConnectionRoutes> routes;
    for (const Clients& clients : kinds) {
      routes.push_back(RoutesOfPort(model, service, port, mesh, address, clients));
    }
    AddConnectionChains(routes, &listener);
    out->listeners.push_back(std::move(listener));
  }
}

// One for all addresses of the service. A headless one needs none: its names are its endpoints',
// to which datagrams are routed as they are.
void AddUdpListener(const model::MeshService& service, const model::MeshPort& port,
                    Resources* out) {
  if (service.vips.empty()) return;
  Listener listener;
  listener.set_name(absl::StrCat(service.vips[0], "_", port.number, "_udp"));
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  listener.mutable_udp_listener_config();
  SetUdpAddress(service.vips[0], port.number, listener.mutable_address());
  for (size_t i = 1; i < service.vips.size(); ++i) {
    SetUdpAddress(service.vips[i], port.number,
                  listener.add_additional_addresses()->mutable_address());
  }
  envoy::extensions::filters::udp::udp_proxy::v3::UdpProxyConfig proxy;
  proxy.set_cluster(UdpClusterName(port.number, service.hostname));
  proxy.set_stat_prefix(proxy.cluster());
  auto* filter = listener.add_listener_filters();
  filter->set_name("envoy.filters.udp_listener.udp_proxy");
  *filter->mutable_typed_config() = Pack(proxy);
  out->listeners.push_back(std::move(listener));
}

}  // namespace

TcpProxy TcpProxyFor(const model::Model& model, const model::MeshService& service,
                     const model::MeshPort& port, const model::MeshConfig& mesh,
                     const model::TcpRoute* route) {
  TcpProxy proxy;
  const std::string plain = ClusterName(port.number, "", service.hostname);
  proxy.set_stat_prefix(plain);
  if (route == nullptr) {
    proxy.set_cluster(plain);
  } else {
    const model::VirtualService* rule = model.VirtualServiceFor(service.hostname);
    SetDestinations(model, rule->meta, route->route, port.number, &proxy);
  }
  if (route == nullptr) {
    const model::TrafficBlocks blocks =
        BlocksFor(model.DestinationRuleFor(service.hostname), nullptr, port.number);
    if (IsConsistent(blocks) && blocks.hash.source_ip) proxy.add_hash_policy()->mutable_source_ip();
  }
  const model::DestinationRule* destination = model.DestinationRuleFor(service.hostname);
  if (destination != nullptr) {
    const auto level = destination->policy.ports.find(port.number);
    const model::TrafficBlocks& blocks =
        level == destination->policy.ports.end() ? destination->policy.all : level->second;
    if (blocks.pool && blocks.pool->tcp_idle_timeout) {
      SetDuration(*blocks.pool->tcp_idle_timeout, proxy.mutable_idle_timeout());
    }
  }
  SetAccessLog(mesh, &proxy);
  return proxy;
}

// The addresses clients use for a TCP port: the service's, or every endpoint's when it is headless.
std::set<std::string> TcpAddresses(const model::MeshService& service, const model::MeshPort& port) {
  std::set<std::string> out(service.vips.begin(), service.vips.end());
  if (!out.empty()) return out;
  if (service.kubernetes) {
    for (const model::Endpoint& endpoint : port.endpoints) {
      if (endpoint.port == port.number) out.insert(endpoint.address);
    }
    return out;
  }
  return {"0.0.0.0"};
}

void AddHttpFilters(hcm::HttpConnectionManager* to) {
  const auto add = [to](const char* name, const google::protobuf::Message& config) {
    auto* filter = to->add_http_filters();
    filter->set_name(name);
    *filter->mutable_typed_config() = Pack(config);
  };
  add("envoy.filters.http.cors", envoy::extensions::filters::http::cors::v3::Cors());
  add("envoy.filters.http.fault", envoy::extensions::filters::http::fault::v3::HTTPFault());
  add("envoy.filters.http.router", envoy::extensions::filters::http::router::v3::Router());
}

Filter ManagerFilter(hcm::HttpConnectionManager manager) {
  manager.add_upgrade_configs()->set_upgrade_type("websocket");       // as Istio, everywhere
  manager.mutable_http2_protocol_options()->set_allow_connect(true);  // also over HTTP/2
  Filter filter;
  filter.set_name("envoy.filters.network.http_connection_manager");
  *filter.mutable_typed_config() = Pack(manager);
  return filter;
}

Filter ProxyFilter(const TcpProxy& proxy) {
  Filter filter;
  filter.set_name("envoy.filters.network.tcp_proxy");
  *filter.mutable_typed_config() = Pack(proxy);
  return filter;
}

bool OfGateway(const std::vector<std::string>& gateways, const std::string& gateway) {
  return gateways.empty() || std::find(gateways.begin(), gateways.end(), gateway) != gateways.end();
}

bool Takes(const model::L4Match& match, const std::string& gateway, uint32_t port,
           const model::Endpoint* client) {
  return (match.port == 0 || match.port == port) && OfGateway(match.gateways, gateway) &&
         Applies(match.source, match.gateways, gateway, client);
}

void SetDestinations(const model::Model& model, const model::Meta& meta,
                     const std::vector<model::RouteDestination>& route, uint32_t port,
                     TcpProxy* proxy) {
  std::vector<std::pair<std::string, uint32_t>> clusters;
  bool by_source = false;
  for (const model::RouteDestination& to : route) {
    // Envoy hashes a TCP connection by its source only.
    const model::TrafficBlocks blocks = DestinationBlocks(model, meta, to.destination, port);
    by_source |= IsConsistent(blocks) && blocks.hash.source_ip;
    const uint32_t weight = to.weight.value_or(route.size() == 1 ? 1 : 0);
    if (weight == 0) continue;
    clusters.emplace_back(DestinationCluster(model, meta, to.destination, port), weight);
  }
  if (clusters.size() == 1) {
    proxy->set_cluster(clusters[0].first);
  } else {
    for (const auto& [name, weight] : clusters) {
      auto* weighted = proxy->mutable_weighted_clusters()->add_clusters();
      weighted->set_name(name);
      weighted->set_weight(weight);
    }
  }
  if (by_source) proxy->add_hash_policy()->mutable_source_ip();
}

void AddWildcardIpv6(uint32_t port, Listener* listener) {
  SetAddress("::", port, listener->add_additional_addresses()->mutable_address());
}

void SetFirstBytes(const model::MeshConfig& mesh, Listener* listener) {
  SetDuration(mesh.protocol_detection_timeout, listener->mutable_listener_filters_timeout());
  listener->set_continue_on_listener_filters_timeout(true);
}

Listener NewListener(const std::string& name, const std::string& ip, uint32_t port) {
  Listener listener;
  listener.set_name(name);
  SetAddress(ip, port, listener.mutable_address());
  listener.mutable_bind_to_port()->set_value(false);
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  return listener;
}

Listener NewWorkloadListener(const std::string& name, const model::Endpoint& workload,
                             uint32_t port, envoy::config::core::v3::TrafficDirection direction) {
  Listener listener = NewListener(name, workload.address, port);
  listener.set_traffic_direction(direction);
  for (const std::string& ip : workload.ips) {
    if (ip == workload.address) continue;
    SetAddress(ip, port, listener.add_additional_addresses()->mutable_address());
  }
  return listener;
}

void AddListeners(const model::Model& model, const model::MeshConfig& mesh, Resources* out) {
  std::set<std::string> names;
  for (const auto& [port, asked] : AskedOfHttp(model)) {
    AddHttpListener(port, ClientsOf(model, asked), mesh, out);
    names.insert(absl::StrCat("0.0.0.0_", port));
  }
  SniListeners by_sni(model, mesh);
  for (const model::MeshService& service : model.services()) {
    for (const model::MeshPort& port : service.ports) {
      if (by_sni.Takes(service, port)) {
        by_sni.Add(service, port, &names);
      } else if (!model::IsHttp(port.protocol)) {
        AddTcpListeners(model, service, port, mesh, &names, out);
      }
    }
    for (const model::MeshPort& port : service.udp_ports) AddUdpListener(service, port, out);
  }
  by_sni.Finish(out);
}

}  // namespace meltemi::control::pilot::translate
