// What a rule names must exist: hosts, subsets, ports.
#include <set>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/builder.h"

namespace meltemi::control::pilot::model {
namespace {

bool IsPassthrough(const GatewayServer& server) {
  return server.tls && server.tls->mode == ServerTlsMode::kPassthrough;
}

enum class RouteKind { kHttp, kTls, kTcp };

RouteKind KindOf(const GatewayServer& server) {
  if (IsPassthrough(server)) return RouteKind::kTls;
  const bool http =
      server.protocol == ServerProtocol::kHttp || server.protocol == ServerProtocol::kHttps;
  return http ? RouteKind::kHttp : RouteKind::kTcp;
}

// The ports on which requests for any host of the rule come in.
std::set<uint32_t> ListenerPorts(const Model& model, const VirtualService& rule, RouteKind kind) {
  std::set<uint32_t> ports;
  for (const std::string& name : rule.gateways) {
    const Gateway* gateway = model.FindGateway(name);
    if (gateway == nullptr) continue;
    for (const GatewayServer& server : gateway->servers) {
      if (KindOf(server) == kind) ports.insert(server.port);
    }
  }
  if (!rule.AppliesTo(kMeshGateway)) return ports;
  for (const std::string& host : rule.hosts) {
    const std::string pattern = model.Resolve(host, rule.meta.ns);
    for (const MeshService& service : model.services()) {
      if (!HostCovers(pattern, service.hostname)) continue;
      for (const MeshPort& port : service.ports) {
        if (kind == RouteKind::kTls && port.protocol != Protocol::kTls) continue;
        if (IsHttp(port.protocol) == (kind == RouteKind::kHttp)) ports.insert(port.number);
      }
    }
  }
  return ports;
}

struct Checker {
  const Model& model;
  const VirtualService& rule;
  Problems* problems;

  void Add(const std::string& path, const std::string& message) {
    problems->push_back({rule.meta.file, rule.meta.Object(), path, message});
  }

  void Gateways() {
    for (size_t i = 0; i < rule.gateways.size(); ++i) {
      const std::string& name = rule.gateways[i];
      if (name == kMeshGateway || model.FindGateway(name) != nullptr) continue;
      Add(absl::StrCat("spec.gateways[", i, "]"), absl::StrCat("no Gateway ", name));
    }
  }

  void Hosts() {
    if (rule.gateways != std::vector<std::string>{kMeshGateway}) return;  // names of the outside
    bool others = false;
    for (const std::string& host : rule.hosts) others |= IsThere(model.Resolve(host, rule.meta.ns));
    for (size_t i = 0; i < rule.hosts.size(); ++i) {
      const std::string pattern = model.Resolve(rule.hosts[i], rule.meta.ns);
      if (IsThere(pattern)) continue;
      // Clients of a service may ask its servers for names that are no service's.
      if (!rule.tls.empty() && others) continue;
      Add(absl::StrCat("spec.hosts[", i, "]"),
          absl::StrCat("no Service or ServiceEntry has host \"", pattern, "\""));
    }
  }

  bool IsThere(const std::string& pattern) {
    for (const MeshService& service : model.services()) {
      if (HostCovers(pattern, service.hostname)) return true;
    }
    return false;
  }

  void Subset(const std::string& path, const Destination& destination, const std::string& host) {
    if (destination.subset.empty()) return;
    const DestinationRule* destination_rule = model.DestinationRuleFor(host);
    if (destination_rule != nullptr) {
      for (const auto& subset : destination_rule->subsets) {
        if (subset.name == destination.subset) return;
      }
    }
    Add(absl::StrCat(path, ".subset"),
        destination_rule == nullptr
            ? absl::StrCat("\"", destination.subset, "\": no DestinationRule for host \"", host,
                           "\"")
            : absl::StrCat("\"", destination.subset, "\" is not a subset of ",
                           destination_rule->meta.Object()));
  }

  void Routes(const std::string& path, const std::vector<RouteDestination>& routes,
              const std::set<uint32_t>& listener_ports) {
    for (size_t i = 0; i < routes.size(); ++i) {
      Target(absl::StrCat(path, ".route[", i, "].destination"), routes[i].destination,
             listener_ports);
    }
  }

  void Target(const std::string& here, const Destination& destination,
              const std::set<uint32_t>& listener_ports) {
    const std::string host = model.Resolve(destination.host, rule.meta.ns);
    const MeshService* service = model.FindService(host);
    if (service == nullptr) {
      return Add(absl::StrCat(here, ".host"),
                 absl::StrCat("no Service or ServiceEntry has host \"", host, "\""));
    }
    Subset(here, destination, host);
    for (const uint32_t port : listener_ports) {
      if (Model::DestinationPort(*service, destination, port)) continue;
      return Add(
          absl::StrCat(here, ".port"),
          destination.port != 0
              ? absl::StrCat("\"", host, "\" has no port ", destination.port)
              : absl::StrCat("required: \"", host, "\" has several ports, none of them ", port));
    }
  }

