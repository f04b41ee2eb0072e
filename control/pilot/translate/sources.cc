#include "control/pilot/translate/sources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/listener_parts.h"

namespace meltemi::control::pilot::translate {
namespace {

std::string TextOf(const model::SourceMatch& source) {
  std::string text = source.ns.empty() ? "" : absl::StrCat(source.ns, "/");
  const char* between = "";
  for (const auto& [name, value] : source.labels) {
    absl::StrAppend(&text, between, name, "=", value);
    between = ",";
  }
  return text;
}

void AddAskedOf(const std::vector<model::TcpRoute>& routes, uint32_t port, Asked* asked) {
  for (const model::TcpRoute& route : routes) {
    for (const model::L4Match& match : route.match) {
      if (match.source.any() || (match.port != 0 && match.port != port)) continue;
      if (OfGateway(match.gateways, model::kMeshGateway)) asked->insert(match.source);
    }
  }
}

}  // namespace

bool Applies(const model::SourceMatch& source, const model::Endpoint* client) {
  if (source.any()) return true;
  if (client == nullptr || (!source.ns.empty() && source.ns != client->ns)) return false;
  return std::all_of(source.labels.begin(), source.labels.end(), [client](const auto& label) {
    const auto found = client->labels.find(label.first);
    return found != client->labels.end() && found->second == label.second;
  });
}

bool Applies(const model::SourceMatch& source, const std::vector<std::string>& gateways,
             const std::string& gateway, const model::Endpoint* client) {
  const bool named = gateway != model::kMeshGateway && !gateways.empty();
  return named || Applies(source, client);
}

void AddAsked(const model::VirtualService* rule, const std::string& gateway, uint32_t port,
              Asked* asked) {
  if (rule == nullptr) return;
  for (const model::HttpRoute& route : rule->http) {
    for (const model::HttpMatch& match : route.match) {
      if (match.source.any() || (match.port != 0 && match.port != port)) continue;
      const bool asks = gateway == model::kMeshGateway || match.gateways.empty();
      if (asks && OfGateway(match.gateways, gateway)) asked->insert(match.source);
    }
  }
}

void AddAskedOfConnections(const model::VirtualService* rule, uint32_t port, Asked* asked) {
  if (rule == nullptr) return;
  AddAskedOf(rule->tls, port, asked);
  AddAskedOf(rule->tcp, port, asked);
}

std::map<uint32_t, Asked> AskedOfHttp(const model::Model& model) {
  std::map<uint32_t, Asked> out;
  for (const model::MeshService& service : model.services()) {
    for (const model::MeshPort& port : service.ports) {
      if (!model::IsHttp(port.protocol)) continue;
      AddAsked(model.VirtualServiceFor(service.hostname), model::kMeshGateway, port.number,
               &out[port.number]);
    }
  }
  return out;
}

std::string MeshTable(uint32_t port, const Clients& clients) {
  return clients.name.empty() ? absl::StrCat(port) : absl::StrCat(port, "~", clients.name);
}

std::string NameOf(const Asked& asked, const model::Endpoint& client) {
  std::string name;
  for (const model::SourceMatch& source : asked) {
    if (Applies(source, &client)) absl::StrAppend(&name, name.empty() ? "" : "~", TextOf(source));
  }
  return name;
}

std::vector<Clients> ClientsOf(const model::Model& model, const Asked& asked) {
  std::vector<Clients> out(1);
  if (asked.empty()) return out;
  std::map<std::string, Clients> by_name;
  for (const model::Endpoint& workload : model.workloads()) {
    std::string name = NameOf(asked, workload);
    if (name.empty()) continue;
    Clients& clients = by_name[name];
    if (clients.one == nullptr) clients = {.one = &workload, .name = std::move(name)};
    if (workload.ips.empty()) clients.addresses.push_back(workload.address);
    for (const std::string& ip : workload.ips) clients.addresses.push_back(ip);
  }
  for (auto& [name, clients] : by_name) out.push_back(std::move(clients));
  return out;
}

void AddSources(const Clients& clients, envoy::config::listener::v3::FilterChainMatch* match) {
  for (const std::string& address : clients.addresses) {
    auto* range = match->add_source_prefix_ranges();
    range->set_address_prefix(address);
    range->mutable_prefix_len()->set_value(address.find(':') == std::string::npos ? 32 : 128);
  }
}

}  // namespace meltemi::control::pilot::translate
