// Kinds that Kubernetes owns: Service, Pod, Endpoints, EndpointSlice.
#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

void ReadIp(const std::string& text, const std::string& path, Report& report,
            std::vector<std::string>* out) {
  if (!IsIp(text)) {
    report.Add(path, absl::StrCat("must be an IP address, is \"", text, "\""));
    return;
  }
  for (const std::string& known : *out) {
    if (known == text) return;
  }
  out->push_back(text);
}

void ReadServicePort(MapReader& port, std::vector<ServicePort>* out) {
  ServicePort p;
  p.name = port.StringOr("name", "");
  p.number = ReadPort(port, "port");
  if (!port.Has("port")) port.Problem("port", "required");
  const std::string transport = port.StringOr("protocol", "TCP");
  if (transport == "SCTP") port.Problem("protocol", "not supported yet");
  if (transport != "TCP" && transport != "UDP" && transport != "SCTP") {
    port.Problem("protocol", "must be one of TCP, UDP, SCTP");
  }
  p.protocol = SelectProtocol(port.StringOr("appProtocol", ""), p.name, transport == "UDP");
  const YAML::Node target = port.Take("targetPort");
  if (target.IsDefined() && target.IsScalar() && !absl::ascii_isdigit(target.Scalar()[0])) {
    p.target_name = port.StringOr("targetPort", "");
  } else {
    p.target_number = ReadPort(port, "targetPort");
  }
  port.Accept({"nodePort"});
  for (const ServicePort& other : *out) {
    if (other.number == p.number && (other.protocol == Protocol::kUdp) == (transport == "UDP")) {
      port.Problem("port", absl::StrCat("port ", p.number, " is given twice"));
    }
  }
  out->push_back(std::move(p));
}

void ReadServiceSpec(MapReader& spec, Service* service) {
  service->selector = spec.StringMap("selector");
  spec.Each("ports", [&](MapReader& port) { ReadServicePort(port, &service->ports); });
  if (const auto ip = spec.String("clusterIP")) {
    service->headless = *ip == "None";
    if (!service->headless && !ip->empty()) {
      ReadIp(*ip, spec.Path("clusterIP"), spec.report(), &service->cluster_ips);
    }
  }
  int index = 0;
  for (const std::string& ip : spec.StringList("clusterIPs")) {
    const std::string path = absl::StrCat(spec.Path("clusterIPs"), "[", index++, "]");
    if (ip == "None") {
      service->headless = true;
    } else {
      ReadIp(ip, path, spec.report(), &service->cluster_ips);
    }
  }
  service->publish_not_ready = spec.Bool("publishNotReadyAddresses").value_or(false);
  const std::string type = spec.StringOr("type", "ClusterIP");
  if (type == "ExternalName") spec.Problem("type", "ExternalName is not supported yet");
  if (type != "ClusterIP" && type != "NodePort" && type != "LoadBalancer" &&
      type != "ExternalName") {
    spec.Problem("type", "must be one of ClusterIP, NodePort, LoadBalancer, ExternalName");
  }
  if (spec.StringOr("sessionAffinity", "None") != "None") {
    spec.Problem("sessionAffinity", "not supported yet");
  }
  if (spec.StringOr("internalTrafficPolicy", "Cluster") != "Cluster") {
    spec.Problem("internalTrafficPolicy", "not supported yet");
  }
  spec.NotYet({"externalName", "externalIPs", "trafficDistribution"});
  spec.Accept({"ipFamilies", "ipFamilyPolicy", "allocateLoadBalancerNodePorts",
               "externalTrafficPolicy", "healthCheckNodePort", "loadBalancerIP",
               "loadBalancerClass", "loadBalancerSourceRanges", "sessionAffinityConfig"});
}

void ReadPodSpec(MapReader& spec, Pod* pod) {
  pod->node = spec.StringOr("nodeName", "");
  pod->service_account = spec.StringOr("serviceAccountName", "default");
  spec.Each("containers", [&](MapReader& container) {
    container.AcceptRest();
    container.Each("ports", [&](MapReader& port) {
      port.AcceptRest();
      const std::string name = port.StringOr("name", "");
      const uint32_t number = ReadPort(port, "containerPort");
      if (!name.empty()) pod->named_ports[name] = number;
    });
  });
  spec.AcceptRest();
}

void ReadPodStatus(MapReader& status, Pod* pod) {
  if (const auto ip = status.String("podIP")) {
    ReadIp(*ip, status.Path("podIP"), status.report(), &pod->ips);
  }
  status.Each("podIPs", [&](MapReader& entry) {
    ReadIp(entry.RequiredString("ip"), entry.Path("ip"), entry.report(), &pod->ips);
  });
  status.Each("conditions", [&](MapReader& condition) {
    condition.AcceptRest();
    if (condition.StringOr("type", "") == "Ready") {
      pod->ready = condition.StringOr("status", "") == "True";
    }
  });
  const std::string phase = status.StringOr("phase", "Running");
  pod->ended = phase == "Succeeded" || phase == "Failed";
  if (phase != "Running") pod->ready = false;
  if (pod->ips.empty() && phase == "Running") status.Problem("podIP", "required");
  // The fields of Kubernetes' PodStatus that say nothing about traffic.
  status.Accept({"hostIP", "hostIPs", "startTime", "containerStatuses", "initContainerStatuses",
                 "ephemeralContainerStatuses", "qosClass", "message", "reason", "resize",
                 "nominatedNodeName", "observedGeneration", "resourceClaimStatuses"});
}

