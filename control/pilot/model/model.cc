#include "control/pilot/model/model.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/builder.h"

namespace meltemi::control::pilot::model {
namespace {

// "a.b.c" -> value of "a.b.c", else "*.b.c", else "*.c", else "*".
template <typename Map>
const typename Map::mapped_type* FindMostSpecific(const Map& map, const std::string& host) {
  if (const auto it = map.find(host); it != map.end()) return &it->second;
  for (size_t dot = host.find('.'); dot != std::string::npos; dot = host.find('.', dot + 1)) {
    if (const auto it = map.find("*" + host.substr(dot)); it != map.end()) return &it->second;
  }
  if (const auto it = map.find("*"); it != map.end()) return &it->second;
  return nullptr;
}

template <typename T>
void SortByName(std::vector<T>* objects) {
  std::sort(objects->begin(), objects->end(), [](const T& a, const T& b) {
    return std::tie(a.meta.ns, a.meta.name) < std::tie(b.meta.ns, b.meta.name);
  });
}

}  // namespace

const MeshPort* MeshService::Port(uint32_t number) const {
  for (const MeshPort& port : ports) {
    if (port.number == number) return &port;
  }
  return nullptr;
}

const MeshService* Model::FindService(const std::string& hostname) const {
  const auto it = service_by_host_.find(hostname);
  return it == service_by_host_.end() ? nullptr : &services_[it->second];
}

const MeshService* Model::MatchService(const std::string& hostname) const {
  const size_t* index = FindMostSpecific(service_by_host_, hostname);
  return index == nullptr ? nullptr : &services_[*index];
}

const VirtualService* Model::VirtualServiceFor(const std::string& hostname) const {
  const size_t* index = FindMostSpecific(virtual_service_by_host_, hostname);
  return index == nullptr ? nullptr : &virtual_services_[*index];
}

const DestinationRule* Model::DestinationRuleFor(const std::string& hostname) const {
  const size_t* index = FindMostSpecific(destination_rule_by_host_, hostname);
  return index == nullptr ? nullptr : &destination_rules_[*index];
}

std::string Model::Resolve(const std::string& host, const std::string& ns) const {
  if (absl::StartsWith(host, "*") || FindService(host) != nullptr) return host;
  const size_t dots = std::count(host.begin(), host.end(), '.');
  // As Istio: a name without dots is a service of the rule's own namespace. The forms with the
  // namespace spelled out mean the same to everybody, so they are understood too.
  if (dots == 0) return absl::StrCat(host, ".", ns, ".svc.", domain_);
  const std::string with_svc = absl::StrCat(host, ".svc.", domain_);
  if (dots == 1 && FindService(with_svc) != nullptr) return with_svc;
  if (dots == 2 && absl::EndsWith(host, ".svc")) return absl::StrCat(host, ".", domain_);
  return host;
}

std::optional<uint32_t> Model::DestinationPort(const MeshService& service,
                                               const Destination& destination,
                                               uint32_t listener_port) {
  if (destination.port != 0) {
    if (service.Port(destination.port) == nullptr) return std::nullopt;
    return destination.port;
  }
  if (service.ports.size() == 1) return service.ports[0].number;
  if (service.Port(listener_port) != nullptr) return listener_port;
  return std::nullopt;
}

void ModelBuilder::CheckDuplicates() {
  std::map<std::string, std::string> seen;  // object -> file
  for (const Document& document : objects_.documents) {
    const std::string object = document.meta.Object();
    const auto [it, inserted] = seen.emplace(object, document.meta.file);
    if (inserted) continue;
    problems_->push_back(
        {document.meta.file, object, "", absl::StrCat("defined twice, also in ", it->second)});
  }
}

void ModelBuilder::AddService(MeshService service, const std::string& path) {
  const auto [it, inserted] =
      model_.service_by_host_.emplace(service.hostname, model_.services_.size());
  if (!inserted) {
    const Meta& other = model_.services_[it->second].meta;
    problems_->push_back(
        {service.meta.file, service.meta.Object(), path,
         absl::StrCat("host \"", service.hostname, "\" is already defined by ", other.Object())});
    return;
  }
  model_.services_.push_back(std::move(service));
}

void ModelBuilder::AddServices() {
  std::vector<Service> sorted = objects_.services;
  SortByName(&sorted);
  for (const Service& service : sorted) {
    MeshService out{.meta = service.meta, .kubernetes = true, .headless = service.headless};
    out.hostname = absl::StrCat(service.meta.name, ".", service.meta.ns, ".svc.", model_.domain_);
    out.vips = service.cluster_ips;
    for (size_t i = 0; i < service.ports.size(); ++i) {
      const ServicePort& port = service.ports[i];
      auto& ports = port.protocol == Protocol::kUdp ? out.udp_ports : out.ports;
      ports.push_back({.name = port.name,
                       .number = port.number,
                       .protocol = port.protocol,
                       .endpoints = ServiceEndpoints(service, port, objects_),
                       .resting = RestingEndpoints(service, port, objects_),
                       .path = absl::StrCat("spec.ports[", i, "]")});
    }
    AddService(std::move(out), "metadata.name");
  }
}

void ModelBuilder::AddServiceEntries() {
  std::vector<ServiceEntry> sorted = objects_.service_entries;
  SortByName(&sorted);
  for (const ServiceEntry& entry : sorted) {
    for (size_t i = 0; i < entry.hosts.size(); ++i) {
      MeshService out{.meta = entry.meta, .hostname = entry.hosts[i]};
      out.resolution = entry.resolution;
      out.external = entry.external;
      out.vips = entry.addresses;
      for (size_t p = 0; p < entry.ports.size(); ++p) {
        const ServicePort& port = entry.ports[p];
        out.ports.push_back({.name = port.name,
                             .number = port.number,
                             .protocol = port.protocol,
                             .endpoints = EntryEndpoints(entry, port, objects_),
                             .resting = {},
                             .path = absl::StrCat("spec.ports[", p, "]")});
        if (out.resolution != Resolution::kStatic && out.resolution != Resolution::kNone &&
            entry.endpoints.empty()) {
          const uint32_t number = port.target_number != 0 ? port.target_number : port.number;
          out.ports.back().endpoints.push_back({.address = entry.hosts[i], .port = number});
        }
      }
      AddService(std::move(out), absl::StrCat("spec.hosts[", i, "]"));
    }
  }
}

void ModelBuilder::IndexServices() {
  std::sort(model_.services_.begin(), model_.services_.end(),
            [](const MeshService& a, const MeshService& b) { return a.hostname < b.hostname; });
  model_.service_by_host_.clear();
  for (size_t i = 0; i < model_.services_.size(); ++i) {
    model_.service_by_host_[model_.services_[i].hostname] = i;
  }
}

// Two services answering on one address and port could not be told apart.
void ModelBuilder::CheckAddresses() {
  std::map<std::tuple<std::string, uint32_t, bool>, const MeshService*> owners;
  for (const MeshService& service : model_.services_) {
    for (const std::string& vip : service.vips) {
      const auto check = [&](const MeshPort& port, bool udp) {
        const auto [it, inserted] = owners.emplace(std::tuple(vip, port.number, udp), &service);
        const bool one_entry = it->second->meta.Object() == service.meta.Object();
        // Hosts of HTTP services may share an address: the Host header tells them apart.
        if (inserted || (one_entry && IsHttp(port.protocol))) return;
        problems_->push_back(
            {service.meta.file, service.meta.Object(), "",
             absl::StrCat("address ", vip, udp ? " UDP" : "", " port ", port.number,
                          " is already used by ", it->second->meta.Object())});
      };
      for (const MeshPort& port : service.ports) check(port, false);
      for (const MeshPort& port : service.udp_ports) check(port, true);
    }
  }
}

void ModelBuilder::AddVirtualServices() {
  model_.virtual_services_ = objects_.virtual_services;
  SortByName(&model_.virtual_services_);
  for (VirtualService& rule : model_.virtual_services_) rule.http = WithDelegates(rule);
  for (size_t i = 0; i < model_.virtual_services_.size(); ++i) {
    const VirtualService& rule = model_.virtual_services_[i];
    if (!rule.AppliesTo(kMeshGateway)) continue;  // at gateways several rules may have one host
    for (size_t h = 0; h < rule.hosts.size(); ++h) {
      const std::string host = model_.Resolve(rule.hosts[h], rule.meta.ns);
      const auto [it, inserted] = model_.virtual_service_by_host_.emplace(host, i);
      if (inserted) continue;
      const VirtualService& first = model_.virtual_services_[it->second];
      problems_->push_back({rule.meta.file, rule.meta.Object(), absl::StrCat("spec.hosts[", h, "]"),
                            absl::StrCat("host \"", host, "\" already has a rule: ",
                                         first.meta.Object(), " in ", first.meta.file)});
    }
  }
}

void ModelBuilder::AddDestinationRules() {
  model_.destination_rules_ = objects_.destination_rules;
  SortByName(&model_.destination_rules_);
  for (size_t i = 0; i < model_.destination_rules_.size(); ++i) {
    const DestinationRule& rule = model_.destination_rules_[i];
    const std::string host = model_.Resolve(rule.host, rule.meta.ns);
    const auto [it, inserted] = model_.destination_rule_by_host_.emplace(host, i);
    if (inserted) continue;
    const DestinationRule& first = model_.destination_rules_[it->second];
    problems_->push_back({rule.meta.file, rule.meta.Object(), "spec.host",
                          absl::StrCat("host \"", host, "\" already has a rule: ",
                                       first.meta.Object(), " in ", first.meta.file)});
  }
}

void ModelBuilder::AddAuthorizationPolicies() {
  model_.authorization_policies_ = objects_.authorization_policies;
  SortByName(&model_.authorization_policies_);
}

// As Istio: those of the root namespace hold everywhere, with a selector too.
std::vector<const AuthorizationPolicy*> Model::AuthorizationPoliciesFor(
    const Endpoint& endpoint, const std::string& root_namespace) const {
  std::vector<const AuthorizationPolicy*> policies;
  for (const AuthorizationPolicy& policy : authorization_policies_) {
    if (policy.meta.ns != endpoint.ns && policy.meta.ns != root_namespace) continue;
    if (LabelsMatch(policy.selector, endpoint.labels)) policies.push_back(&policy);
  }
  return policies;
}

std::optional<Model> ModelBuilder::Build() {
  const size_t before = problems_->size();
  CheckDuplicates();
  AddServices();
  AddServiceEntries();
  IndexServices();
  CheckAddresses();
  AddVirtualServices();
  AddDestinationRules();
  AddPeerAuthentications();
  AddGateways();
  AddAuthorizationPolicies();
  if (problems_->size() == before) CheckReferences(model_, problems_);
  if (problems_->size() != before) return std::nullopt;
  return std::move(model_);
}

std::optional<Model> BuildModel(const Objects& objects, const std::string& domain,
                                Problems* problems) {
  return ModelBuilder(objects, domain, problems).Build();
}

}  // namespace meltemi::control::pilot::model
