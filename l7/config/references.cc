#include "l7/config/references.h"

#include <algorithm>

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "l7/base/ip_addr.h"

namespace meltemi::config {
namespace {

using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

// Calls `http` or `tcp` for the filter of each filter chain. What cannot be unpacked is refused by
// the compiler before it comes here.
template <typename Http, typename Tcp>
void ForEachFilter(const Listener& listener, const Http& http, const Tcp& tcp) {
  const auto chain = [&](const envoy::config::listener::v3::FilterChain& c) {
    for (const auto& filter : c.filters()) {
      HttpConnectionManager manager;
      TcpProxy proxy;
      if (filter.typed_config().Is<HttpConnectionManager>()) {
        if (filter.typed_config().UnpackTo(&manager)) http(manager);
      } else if (filter.typed_config().Is<TcpProxy>()) {
        if (filter.typed_config().UnpackTo(&proxy)) tcp(proxy);
      }
    }
  };
  for (const auto& c : listener.filter_chains()) chain(c);
  if (listener.has_default_filter_chain()) chain(listener.default_filter_chain());
}

// A secret without a source is a static one, and some come from files: nobody is asked for these.
void AddSecretName(const envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig& secret,
                   std::set<std::string>* names) {
  if (secret.sds_config().has_ads()) names->insert(secret.name());
}

void AddSecretNames(const envoy::extensions::transport_sockets::tls::v3::CommonTlsContext& tls,
                    std::set<std::string>* names) {
  for (const auto& secret : tls.tls_certificate_sds_secret_configs()) AddSecretName(secret, names);
  if (tls.has_validation_context_sds_secret_config()) {
    AddSecretName(tls.validation_context_sds_secret_config(), names);
  }
  if (tls.has_combined_validation_context()) {
    AddSecretName(tls.combined_validation_context().validation_context_sds_secret_config(), names);
  }
}

}  // namespace

void AddSecretNames(const envoy::config::cluster::v3::Cluster& cluster,
                    std::set<std::string>* names) {
  const auto add = [&](const envoy::config::core::v3::TransportSocket& outer) {
    envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport proxy;
    const bool wrapped = outer.typed_config().UnpackTo(&proxy);
    const auto& socket = wrapped ? proxy.transport_socket() : outer;
    envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext tls;
    if (socket.typed_config().UnpackTo(&tls)) AddSecretNames(tls.common_tls_context(), names);
  };
  add(cluster.transport_socket());
  for (const auto& match : cluster.transport_socket_matches()) add(match.transport_socket());
}

void AddSecretNames(const Listener& listener, std::set<std::string>* names) {
  const auto chain = [&](const envoy::config::listener::v3::FilterChain& c) {
    envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext tls;
    if (c.transport_socket().typed_config().UnpackTo(&tls)) {
      AddSecretNames(tls.common_tls_context(), names);
    }
  };
  for (const auto& c : listener.filter_chains()) chain(c);
  if (listener.has_default_filter_chain()) chain(listener.default_filter_chain());
}

void AddEndpointName(const envoy::config::cluster::v3::Cluster& cluster,
                     std::set<std::string>* names) {
  if (cluster.type() != envoy::config::cluster::v3::Cluster::EDS) return;
  const std::string& service = cluster.eds_cluster_config().service_name();
  names->insert(service.empty() ? cluster.name() : service);
}

void AddHostNames(const envoy::config::cluster::v3::Cluster& cluster,
                  std::map<std::string, Duration>* names) {
  using envoy::config::cluster::v3::Cluster;
  if (cluster.type() != Cluster::STRICT_DNS && cluster.type() != Cluster::LOGICAL_DNS) return;
  Duration refresh = Duration::Seconds(5);  // Envoy's default
  if (cluster.has_dns_refresh_rate()) {
    refresh = Duration::Seconds(cluster.dns_refresh_rate().seconds()) +
              Duration::Nanos(cluster.dns_refresh_rate().nanos());
  }
  for (const auto& locality : cluster.load_assignment().endpoints()) {
    for (const auto& endpoint : locality.lb_endpoints()) {
      const std::string& name = endpoint.endpoint().address().socket_address().address();
      if (name.empty() || IpAddr::Parse(name).has_value()) continue;
      const auto [known, fresh] = names->try_emplace(name, refresh);
      if (!fresh) known->second = std::min(known->second, refresh);
    }
  }
}

void AddRouteNames(const Listener& listener, std::set<std::string>* names) {
  ForEachFilter(
      listener,
      [names](const HttpConnectionManager& m) {
        if (m.has_rds()) names->insert(m.rds().route_config_name());
      },
      [](const TcpProxy&) {});
}

void AddClusters(const envoy::config::route::v3::RouteConfiguration& routes,
                 std::set<std::string>* names) {
  for (const auto& host : routes.virtual_hosts()) {
    for (const auto& route : host.routes()) {
      if (!route.route().cluster().empty()) names->insert(route.route().cluster());
      for (const auto& weighted : route.route().weighted_clusters().clusters()) {
        names->insert(weighted.name());
      }
      for (const auto& mirror : route.route().request_mirror_policies()) {
        names->insert(mirror.cluster());
      }
    }
  }
}

void AddClusters(const Listener& listener, std::set<std::string>* names) {
  ForEachFilter(
      listener, [names](const HttpConnectionManager& m) { AddClusters(m.route_config(), names); },
      [names](const TcpProxy& p) {
        if (!p.cluster().empty()) names->insert(p.cluster());
        for (const auto& w : p.weighted_clusters().clusters()) names->insert(w.name());
      });
  for (const auto& filter : listener.listener_filters()) {
    envoy::extensions::filters::udp::udp_proxy::v3::UdpProxyConfig udp;
    if (filter.typed_config().UnpackTo(&udp)) names->insert(udp.cluster());
  }
}

}  // namespace meltemi::config
