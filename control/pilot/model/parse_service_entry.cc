// Kinds ServiceEntry and WorkloadEntry.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

void ReadWorkload(MapReader& map, WorkloadEntry* out) {
  out->address = map.RequiredString("address");
  map.EachEntry("ports", [&](const std::string& key, const YAML::Node&, const std::string&) {
    out->ports[key] = 0;
  });
  map.In("ports", [&](MapReader& ports) {
    for (auto& [name, number] : out->ports) number = ReadPort(ports, name);
  });
  out->labels = map.StringMap("labels");
  out->locality = map.StringOr("locality", "");
  out->service_account = map.StringOr("serviceAccount", "default");
  out->weight = static_cast<uint32_t>(map.Int("weight", 1, 1'000'000).value_or(1));
  map.NotYet({"network"});
}

Protocol ReadProtocol(MapReader& port, const std::string& name) {
  const std::string protocol = port.StringOr("protocol", "");
  if (protocol.empty()) return SelectProtocol("", name, false);
  if (protocol == "HTTP" || protocol == "GRPC-Web" || protocol == "GRPC-WEB") {
    return Protocol::kHttp;
  }
  if (protocol == "HTTP2") return Protocol::kHttp2;
  if (protocol == "GRPC") return Protocol::kGrpc;
  if (protocol == "HTTPS" || protocol == "TLS") return Protocol::kTls;
  if (protocol == "TCP" || protocol == "MONGO") return Protocol::kTcp;
  port.Problem("protocol", "must be one of HTTP, HTTPS, HTTP2, GRPC, GRPC-Web, MONGO, TCP, TLS");
  return Protocol::kTcp;
}

void ReadPorts(MapReader& spec, std::vector<ServicePort>* out) {
  spec.Each("ports", [&](MapReader& port) {
    ServicePort p;
    p.number = ReadPort(port, "number");
    if (!port.Has("number")) port.Problem("number", "required");
    p.name = port.RequiredString("name");
    p.protocol = ReadProtocol(port, p.name);
    p.target_number = ReadPort(port, "targetPort");
    for (const ServicePort& other : *out) {
      if (other.number == p.number) {
        port.Problem("number", absl::StrCat("port ", p.number, " is given twice"));
      }
    }
    out->push_back(std::move(p));
  });
  if (out->empty()) spec.Problem("ports", "required");
}

// What the resolution needs of hosts and endpoints.
void CheckResolution(MapReader& spec, const ServiceEntry& entry) {
  const bool dns =
      entry.resolution == Resolution::kDns || entry.resolution == Resolution::kDnsRoundRobin;
  for (size_t i = 0; i < entry.endpoints.size(); ++i) {
    const std::string path = absl::StrCat(spec.Path("endpoints"), "[", i, "].address");
    if (entry.resolution == Resolution::kNone) {
      spec.report().Add(path, "endpoints need resolution STATIC or DNS");
    } else if (!dns && !IsIp(entry.endpoints[i].address)) {
      spec.report().Add(path, "must be an IP address with resolution STATIC");
    }
  }
  for (size_t i = 0; i < entry.hosts.size(); ++i) {
    const std::string path = absl::StrCat(spec.Path("hosts"), "[", i, "]");
    const std::string& host = entry.hosts[i];
    if (host.empty() || host == "*" || host.find_first_of("| /:") != std::string::npos) {
      spec.report().Add(path, absl::StrCat("\"", host, "\" is not a host name or *.suffix"));
    } else if (host[0] == '*' && (!absl::StartsWith(host, "*.") || dns)) {
      spec.report().Add(path, dns ? "a wildcard cannot be resolved by DNS" : "must be *.suffix");
    }
  }
}

void ReadSpec(MapReader& spec, ServiceEntry* out) {
  out->hosts = spec.StringList("hosts");
  if (out->hosts.empty()) spec.Problem("hosts", "required");
  out->addresses = spec.StringList("addresses");
  for (size_t i = 0; i < out->addresses.size(); ++i) {
    if (IsIp(out->addresses[i])) continue;
    const bool cidr = out->addresses[i].find('/') != std::string::npos;
    spec.report().Add(absl::StrCat(spec.Path("addresses"), "[", i, "]"),
                      cidr ? "CIDR addresses are not supported yet" : "must be an IP address");
  }
  ReadPorts(spec, &out->ports);
  out->external = spec.Enum("location", {"MESH_EXTERNAL", "MESH_INTERNAL"}).value_or(0) == 0;
  switch (spec.Enum("resolution", {"NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"}).value_or(0)) {
    case 1:
      out->resolution = Resolution::kStatic;
      break;
    case 2:
      out->resolution = Resolution::kDns;
      break;
    case 3:
      out->resolution = Resolution::kDnsRoundRobin;
      break;
    default:
      out->resolution = Resolution::kNone;
  }
  spec.Each("endpoints", [&](MapReader& endpoint) {
    WorkloadEntry workload{.meta = out->meta};
    ReadWorkload(endpoint, &workload);
    out->endpoints.push_back(std::move(workload));
  });
  spec.In("workloadSelector", [&](MapReader& selector) {
    out->workload_selector = selector.StringMap("labels");
    if (out->resolution != Resolution::kStatic) {
      selector.report().Add(selector.path(), "needs resolution STATIC");
    }
  });
  CheckResolution(spec, *out);
  int index = 0;
  for (const std::string& target : spec.StringList("exportTo")) {
    if (target != "*") {
      spec.report().Add(absl::StrCat(spec.Path("exportTo"), "[", index, "]"),
                        "not supported yet: only \"*\"");
    }
    ++index;
  }
  spec.NotYet({"subjectAltNames"});
}

}  // namespace

void ParseWorkloadEntry(MapReader& root, const Meta& meta, Objects* objects) {
  WorkloadEntry out{.meta = meta};
  const bool given = root.In("spec", [&](MapReader& spec) {
    ReadWorkload(spec, &out);
    if (!out.address.empty() && !IsIp(out.address)) {
      spec.Problem("address", "must be an IP address");
    }
  });
  if (!given) root.Problem("spec", "required");
  root.Accept({"status"});
  objects->workload_entries.push_back(std::move(out));
}

void ParseServiceEntry(MapReader& root, const Meta& meta, Objects* objects) {
  ServiceEntry out{.meta = meta};
  if (!root.In("spec", [&](MapReader& spec) { ReadSpec(spec, &out); })) {
    root.Problem("spec", "required");
  }
  root.Accept({"status"});
  objects->service_entries.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
