// Which resources others refer to: what EDS and RDS are asked for, which clusters are in use. Pure;
// called by AdsState on the agent's thread.
#ifndef MELTEMI_DATAPLANE_AGENT_REFERENCES_H_
#define MELTEMI_DATAPLANE_AGENT_REFERENCES_H_

#include <set>
#include <string>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"

namespace meltemi::agent {

// The name of the ClusterLoadAssignment that an EDS cluster takes from ADS.
void AddEndpointName(const envoy::config::cluster::v3::Cluster& cluster,
                     std::set<std::string>* names);
// The RouteConfigurations that a listener takes from ADS.
void AddRouteNames(const envoy::config::listener::v3::Listener& listener,
                   std::set<std::string>* names);
// The clusters that routes, or a listener's TCP proxies and inline routes, forward to.
void AddClusters(const envoy::config::route::v3::RouteConfiguration& routes,
                 std::set<std::string>* names);
void AddClusters(const envoy::config::listener::v3::Listener& listener,
                 std::set<std::string>* names);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_REFERENCES_H_
