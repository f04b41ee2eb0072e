// Which addresses stand behind a port.
#include <algorithm>
#include <tuple>

#include "control/pilot/model/builder.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

// One endpoint per workload, of the service's own address family when the workload has it: an
// endpoint per address would give dual-stack pods twice the load.
std::string PickAddress(const std::vector<std::string>& ips, const Service& service) {
  if (service.cluster_ips.empty()) return ips.front();
  const bool wanted = IsIpv6(service.cluster_ips.front());
  for (const std::string& ip : ips) {
    if (IsIpv6(ip) == wanted) return ip;
  }
  return ips.front();
}

const Pod* FindPod(const Objects& objects, const std::string& ns, const std::string& name,
                   const std::vector<std::string>& ips) {
  for (const Pod& pod : objects.pods) {
    if (!name.empty() && pod.meta.ns == ns && pod.meta.name == name) return &pod;
  }
  for (const Pod& pod : objects.pods) {
    for (const std::string& ip : ips) {
      if (std::find(pod.ips.begin(), pod.ips.end(), ip) != pod.ips.end()) return &pod;
    }
  }
  return nullptr;
}

void DescribeWith(const Pod& pod, Endpoint* endpoint) {
  endpoint->ips = pod.ips;
  endpoint->labels = pod.meta.labels;
  endpoint->workload = pod.workload;
  endpoint->service_account = pod.service_account;
  endpoint->node = pod.node;
}

// The endpoint port of a group that a service port means: the one of the same name.
uint32_t GroupPort(const EndpointGroup& group, const ServicePort& port) {
  for (const EndpointGroup::Port& candidate : group.ports) {
    if (candidate.name == port.name) return candidate.number;
  }
  return group.ports.size() == 1 && group.ports[0].name.empty() ? group.ports[0].number : 0;
}

void AddGroups(const Service& service, const ServicePort& port, const Objects& objects, bool slices,
               std::vector<Endpoint>* out) {
  for (const EndpointGroup& group : objects.endpoint_groups) {
    if (group.slice != slices || group.meta.ns != service.meta.ns ||
        group.service != service.meta.name) {
      continue;
    }
    const uint32_t number = GroupPort(group, port);
    if (number == 0) continue;
    for (const EndpointGroup::Address& address : group.addresses) {
      // As Kubernetes and Istio: what is not ready is no endpoint.
      if (address.ips.empty() || !(address.ready || service.publish_not_ready)) continue;
      Endpoint endpoint{.address = address.ips.front(), .port = number, .ns = service.meta.ns};
      if (!address.zone.empty()) endpoint.locality = "/" + address.zone;
      const Pod* pod = FindPod(objects, service.meta.ns, address.pod, address.ips);
      if (pod != nullptr) DescribeWith(*pod, &endpoint);
      out->push_back(std::move(endpoint));
    }
  }
}

enum class Which { kEndpoints, kResting };
void AddPods(const Service& service, const ServicePort& port, const Objects& objects, Which which,
             std::vector<Endpoint>* out) {
  for (const Pod& pod : objects.pods) {
    if (pod.meta.ns != service.meta.ns || pod.ips.empty()) continue;
    const bool is_endpoint = pod.ready || service.publish_not_ready;
    if (pod.ended || is_endpoint != (which == Which::kEndpoints)) continue;
    if (!LabelsMatch(service.selector, pod.meta.labels)) continue;
    uint32_t number = port.target_number != 0 ? port.target_number : port.number;
    if (!port.target_name.empty()) {
      const auto named = pod.named_ports.find(port.target_name);
      if (named == pod.named_ports.end()) continue;  // as Kubernetes: no such port, no endpoint
      number = named->second;
    }
    Endpoint endpoint{.address = PickAddress(pod.ips, service), .port = number};
    endpoint.ns = pod.meta.ns;
    DescribeWith(pod, &endpoint);
    out->push_back(std::move(endpoint));
  }
}