// Pods of a Deployment are named <replicaset>-<random>; the workload is what both come from.
std::string WorkloadName(const Meta& meta) {
  const auto hash = meta.labels.find("pod-template-hash");
  if (hash == meta.labels.end()) return meta.name;
  const size_t at = meta.name.find(absl::StrCat("-", hash->second, "-"));
  return at == std::string::npos || at == 0 ? meta.name : meta.name.substr(0, at);
}

std::string ReadTargetPod(MapReader& address) {
  std::string pod;
  address.In("targetRef", [&](MapReader& ref) {
    ref.AcceptRest();
    if (ref.StringOr("kind", "") == "Pod") pod = ref.RequiredString("name");
  });
  return pod;
}

void ReadEndpointPort(MapReader& port, std::vector<EndpointGroup::Port>* out) {
  port.Accept({"appProtocol"});
  const std::string transport = port.StringOr("protocol", "TCP");
  EndpointGroup::Port p{.name = port.StringOr("name", ""), .number = ReadPort(port, "port")};
  if (!port.Has("port")) port.Problem("port", "required");
  if (transport == "TCP") out->push_back(std::move(p));
}

}  // namespace

bool IsIpv6(const std::string& text) {
  in6_addr v6;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

bool IsIp(const std::string& text) {
  in_addr v4;
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || IsIpv6(text);
}

uint32_t ReadPort(MapReader& map, const std::string& name) {
  return static_cast<uint32_t>(map.Int(name, 1, 65535).value_or(0));
}

Protocol SelectProtocol(const std::string& app_protocol, const std::string& name, bool udp) {
  if (udp) return Protocol::kUdp;
  std::string word = absl::AsciiStrToLower(app_protocol);
  if (word == "kubernetes.io/h2c") return Protocol::kHttp2;
  if (word == "kubernetes.io/ws") return Protocol::kHttp;
  if (word.empty()) {
    word = absl::AsciiStrToLower(name);
    // "grpc-web-x" is grpc-web; every other name ends its protocol at the first hyphen.
    if (absl::StartsWith(word, "grpc-web")) return Protocol::kHttp;
    word = word.substr(0, word.find('-'));
  }
  if (word == "http" || word == "grpc-web") return Protocol::kHttp;
  if (word == "http2") return Protocol::kHttp2;
  if (word == "grpc") return Protocol::kGrpc;
  if (word == "https" || word == "tls") return Protocol::kTls;
  return Protocol::kTcp;
}

void ParseService(MapReader& root, const Meta& meta, Objects* objects) {
  Service service{.meta = meta};
  if (!root.In("spec", [&](MapReader& spec) { ReadServiceSpec(spec, &service); })) {
    root.Problem("spec", "required");
  }
  root.Accept({"status"});
  objects->services.push_back(std::move(service));
}

void ParsePod(MapReader& root, const Meta& meta, Objects* objects) {
  Pod pod{.meta = meta};
  pod.service_account = "default";
  pod.workload = WorkloadName(meta);
  root.In("spec", [&](MapReader& spec) { ReadPodSpec(spec, &pod); });
  if (!root.In("status", [&](MapReader& status) { ReadPodStatus(status, &pod); })) {
    root.Problem("status.podIP", "required");
  }
  objects->pods.push_back(std::move(pod));
}

void ParseEndpoints(MapReader& root, const Meta& meta, Objects* objects) {
  // Each subset is a group of its own: its ports belong to its addresses only.
  root.Each("subsets", [&](MapReader& subset) {
    EndpointGroup group{.meta = meta, .service = meta.name};
    const auto read = [&](MapReader& address, bool ready) {
      EndpointGroup::Address a{.ready = ready};
      ReadIp(address.RequiredString("ip"), address.Path("ip"), address.report(), &a.ips);
      a.pod = ReadTargetPod(address);
      address.Accept({"nodeName", "hostname"});
      group.addresses.push_back(std::move(a));
    };
    subset.Each("addresses", [&](MapReader& address) { read(address, true); });
    subset.Each("notReadyAddresses", [&](MapReader& address) { read(address, false); });
    subset.Each("ports", [&](MapReader& port) { ReadEndpointPort(port, &group.ports); });
    objects->endpoint_groups.push_back(std::move(group));
  });
}

void ParseEndpointSlice(MapReader& root, const Meta& meta, Objects* objects) {
  EndpointGroup group{.meta = meta, .slice = true};
  const auto service = meta.labels.find("kubernetes.io/service-name");
  if (service == meta.labels.end()) {
    root.Problem("metadata.labels", "kubernetes.io/service-name is required");
  } else {
    group.service = service->second;
  }
  const std::string type = root.RequiredString("addressType");
  if (type == "FQDN") root.Problem("addressType", "FQDN is not supported yet");
  root.Each("endpoints", [&](MapReader& endpoint) {
    EndpointGroup::Address a;
    int index = 0;
    for (const std::string& ip : endpoint.StringList("addresses")) {
      ReadIp(ip, absl::StrCat(endpoint.Path("addresses"), "[", index++, "]"), endpoint.report(),
             &a.ips);
    }
    endpoint.In("conditions", [&](MapReader& conditions) {
      a.ready = conditions.Bool("ready").value_or(true);
      conditions.Accept({"serving", "terminating"});
    });
    a.pod = ReadTargetPod(endpoint);
    a.zone = endpoint.StringOr("zone", "");
    endpoint.Accept({"nodeName", "hostname", "hints", "deprecatedTopology"});
    group.addresses.push_back(std::move(a));
  });
  root.Each("ports", [&](MapReader& port) { ReadEndpointPort(port, &group.ports); });
  objects->endpoint_groups.push_back(std::move(group));
}

}  // namespace meltemi::control::pilot::model
