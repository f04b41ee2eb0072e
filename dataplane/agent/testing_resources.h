// Builders of the resources that tests of the agent send. Test code only.
#ifndef MELTEMI_DATAPLANE_AGENT_TESTING_RESOURCES_H_
#define MELTEMI_DATAPLANE_AGENT_TESTING_RESOURCES_H_

#include <string>
#include <utility>
#include <vector>

#include "dataplane/agent/ads_state.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "l7/base/check.h"

namespace meltemi::agent::testing {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;

inline Cluster EdsCluster(const std::string& name) {
  Cluster c;
  c.set_name(name);
  c.set_type(Cluster::EDS);
  c.mutable_eds_cluster_config()->mutable_eds_config()->mutable_ads();
  return c;
}

inline Cluster StaticCluster(const std::string& name) {
  Cluster c;
  c.set_name(name);
  c.set_type(Cluster::STATIC);
  return c;
}

inline Cluster DnsCluster(const std::string& name, const std::string& host) {
  Cluster c;
  c.set_name(name);
  c.set_type(Cluster::STRICT_DNS);
  auto* socket = c.mutable_load_assignment()
                     ->add_endpoints()
                     ->add_lb_endpoints()
                     ->mutable_endpoint()
                     ->mutable_address()
                     ->mutable_socket_address();
  socket->set_address(host);
  socket->set_port_value(80);
  return c;
}

inline ClusterLoadAssignment Endpoints(const std::string& name, const std::string& address) {
  ClusterLoadAssignment a;
  a.set_cluster_name(name);
  auto* socket = a.add_endpoints()
                     ->add_lb_endpoints()
                     ->mutable_endpoint()
                     ->mutable_address()
                     ->mutable_socket_address();
  socket->set_address(address);
  socket->set_port_value(80);
  return a;
}

// An HTTP listener on 0.0.0.0:port that takes its routes from RDS by the port's number.
inline Listener HttpListener(int port) {
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager m;
  m.mutable_rds()->mutable_config_source()->mutable_ads();
  m.mutable_rds()->set_route_config_name(std::to_string(port));
  auto* router = m.add_http_filters();
  router->set_name("envoy.filters.http.router");
  router->mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  Listener l;
  l.set_name("0.0.0.0_" + std::to_string(port));
  l.mutable_address()->mutable_socket_address()->set_address("0.0.0.0");
  l.mutable_address()->mutable_socket_address()->set_port_value(port);
  l.add_filter_chains()->add_filters()->mutable_typed_config()->PackFrom(m);
  return l;
}

inline RouteConfiguration Routes(const std::string& name, const std::string& cluster) {
  RouteConfiguration r;
  r.set_name(name);
  auto* host = r.add_virtual_hosts();
  host->set_name("any");
  host->add_domains("*");
  auto* route = host->add_routes();
  route->mutable_match()->set_prefix("/");
  route->mutable_route()->set_cluster(cluster);
  return r;
}

template <typename Message>
DiscoveryResponse Response(Type type, const std::string& version,
                           const std::vector<Message>& messages) {
  DiscoveryResponse response;
  response.set_type_url(TypeUrl(type));
  response.set_version_info(version);
  response.set_nonce(std::string(TypeName(type)) + "-" + version);
  for (const Message& m : messages) response.add_resources()->PackFrom(m);
  return response;
}

}  // namespace meltemi::agent::testing

#endif  // MELTEMI_DATAPLANE_AGENT_TESTING_RESOURCES_H_