Endpoint FromWorkloadEntry(const WorkloadEntry& entry, const ServicePort& port) {
  Endpoint endpoint{.address = entry.address};
  endpoint.port = port.target_number != 0 ? port.target_number : port.number;
  const auto named = entry.ports.find(port.name);
  if (named != entry.ports.end()) endpoint.port = named->second;
  endpoint.labels = entry.labels;
  endpoint.workload = entry.meta.name;
  endpoint.ns = entry.meta.ns;
  endpoint.service_account = entry.service_account;
  endpoint.locality = entry.locality;
  endpoint.weight = entry.weight;
  return endpoint;
}

// A workload's labels are those in its spec; the object's own labels count as well.
Labels LabelsOf(const WorkloadEntry& entry) {
  Labels labels = entry.meta.labels;
  for (const auto& [key, value] : entry.labels) labels[key] = value;
  return labels;
}

void AddWorkloadEntries(const Labels& selector, const std::string& ns, const ServicePort& port,
                        const Objects& objects, std::vector<Endpoint>* out) {
  for (const WorkloadEntry& entry : objects.workload_entries) {
    Labels labels = LabelsOf(entry);
    if (entry.meta.ns != ns || !LabelsMatch(selector, labels)) continue;
    out->push_back(FromWorkloadEntry(entry, port));
    out->back().labels = std::move(labels);
  }
}

}  // namespace

std::vector<Endpoint> Workloads(const Labels& selector, const Objects& objects) {
  std::vector<Endpoint> out;
  for (const Pod& pod : objects.pods) {
    if (pod.ips.empty() || !LabelsMatch(selector, pod.meta.labels)) continue;
    DescribeWith(pod, &out.emplace_back(Endpoint{.address = pod.ips.front(), .ns = pod.meta.ns}));
  }
  for (const WorkloadEntry& entry : objects.workload_entries) {
    Labels labels = LabelsOf(entry);
    if (!IsIp(entry.address) || !LabelsMatch(selector, labels)) continue;
    Endpoint endpoint = FromWorkloadEntry(entry, {});
    endpoint.port = 0;
    endpoint.labels = std::move(labels);
    out.push_back(std::move(endpoint));
  }
  SortEndpoints(&out);
  return out;
}

bool LabelsMatch(const Labels& selector, const Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  return true;
}

void SortEndpoints(std::vector<Endpoint>* endpoints) {
  const auto key = [](const Endpoint& e) { return std::tie(e.address, e.port); };
  std::stable_sort(endpoints->begin(), endpoints->end(),
                   [&](const Endpoint& a, const Endpoint& b) { return key(a) < key(b); });
  endpoints->erase(
      std::unique(endpoints->begin(), endpoints->end(),
                  [&](const Endpoint& a, const Endpoint& b) { return key(a) == key(b); }),
      endpoints->end());
}

std::vector<Endpoint> ServiceEndpoints(const Service& service, const ServicePort& port,
                                       const Objects& objects) {
  std::vector<Endpoint> out;
  AddGroups(service, port, objects, true, &out);
  if (out.empty()) AddGroups(service, port, objects, false, &out);
  // A service without a selector has the endpoints it is given, never every pod.
  if (!service.selector.empty()) {
    if (out.empty()) AddPods(service, port, objects, Which::kEndpoints, &out);
    AddWorkloadEntries(service.selector, service.meta.ns, port, objects, &out);
  }
  SortEndpoints(&out);
  return out;
}

std::vector<Endpoint> RestingEndpoints(const Service& service, const ServicePort& port,
                                       const Objects& objects) {
  std::vector<Endpoint> out;
  if (!service.selector.empty()) AddPods(service, port, objects, Which::kResting, &out);
  SortEndpoints(&out);
  return out;
}

std::vector<Endpoint> EntryEndpoints(const ServiceEntry& entry, const ServicePort& port,
                                     const Objects& objects) {
  std::vector<Endpoint> out;
  for (const WorkloadEntry& workload : entry.endpoints) {
    out.push_back(FromWorkloadEntry(workload, port));
  }
  if (entry.workload_selector) {
    Service selected{.meta = entry.meta, .selector = *entry.workload_selector};
    AddPods(selected, port, objects, Which::kEndpoints, &out);
    AddWorkloadEntries(*entry.workload_selector, entry.meta.ns, port, objects, &out);
  }
  SortEndpoints(&out);
  return out;
}

}  // namespace meltemi::control::pilot::model
