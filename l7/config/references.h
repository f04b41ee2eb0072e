// Which resources others refer to: what EDS and RDS are asked for, which clusters are in use. Pure;
// called by the node's agent and by Pilot, which orders what it sends by it.
#ifndef MELTEMI_L7_CONFIG_REFERENCES_H_
#define MELTEMI_L7_CONFIG_REFERENCES_H_

#include <map>
#include <set>
#include <string>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "l7/base/time.h"

namespace meltemi::config {

// The name of the ClusterLoadAssignment that an EDS cluster takes from ADS.
void AddEndpointName(const envoy::config::cluster::v3::Cluster& cluster,
                     std::set<std::string>* names);
// The host names whose addresses are the endpoints of a DNS cluster, with the least time between
// two questions.
void AddHostNames(const envoy::config::cluster::v3::Cluster& cluster,
                  std::map<std::string, Duration>* names);
// The RouteConfigurations that a listener takes from ADS.
void AddRouteNames(const envoy::config::listener::v3::Listener& listener,
                   std::set<std::string>* names);
// The clusters that routes, or a listener's TCP proxies and inline routes, forward to.
void AddClusters(const envoy::config::route::v3::RouteConfiguration& routes,
                 std::set<std::string>* names);
void AddClusters(const envoy::config::listener::v3::Listener& listener,
                 std::set<std::string>* names);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_REFERENCES_H_
