// The model of the mesh -> Envoy v3 resources, by Istio's names and defaults: clusters, endpoints,
// listeners and route configurations in a fixed order, equal input giving equal bytes. Pure: no
// clock, no chance, no state. Called by Pilot whenever the model changed, and by the golden tests.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_TRANSLATE_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_TRANSLATE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/model.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"

namespace meltemi::control::pilot::translate {

// A secret, and the nodes that may have it: those with a workload that serves with it.
struct SecretFor {
  envoy::extensions::transport_sockets::tls::v3::Secret message;
  std::string version;  // of its content
  std::set<std::string> nodes;
};

struct Resources {
  std::vector<envoy::config::cluster::v3::Cluster> clusters;
  std::vector<envoy::config::endpoint::v3::ClusterLoadAssignment> endpoints;
  // Of assignments that nodes get each in their own way (locality.h), by name.
  std::map<std::string, model::LocalityLb> localities;
  std::vector<envoy::config::listener::v3::Listener> listeners;
  std::vector<envoy::config::route::v3::RouteConfiguration> routes;
  std::vector<SecretFor> secrets;
  model::Problems problems;  // what is not served, for what other objects lack
};

Resources Translate(const model::Model& model, const model::MeshConfig& mesh);

// The parts, in files of their own.
void AddClusters(const model::Model& model, const model::MeshConfig& mesh, Resources* out);
void AddListeners(const model::Model& model, const model::MeshConfig& mesh, Resources* out);
// What comes in to workloads that take the mesh's TLS: listeners whose direction is not OUTBOUND go
// to the node where their address lives.
void AddInbound(const model::Model& model, const model::MeshConfig& mesh, Resources* out);
void AddRouteConfigurations(const model::Model& model, const model::MeshConfig& mesh,
                            Resources* out);
// The ports of Gateways: listeners without a direction, each for the node where its workload's
// address lives, and their route configurations.
void AddGateways(const model::Model& model, const model::MeshConfig& mesh, Resources* out);

// A route and where the rule says it: spec.http[rule].match[match]; -1: nowhere, it is a default.
struct RuleRoute {
  envoy::config::route::v3::Route route;
  std::string path;  // of the rule's route: "spec.http[3]"; empty: no rule's
  int match = -1;    // the index of its match, where it is known
};
// The routes of one virtual host: what `rule` (may be null) says for requests of `client` (null: of
// whom no rule asks anything) to `service` that came in on `port`.
std::vector<RuleRoute> RoutesFor(const model::Model& model, const model::VirtualService* rule,
                                 const model::MeshService& service, uint32_t port,
                                 const model::Endpoint* client);

// "spec.http[1].match[0]"
std::string RulePath(const RuleRoute& made);
// As Istio, the metadata kOrigin of a route says in "config" which rule it is of, and in "field"
// where there: at gateways, and where clients have routes of their own.
inline constexpr char kOrigin[] = "istio";
std::string ConfigName(const model::Meta& rule);
void SetOrigin(const model::Meta& rule, const RuleRoute& made,
               envoy::config::route::v3::Route* route);
// Nothing behind such a match can ever be reached.
bool CatchAll(const envoy::config::route::v3::RouteMatch& match);
// What `rule` itself says for requests that came in by `gateway` (kMeshGateway: within the mesh).
std::vector<RuleRoute> RuleRoutes(const model::Model& model, const model::VirtualService& rule,
                                  const std::string& gateway, uint32_t port,
                                  const model::Endpoint* client);

// The traffic policy of a cluster: the rule's (may be null), the subset's (may be null) over it.
model::TrafficBlocks BlocksFor(const model::DestinationRule* rule, const model::Subset* subset,
                               uint32_t port);

// The same, of the cluster a destination means.
model::TrafficBlocks DestinationBlocks(const model::Model& model, const model::Meta& meta,
                                       const model::Destination& destination,
                                       uint32_t listener_port);
// hash_policy.cc: where the balancer goes by one.
bool IsConsistent(const model::TrafficBlocks& blocks);
void SetHashPolicy(const model::TrafficBlocks& blocks,
                   envoy::config::route::v3::RouteAction* action);

// "outbound|9080|v1|reviews.default.svc.cluster.local"
std::string ClusterName(uint32_t port, const std::string& subset, const std::string& host);
// "outbound_udp|53||dns.default.svc.cluster.local": a service may have both on one port.
std::string UdpClusterName(uint32_t port, const std::string& host);
inline constexpr char kPassthroughCluster[] = "PassthroughCluster";
inline constexpr char kBlackHoleCluster[] = "BlackHoleCluster";

// The cluster a destination means; CheckReferences has seen to it that there is one.
std::string DestinationCluster(const model::Model& model, const model::Meta& rule,
                               const model::Destination& destination, uint32_t listener_port);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_TRANSLATE_H_
