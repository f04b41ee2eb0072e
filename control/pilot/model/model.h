// The mesh as the translation sees it: services with their endpoints found, host names resolved,
// rules attached to hosts, every reference between objects checked. Built whole from one set of
// objects or not at all. Immutable afterwards, so any thread may read it. Pure.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_MODEL_H_
#define MELTEMI_CONTROL_PILOT_MODEL_MODEL_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/pilot/model/problem.h"
#include "control/pilot/model/types.h"

namespace meltemi::control::pilot::model {

struct Endpoint {
  std::string address;           // an IP, or a name when the service's resolution is DNS
  std::vector<std::string> ips;  // a pod's, `address` among them
  uint32_t port = 0;
  Labels labels;
  std::string workload;
  std::string ns;
  std::string service_account;
  std::string node = {};  // that the workload is bound to, as its Pod says; empty: not known
  std::string locality;   // "region/zone/subzone", parts may be missing
  uint32_t weight = 1;
};

// Its port takes mutual TLS of the mesh: Istio's label "security.istio.io/tlsMode: istio", which
// whoever attaches the workload to a node with identities gives it.
bool InMesh(const Endpoint& endpoint);

struct MeshPort {
  std::string name;
  uint32_t number = 0;
  Protocol protocol = Protocol::kTcp;
  std::vector<Endpoint> endpoints;  // sorted by address, port
  // Pods that are not ready: nobody is sent there, but their nodes listen for them as ever,
  // for what is under way and for the moment they are ready.
  std::vector<Endpoint> resting;
  std::string path;  // where the object says it: "spec.ports[0]"
};

struct MeshService {
  Meta meta;                // of the Service or ServiceEntry it comes from
  std::string hostname;     // fully qualified; may be "*.suffix" from a ServiceEntry
  bool kubernetes = false;  // has short names: name, name.ns, name.ns.svc
  bool headless = false;
  bool external = false;  // MESH_EXTERNAL: its servers are none of the mesh's
  Resolution resolution = Resolution::kStatic;
  std::vector<std::string> vips;
  std::vector<MeshPort> ports;  // TCP only, in the order given
  std::vector<MeshPort> udp_ports;

  const MeshPort* Port(uint32_t number) const;
  // It has no address to listen on: its ports are taken at all of them.
  bool of_any_address() const { return vips.empty() && !kubernetes; }
};

// "*.example.com" covers "a.example.com", and "*" everything.
bool HostCovers(const std::string& pattern, const std::string& host);

// Workloads on which the same Gateways run: they have the same ports.
struct GatewayGroup {
  std::vector<size_t> gateways;     // in Model::gateways(), ascending
  std::vector<Endpoint> workloads;  // sorted by address; without a port
};

class Model {
 public:
  // Sorted by hostname.
  const std::vector<MeshService>& services() const { return services_; }
  const MeshService* FindService(const std::string& hostname) const;
  // The service a destination means: exact name, else the most specific wildcard.
  const MeshService* MatchService(const std::string& hostname) const;
  // The rule of the mesh whose host is `hostname`, else the one with the most specific wildcard; or
  // null.
  const VirtualService* VirtualServiceFor(const std::string& hostname) const;
  const DestinationRule* DestinationRuleFor(const std::string& hostname) const;
  // Ports that the policies of its own workload mention.
  std::set<uint32_t> PeerPorts(const Endpoint& endpoint) const;
  // What its PeerAuthentications say of `port` (0: of every port that none names); kUnset: nothing,
  // Istio's default is PERMISSIVE.
  PeerMode PeerModeFor(const Endpoint& endpoint, uint32_t port,
                       const std::string& root_namespace) const;
  // Those that hold for the workload, by namespace and name.
  std::vector<const AuthorizationPolicy*> AuthorizationPoliciesFor(
      const Endpoint& endpoint, const std::string& root_namespace) const;
  // The host a name written in an object of namespace `ns` stands for: short names are completed.
  std::string Resolve(const std::string& host, const std::string& ns) const;
  // The port of `service` a destination means when the request came in on `listener_port`.
  static std::optional<uint32_t> DestinationPort(const MeshService& service,
                                                 const Destination& destination,
                                                 uint32_t listener_port);
  const Secret* FindSecret(const std::string& ns, const std::string& name) const;
  const Gateway* FindGateway(const std::string& name) const;  // "namespace/name"
  const std::string& domain() const { return domain_; }
  const std::vector<Gateway>& gateways() const { return gateways_; }
  const std::vector<GatewayGroup>& gateway_groups() const { return gateway_groups_; }
  // All but gateways, without ports; sorted by address.
  const std::vector<Endpoint>& workloads() const { return workloads_; }
  const std::vector<VirtualService>& virtual_services() const { return virtual_services_; }
  const std::vector<DestinationRule>& destination_rules() const { return destination_rules_; }

 private:
  friend class ModelBuilder;
  std::string domain_;
  std::vector<MeshService> services_;
  std::map<std::string, size_t> service_by_host_;
  std::vector<VirtualService> virtual_services_;             // sorted by namespace and name
  std::vector<DestinationRule> destination_rules_;           // sorted by namespace and name
  std::vector<PeerAuthentication> peer_authentications_;     // the oldest first
  std::vector<AuthorizationPolicy> authorization_policies_;  // sorted by namespace and name
  std::vector<Gateway> gateways_;                            // sorted by namespace and name
  std::vector<GatewayGroup> gateway_groups_;
  std::map<std::string, Secret> secrets_;  // by "namespace/name"
  std::vector<Endpoint> workloads_;
  std::map<std::string, size_t> virtual_service_by_host_;
  std::map<std::string, size_t> destination_rule_by_host_;
};

// The model of `objects`, or nothing when there were problems. `domain`: "cluster.local".
std::optional<Model> BuildModel(const Objects& objects, const std::string& domain,
                                Problems* problems);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_MODEL_H_
