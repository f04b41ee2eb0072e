// RDS of Gateways, and LDS. Workloads that run the same Gateways have the same route
// configurations: "http.PORT.GATEWAYS" of all plain HTTP servers on a port, which share its
// listener's only filter chain, and "https.PORT.NAME.GATEWAY.NAMESPACE" of each server with TLS,
// which has a chain by SNI.
#include "control/pilot/translate/gateways.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/translate/sources.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::route::v3::Route;
using envoy::config::route::v3::RouteConfiguration;
using envoy::config::route::v3::VirtualHost;

using HostRoutes = std::map<std::string, std::vector<Route>>;  // by host

// Rules with one host follow each other by namespace and name; what takes everything comes last.
void AddRules(const model::Model& model, const Server& server, const model::Endpoint& workload,
              HostRoutes* hosts) {
  for (const model::VirtualService& rule : model.virtual_services()) {
    const std::string gateway = server.gateway->Name();
    if (!rule.AppliesTo(gateway) || rule.http.empty()) continue;
    for (const std::string& host : HostsOf(rule, *server)) {
      for (RuleRoute& made : RuleRoutes(model, rule, gateway, server->port, &workload)) {
        SetOrigin(rule.meta, made, &made.route);
        (*hosts)[host].push_back(std::move(made.route));
      }
    }
  }
  for (auto& [host, routes] : *hosts) {
    std::stable_partition(routes.begin(), routes.end(),
                          [](const Route& route) { return !CatchAll(route.match()); });
  }
}

void AddRedirects(const Server& server, HostRoutes* hosts) {
  for (const auto& [ns, host] : server->hosts) {
    Route route;
    route.set_name("https-redirect");
    route.mutable_match()->set_prefix("/");
    route.mutable_redirect()->set_https_redirect(true);
    (*hosts)[host] = {std::move(route)};
  }
}

bool HasTable(const std::string& name, const Resources& out) {
  return std::any_of(out.routes.begin(), out.routes.end(),
                     [&](const RouteConfiguration& table) { return table.name() == name; });
}

void AddRouteConfiguration(const std::string& name, uint32_t port, const HostRoutes& hosts,
                           Resources* out) {
  if (HasTable(name, *out)) return;  // its Gateway has workloads that run others, too
  RouteConfiguration config;
  config.set_name(name);
  for (const auto& [host, routes] : hosts) {
    VirtualHost* to = config.add_virtual_hosts();
    to->set_name(absl::StrCat(host, ":", port));
    to->add_domains(host);
    if (host != "*") to->add_domains(absl::StrCat(host, ":", port));
    for (const Route& route : routes) *to->add_routes() = route;
  }
  out->routes.push_back(std::move(config));
}

void AddTables(const model::Model& model, uint32_t port, const Servers& servers,
               const model::Endpoint& workload, Resources* out) {
  const std::string suffix = TableSuffix(model, servers, workload);
  HostRoutes plain;
  for (const Server& server : servers) {
    if (server->protocol == model::ServerProtocol::kHttp) {
      if (!server->https_redirect) AddRules(model, server, workload, &plain);
    } else if (server->protocol == model::ServerProtocol::kHttps &&
               server->tls->mode != model::ServerTlsMode::kPassthrough) {
      HostRoutes hosts;
      AddRules(model, server, workload, &hosts);
      AddRouteConfiguration(TlsTable(server) + suffix, port, hosts, out);
    }
  }
  if (servers[0]->protocol != model::ServerProtocol::kHttp) return;
  for (const Server& server : servers) {
    if (server->https_redirect) AddRedirects(server, &plain);
  }
  AddRouteConfiguration(PlainTable(port, servers) + suffix, port, plain, out);
}

}  // namespace

// For people who read dumps, and for what is held back.
void SetOrigin(const model::Meta& rule, const RuleRoute& made, Route* route) {
  auto& fields = *(*route->mutable_metadata()->mutable_filter_metadata())[kOrigin].mutable_fields();
  fields["config"].set_string_value(ConfigName(rule));
  fields["field"].set_string_value(RulePath(made));
}

std::string ConfigName(const model::Meta& rule) {
  return absl::StrCat("/apis/networking.istio.io/v1/namespaces/", rule.ns, "/virtual-service/",
                      rule.name);
}

std::optional<std::string> Intersect(const std::string& a, const std::string& b) {
  if (model::HostCovers(a, b)) return b;
  if (model::HostCovers(b, a)) return a;
  return std::nullopt;
}

std::vector<std::string> HostsOf(const model::VirtualService& rule,
                                 const model::GatewayServer& server) {
  std::vector<std::string> out;
  for (const std::string& wanted : rule.hosts) {
    for (const auto& [ns, host] : server.hosts) {
      if (ns != "*" && ns != rule.meta.ns) continue;
      if (auto both = Intersect(wanted, host)) out.push_back(*std::move(both));
    }
  }
  return out;
}

std::string PlainTable(uint32_t port, const Servers& servers) {
  std::vector<std::string> names;
  for (const Server& server : servers) {
    std::string name = server.gateway->Name();
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  return absl::StrCat("http.", port, ".", absl::StrJoin(names, ","));
}

std::string TlsTable(const Server& server) {
  return absl::StrCat("https.", server->port, ".", server->port_name, ".",
                      server.gateway->meta.name, ".", server.gateway->meta.ns);
}

std::string TableSuffix(const model::Model& model, const Servers& servers,
                        const model::Endpoint& workload) {
  Asked asked;
  for (const Server& server : servers) {
    const std::string gateway = server.gateway->Name();
    for (const model::VirtualService& rule : model.virtual_services()) {
      if (rule.AppliesTo(gateway)) AddAsked(&rule, gateway, server->port, &asked);
    }
  }
  const std::string name = NameOf(asked, workload);
  return name.empty() ? "" : absl::StrCat("~", name);
}

void AddGateways(const model::Model& model, const model::MeshConfig& mesh, Resources* out) {
  for (const model::GatewayGroup& group : model.gateway_groups()) {
    std::map<uint32_t, Servers> ports;
    for (const size_t index : group.gateways) {
      const model::Gateway& gateway = model.gateways()[index];
      for (size_t i = 0; i < gateway.servers.size(); ++i) {
        ports[gateway.servers[i].port].push_back({&gateway, i});
      }
    }
    for (const auto& [port, servers] : ports) {
      std::set<std::string> known;
      for (const model::Endpoint& workload : group.workloads) {
        if (known.insert(TableSuffix(model, servers, workload)).second) {
          AddTables(model, port, servers, workload, out);
        }
        AddGatewayListener(model, mesh, workload, port, servers, out);
      }
    }
  }
}

}  // namespace meltemi::control::pilot::translate
