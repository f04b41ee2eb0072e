// RDS: route configurations and the domains of their virtual hosts.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/sources.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::route::v3::RouteConfiguration;
using envoy::config::route::v3::VirtualHost;

// How often each short name ("reviews") is wanted on a port. One that several namespaces have means
// nothing without knowing who asks, so nobody gets it: such a request still reaches the service its
// client resolved, by address.
using ShortNames = std::map<std::string, int>;

std::vector<std::string> HostNames(const model::MeshService& service, const ShortNames& shorts) {
  std::vector<std::string> names = {service.hostname};
  if (service.kubernetes) {
    const std::string in_namespace = absl::StrCat(service.meta.name, ".", service.meta.ns);
    if (shorts.at(service.meta.name) == 1) names.push_back(service.meta.name);
    names.push_back(in_namespace);
    names.push_back(absl::StrCat(in_namespace, ".svc"));
  }
  for (const std::string& vip : service.vips) {
    names.push_back(vip.find(':') == std::string::npos ? vip : absl::StrCat("[", vip, "]"));
  }
  return names;
}

VirtualHost ServiceHost(const model::Model& model, const model::MeshService& service, uint32_t port,
                        const ShortNames& shorts, const Clients& clients,
                        std::set<std::string>* taken) {
  VirtualHost host;
  host.set_name(absl::StrCat(service.hostname, ":", port));
  for (const std::string& name : HostNames(service, shorts)) {
    for (const std::string& domain : {name, absl::StrCat(name, ":", port)}) {
      // A domain may stand once in a route configuration; the first host by name keeps it.
      if (taken->insert(domain).second) host.add_domains(domain);
    }
  }
  const model::VirtualService* rule = model.VirtualServiceFor(service.hostname);
  for (RuleRoute& made : RoutesFor(model, rule, service, port, clients.one)) {
    if (clients.one != nullptr && !made.path.empty()) SetOrigin(rule->meta, made, &made.route);
    *host.add_routes() = std::move(made.route);
  }
  return host;
}

VirtualHost LastHost(const model::MeshConfig& mesh) {
  VirtualHost host;
  host.add_domains(std::string("*"));
  auto* route = host.add_routes();
  route->mutable_match()->set_prefix("/");
  switch (mesh.outbound) {
    case model::MeshConfig::Outbound::kAllowAny:
      host.set_name(std::string("allow_any"));
      route->mutable_route()->set_cluster(kPassthroughCluster);
      SetDuration(absl::ZeroDuration(), route->mutable_route()->mutable_timeout());
      break;
    case model::MeshConfig::Outbound::kRegistryOnly:
      host.set_name(std::string("block_all"));
      route->mutable_direct_response()->set_status(502);
      break;
  }
  route->set_name(host.name());
  return host;
}

}  // namespace

void AddRouteConfigurations(const model::Model& model, const model::MeshConfig& mesh,
                            Resources* out) {
  std::map<uint32_t, std::vector<const model::MeshService*>> ports;
  std::map<uint32_t, ShortNames> shorts;
  for (const model::MeshService& service : model.services()) {
    for (const model::MeshPort& port : service.ports) {
      if (!model::IsHttp(port.protocol)) continue;
      ports[port.number].push_back(&service);
      if (service.kubernetes) ++shorts[port.number][service.meta.name];
    }
  }
  for (const auto& [port, asked] : AskedOfHttp(model)) {
    for (const Clients& clients : ClientsOf(model, asked)) {
      RouteConfiguration config;
      config.set_name(MeshTable(port, clients));
      std::set<std::string> taken = {"*"};
      for (const model::MeshService* service : ports[port]) {
        VirtualHost host = ServiceHost(model, *service, port, shorts[port], clients, &taken);
        if (host.domains_size() > 0) *config.add_virtual_hosts() = std::move(host);
      }
      *config.add_virtual_hosts() = LastHost(mesh);
      out->routes.push_back(std::move(config));
    }
  }
}

}  // namespace meltemi::control::pilot::translate