  void SniHosts(const std::string& path, const L4Match& match) {
    for (size_t i = 0; i < match.sni_hosts.size(); ++i) {
      const std::string& sni = match.sni_hosts[i];
      bool covered = false;
      for (const std::string& host : rule.hosts) {
        covered |= HostCovers(host, sni) || HostCovers(model.Resolve(host, rule.meta.ns), sni);
      }
      if (covered) continue;
      Add(absl::StrCat(path, ".sniHosts[", i, "]"),
          absl::StrCat("\"", sni, "\" is none of spec.hosts"));
    }
  }

  void L4Routes(const char* field, const std::vector<TcpRoute>& routes, RouteKind kind) {
    for (size_t i = 0; i < routes.size(); ++i) {
      const std::string path = absl::StrCat("spec.", field, "[", i, "]");
      std::set<uint32_t> ports;
      for (size_t m = 0; m < routes[i].match.size(); ++m) {
        ports.insert(routes[i].match[m].port);
        SniHosts(absl::StrCat(path, ".match[", m, "]"), routes[i].match[m]);
      }
      if (ports.empty() || ports.contains(0)) ports = ListenerPorts(model, rule, kind);
      Routes(path, routes[i].route, ports);
    }
  }

  void All() {
    Gateways();
    Hosts();
    const std::set<uint32_t> http_ports = ListenerPorts(model, rule, RouteKind::kHttp);
    for (size_t i = 0; i < rule.http.size(); ++i) {
      std::set<uint32_t> ports;
      for (const HttpMatch& match : rule.http[i].match) {
        if (match.port != 0) ports.insert(match.port);
      }
      if (ports.size() != rule.http[i].match.size() || ports.empty()) ports = http_ports;
      const std::string& path = rule.http[i].path;
      Routes(path, rule.http[i].route, ports);
      for (const Mirror& mirror : rule.http[i].mirrors) {
        Target(absl::StrCat(path, ".", mirror.path), mirror.destination, ports);
      }
    }
    if (!rule.tls.empty() && rule.gateways == std::vector<std::string>{kMeshGateway} &&
        ListenerPorts(model, rule, RouteKind::kTls).empty()) {
      Add("spec.tls", "no port of the hosts is TLS: name it \"tls\" or \"https\"");
    }
    L4Routes("tls", rule.tls, RouteKind::kTls);
    L4Routes("tcp", rule.tcp, RouteKind::kTcp);
  }
};

// Without an address, TLS is told apart by SNI. Anything else needs a port of its own.
void CheckPlainAddresses(const Model& model, Problems* problems) {
  std::map<uint32_t, const MeshService*> wildcard, by_sni;
  for (const MeshService& service : model.services()) {
    if (!service.of_any_address()) continue;
    for (const MeshPort& port : service.ports) {
      if (port.protocol == Protocol::kTls) by_sni.emplace(port.number, &service);
    }
  }
  for (const MeshService& service : model.services()) {
    if (!service.of_any_address()) continue;
    for (const MeshPort& port : service.ports) {
      if (IsHttp(port.protocol) || port.protocol == Protocol::kTls) continue;
      if (const auto tls = by_sni.find(port.number); tls != by_sni.end()) {
        problems->push_back(
            {service.meta.file, service.meta.Object(), "spec.addresses",
             absl::StrCat("required: port ", port.number, " of any address is TLS for ",
                          tls->second->meta.Object())});
        continue;
      }
      const auto [it, inserted] = wildcard.emplace(port.number, &service);
      if (inserted) continue;
      problems->push_back({service.meta.file, service.meta.Object(), "spec.addresses",
                           absl::StrCat("required: ", it->second->meta.Object(),
                                        " also takes TCP port ", port.number, " of any address")});
    }
  }
  wildcard.merge(by_sni);
  for (const MeshService& service : model.services()) {
    for (const MeshPort& port : service.ports) {
      const auto it = wildcard.find(port.number);
      if (it == wildcard.end() || !IsHttp(port.protocol)) continue;
      problems->push_back({it->second->meta.file, it->second->meta.Object(), "spec.addresses",
                           absl::StrCat("required: port ", port.number,
                                        " of any address is HTTP for ", service.meta.Object())});
      wildcard.erase(it);
    }
  }
}

}  // namespace

void CheckReferences(const Model& model, Problems* problems) {
  for (const VirtualService& rule : model.virtual_services()) {
    if (rule.hosts.empty()) continue;  // its routes are checked where they are used
    Checker{model, rule, problems}.All();
  }
  for (const DestinationRule& rule : model.destination_rules()) {
    const std::string pattern = model.Resolve(rule.host, rule.meta.ns);
    bool found = false;
    for (const MeshService& service : model.services()) {
      found |= HostCovers(pattern, service.hostname);
    }
    if (found) continue;
    problems->push_back({rule.meta.file, rule.meta.Object(), "spec.host",
                         absl::StrCat("no Service or ServiceEntry has host \"", pattern, "\"")});
  }
  CheckPlainAddresses(model, problems);
}

}  // namespace meltemi::control::pilot::model
