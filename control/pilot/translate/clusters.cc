// CDS and EDS.
#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/locality.h"
#include "control/pilot/translate/mesh_tls.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::cluster::v3::OutlierDetection;
using envoy::config::core::v3::TransportSocket;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using model::Balancer;
using model::TrafficBlocks;
using model::TrafficPolicy;

using envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext;
using envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;
using envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

constexpr uint32_t kUnlimited = UINT32_MAX;
constexpr char kSystemAuthorities[] = "/etc/ssl/certs/ca-certificates.crt";  // Istio's "system"

// A port-level block replaces the whole of what was said above it; other blocks override one by
// one.
TrafficBlocks Merge(TrafficBlocks base, const TrafficPolicy& policy, uint32_t port) {
  if (policy.all.balancer) {
    base.balancer = policy.all.balancer;
    base.hash = policy.all.hash;
    base.warmup = policy.all.warmup;
    base.locality = policy.all.locality;
    base.balancer_path = policy.all.balancer_path;
  }
  if (policy.all.pool) {
    base.pool = policy.all.pool;
    base.pool_path = policy.all.pool_path;
  }
  if (policy.all.outlier) {
    base.outlier = policy.all.outlier;
    base.outlier_path = policy.all.outlier_path;
  }
  if (policy.all.tls) {
    base.tls = policy.all.tls;
    base.tls_path = policy.all.tls_path;
  }
  if (policy.all.retry_budget) base.retry_budget = policy.all.retry_budget;
  if (policy.all.proxy_protocol) base.proxy_protocol = policy.all.proxy_protocol;
  if (const auto it = policy.ports.find(port); it != policy.ports.end()) {
    TrafficBlocks blocks = it->second;
    blocks.retry_budget = base.retry_budget;  // of no port alone
    blocks.proxy_protocol = base.proxy_protocol;
    return blocks;
  }
  return base;
}

void SetBalancer(const TrafficBlocks& blocks, Cluster* cluster) {
  switch (blocks.balancer.value_or(Balancer::kUnspecified)) {
    case Balancer::kUnspecified:
    case Balancer::kLeastRequest:
      cluster->set_lb_policy(Cluster::LEAST_REQUEST);
      return;
    case Balancer::kRoundRobin:
      cluster->set_lb_policy(Cluster::ROUND_ROBIN);
      return;
    case Balancer::kRandom:
      cluster->set_lb_policy(Cluster::RANDOM);
      return;
    case Balancer::kPassthrough:
      cluster->set_type(Cluster::ORIGINAL_DST);
      cluster->set_lb_policy(Cluster::CLUSTER_PROVIDED);
      return;
    case Balancer::kRingHash:
      cluster->set_lb_policy(Cluster::RING_HASH);
      cluster->mutable_ring_hash_lb_config()->mutable_minimum_ring_size()->set_value(
          blocks.hash.ring_size_min.value_or(1024));
      return;
    case Balancer::kMaglev:
      cluster->set_lb_policy(Cluster::MAGLEV);
      if (blocks.hash.table_size) {
        cluster->mutable_maglev_lb_config()->mutable_table_size()->set_value(
            *blocks.hash.table_size);
      }
      return;
  }
}

void SetWarmup(const TrafficBlocks& blocks, Cluster* cluster) {
  if (!blocks.warmup) return;
  const auto set = [&from = *blocks.warmup](Cluster::SlowStartConfig* to) {
    SetDuration(from.duration, to->mutable_slow_start_window());
    if (from.aggression) {
      to->mutable_aggression()->set_default_value(*from.aggression);
      to->mutable_aggression()->set_runtime_key("(");  // Envoy wants one; it is Istio's
    }
    if (from.minimum_percent) to->mutable_min_weight_percent()->set_value(*from.minimum_percent);
  };
  if (cluster->lb_policy() == Cluster::ROUND_ROBIN) {
    set(cluster->mutable_round_robin_lb_config()->mutable_slow_start_config());
  } else if (cluster->lb_policy() == Cluster::LEAST_REQUEST) {
    set(cluster->mutable_least_request_lb_config()->mutable_slow_start_config());
  }
}

void SetOutlier(const TrafficBlocks& blocks, Cluster* cluster) {
  if (!blocks.outlier) return;
  const model::OutlierDetection& from = *blocks.outlier;
  OutlierDetection* to = cluster->mutable_outlier_detection();
  if (from.consecutive_5xx) {
    to->mutable_consecutive_5xx()->set_value(*from.consecutive_5xx);
    to->mutable_enforcing_consecutive_5xx()->set_value(*from.consecutive_5xx > 0 ? 100 : 0);
  }
  if (from.consecutive_gateway) {
    to->mutable_consecutive_gateway_failure()->set_value(*from.consecutive_gateway);
    to->mutable_enforcing_consecutive_gateway_failure()->set_value(
        *from.consecutive_gateway > 0 ? 100 : 0);
  }
  // Istio: no success rates; 0 is as not given, here and of maxEjectionPercent.
  if (from.split_local_origin) {
    to->set_split_external_local_origin_errors(true);
    if (from.consecutive_local_origin.value_or(0) > 0) {
      to->mutable_consecutive_local_origin_failure()->set_value(*from.consecutive_local_origin);
      to->mutable_enforcing_consecutive_local_origin_failure()->set_value(100);
    }
    to->mutable_enforcing_local_origin_success_rate()->set_value(0);
  }
  to->mutable_enforcing_success_rate()->set_value(0);
  if (from.interval) SetDuration(*from.interval, to->mutable_interval());
  if (from.base_ejection_time) {
    SetDuration(*from.base_ejection_time, to->mutable_base_ejection_time());
  }
  if (from.max_ejection_percent.value_or(0) > 0) {
    to->mutable_max_ejection_percent()->set_value(*from.max_ejection_percent);
  }
  cluster->mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(
      from.min_health_percent);
}

void SetFile(const std::string& path, envoy::config::core::v3::DataSource* to) {
  to->set_filename(path);
}

// Who the server must be. As Istio: verified by the system's authorities unless the rule names
// some, and for the name it is called by unless the rule has others.
void SetTrust(const model::ClientTls& tls, const std::string& server_name,
              CertificateValidationContext* to) {
  if (tls.insecure_skip_verify) return;
  SetFile(tls.ca_certificates.empty() ? kSystemAuthorities : tls.ca_certificates,
          to->mutable_trusted_ca());
  std::vector<std::string> names = tls.subject_alt_names;
  if (names.empty() && !server_name.empty()) names.push_back(server_name);
  for (const std::string& name : names) {
    auto* match = to->add_match_typed_subject_alt_names();
    const bool uri = absl::StrContains(name, "://");
    match->set_san_type(uri ? SubjectAltNameMatcher::URI : SubjectAltNameMatcher::DNS);
    match->mutable_matcher()->set_exact(name);
  }
}

TransportSocket TlsSocket(const UpstreamTlsContext& context) {
  TransportSocket socket;
  socket.set_name("envoy.transport_sockets.tls");
  *socket.mutable_typed_config() = Pack(context);
  return socket;
}

TransportSocket PlainSocket() {
  TransportSocket socket;
  socket.set_name("envoy.transport_sockets.raw_buffer");
  socket.mutable_typed_config()->set_type_url(
      "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer");
  return socket;
}

// Unless a rule says otherwise: mutual TLS with the endpoints that take it, none with the others.
void SetAutoTls(const model::Model& model, const UpstreamTlsContext& context,
                const model::MeshPort& port, const model::MeshConfig& mesh, Cluster* cluster) {
  if (cluster->type() == Cluster::ORIGINAL_DST || !mesh.auto_mtls) return;
  const bool any = std::any_of(port.endpoints.begin(), port.endpoints.end(),
                               [&](const auto& e) { return TakesMeshTls(model, e, mesh); });
  if (!any) return;
  auto* in_mesh = cluster->add_transport_socket_matches();
  in_mesh->set_name("tlsMode-istio");
  (*in_mesh->mutable_match()->mutable_fields())["tlsMode"].set_string_value("istio");
  *in_mesh->mutable_transport_socket() = TlsSocket(context);
  auto* rest = cluster->add_transport_socket_matches();
  rest->set_name("tlsMode-disabled");
  rest->mutable_match();
  *rest->mutable_transport_socket() = PlainSocket();
}

void SetTls(const TrafficBlocks& blocks, const std::string& hostname, Cluster* cluster) {
  if (blocks.tls->mode == model::TlsMode::kDisable) return;
  const model::ClientTls& tls = *blocks.tls;
  UpstreamTlsContext context;
  const bool named = hostname.empty() || hostname[0] != '*';  // a wildcard is nobody's name
  const std::string server_name = !tls.sni.empty() || !named ? tls.sni : hostname;
  context.set_sni(server_name);
  auto* common = context.mutable_common_tls_context();
  if (tls.mode == model::TlsMode::kMutual) {
    auto* certificate = common->add_tls_certificates();
    SetFile(tls.client_certificate, certificate->mutable_certificate_chain());
    SetFile(tls.private_key, certificate->mutable_private_key());
  }
  SetTrust(tls, server_name, common->mutable_validation_context());
  *cluster->mutable_transport_socket() = TlsSocket(context);
}

// A PROXY header before whatever the sockets say.
void SetProxyProtocol(const TrafficBlocks& blocks, Cluster* cluster) {
  if (!blocks.proxy_protocol) return;
  using envoy::config::core::v3::ProxyProtocolConfig;
  const auto wrap = [&](TransportSocket* socket) {
    envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport proxy;
    proxy.mutable_config()->set_version(*blocks.proxy_protocol == model::ProxyVersion::kV2
                                            ? ProxyProtocolConfig::V2
                                            : ProxyProtocolConfig::V1);
    *proxy.mutable_transport_socket() = std::move(*socket);
    socket->set_name("envoy.transport_sockets.upstream_proxy_protocol");
    *socket->mutable_typed_config() = Pack(proxy);
  };
  for (auto& match : *cluster->mutable_transport_socket_matches()) {
    wrap(match.mutable_transport_socket());
  }
  if (cluster->transport_socket_matches_size() > 0) return;
  if (!cluster->has_transport_socket()) *cluster->mutable_transport_socket() = PlainSocket();
  wrap(cluster->mutable_transport_socket());
}

// Istio's endpoint metadata: "workload;namespace;app;version;cluster".
std::string WorkloadText(const model::Endpoint& endpoint) {
  const auto label = [&](const char* name) {
    const auto it = endpoint.labels.find(name);
    return it == endpoint.labels.end() ? std::string() : it->second;
  };
  return absl::StrCat(endpoint.workload, ";", endpoint.ns, ";", label("app"), ";", label("version"),
                      ";Kubernetes");
}

ClusterLoadAssignment Assignment(const model::Model& model, const std::string& name,
                                 const model::MeshPort& port, const model::Labels& labels,
                                 const model::MeshConfig& mesh) {
  ClusterLoadAssignment out;
  out.set_cluster_name(name);
  std::map<std::string, std::vector<const model::Endpoint*>> localities;
  for (const model::Endpoint& endpoint : port.endpoints) {
    bool match = true;
    for (const auto& [key, value] : labels) {
      const auto it = endpoint.labels.find(key);
      match &= it != endpoint.labels.end() && it->second == value;
    }
    if (match) localities[endpoint.locality].push_back(&endpoint);
  }
  for (const auto& [locality, endpoints] : localities) {
    auto* group = out.add_endpoints();
    const std::vector<std::string> parts = absl::StrSplit(locality, absl::MaxSplits('/', 2));
    if (!locality.empty()) {
      group->mutable_locality()->set_region(parts[0]);
      if (parts.size() > 1) group->mutable_locality()->set_zone(parts[1]);
      if (parts.size() > 2) group->mutable_locality()->set_sub_zone(parts[2]);
    }
    uint32_t weight = 0;
    for (const model::Endpoint* endpoint : endpoints) {
      auto* lb = group->add_lb_endpoints();
      SetAddress(endpoint->address, endpoint->port, lb->mutable_endpoint()->mutable_address());
      lb->set_health_status(envoy::config::core::v3::HEALTHY);
      lb->mutable_load_balancing_weight()->set_value(endpoint->weight);
      auto& fields =
          *(*lb->mutable_metadata()->mutable_filter_metadata())["istio"].mutable_fields();
      fields["workload"].set_string_value(WorkloadText(*endpoint));
      if (TakesMeshTls(model, *endpoint, mesh)) {
        auto& match =
            (*lb->mutable_metadata()->mutable_filter_metadata())["envoy.transport_socket_match"];
        (*match.mutable_fields())["tlsMode"].set_string_value("istio");
      }
      weight += endpoint->weight;
    }
    group->mutable_load_balancing_weight()->set_value(weight);
  }
  return out;
}

void SetDiscovery(const model::Model& model, const model::MeshService& service,
                  const model::MeshPort& port, const model::Labels& labels,
                  const model::MeshConfig& mesh, Cluster* cluster, Resources* out) {
  if (cluster->type() == Cluster::ORIGINAL_DST) return;
  switch (service.resolution) {
    case model::Resolution::kStatic:
      cluster->set_type(Cluster::EDS);
      SetAds(cluster->mutable_eds_cluster_config()->mutable_eds_config());
      cluster->mutable_eds_cluster_config()->set_service_name(cluster->name());
      out->endpoints.push_back(Assignment(model, cluster->name(), port, labels, mesh));
      return;
    case model::Resolution::kDns:
    case model::Resolution::kDnsRoundRobin:
      cluster->set_type(service.resolution == model::Resolution::kDns ? Cluster::STRICT_DNS
                                                                      : Cluster::LOGICAL_DNS);
      SetDuration(absl::Seconds(60), cluster->mutable_dns_refresh_rate());
      // Envoy's default would take IPv6 whenever a name has it, reachable or not.
      cluster->set_dns_lookup_family(Cluster::V4_PREFERRED);
      *cluster->mutable_load_assignment() = Assignment(model, cluster->name(), port, labels, mesh);
      return;
    case model::Resolution::kNone:
      cluster->clear_lb_config();
      cluster->set_type(Cluster::ORIGINAL_DST);
      cluster->set_lb_policy(Cluster::CLUSTER_PROVIDED);
      return;
  }
}

// Of clusters whose endpoints Pilot serves: those of a DNS cluster are the same for all nodes.
void SetLocality(const TrafficBlocks& blocks, const model::MeshConfig& mesh, Cluster* cluster,
                 Resources* out) {
  if (cluster->type() != Cluster::EDS) return;
  const auto rule = LocalityRule(mesh.locality_lb, blocks.locality,
                                 blocks.outlier ? Outliers::kEjected : Outliers::kKept);
  if (!rule) return;
  if (IsLocalityWeighted(*rule)) {
    cluster->mutable_common_lb_config()->mutable_locality_weighted_lb_config();
  }
  out->localities[cluster->name()] = *rule;
}

void AddCluster(const model::Model& model, const model::MeshService& service,
                const model::MeshPort& port, const std::string& subset, const model::Labels& labels,
                const TrafficBlocks& blocks, const model::MeshConfig& mesh, Resources* out) {
  Cluster cluster;
  cluster.set_name(ClusterName(port.number, subset, service.hostname));
  SetDuration(mesh.connect_timeout, cluster.mutable_connect_timeout());
  SetBalancer(blocks, &cluster);
  SetWarmup(blocks, &cluster);
  SetPool(blocks, &cluster);
  const Speaks speaks = SpokenTo(model, service, port, blocks, mesh);
  if (model::IsHttp(port.protocol)) SetHttp(blocks, speaks, &cluster);
  SetOutlier(blocks, &cluster);
  const bool mesh_rule = blocks.tls && blocks.tls->mode == model::TlsMode::kIstioMutual;
  if (mesh_rule || !blocks.tls) {
    const UpstreamTlsContext context =
        OutboundTls(service, port, subset, blocks.tls.value_or(model::ClientTls{}), speaks, mesh);
    if (mesh_rule) {
      *cluster.mutable_transport_socket() = TlsSocket(context);
    } else if (service.resolution == model::Resolution::kStatic) {
      SetAutoTls(model, context, port, mesh, &cluster);
    }
  } else {
    SetTls(blocks, service.hostname, &cluster);
  }
  SetProxyProtocol(blocks, &cluster);
  SetDiscovery(model, service, port, labels, mesh, &cluster, out);
  SetLocality(blocks, mesh, &cluster, out);
  out->clusters.push_back(std::move(cluster));
}

// Of a traffic policy the balancer holds for datagrams; there is nothing to pool or to encrypt.
void AddUdpCluster(const model::Model& model, const model::MeshService& service,
                   const model::MeshPort& port, const TrafficBlocks& blocks,
                   const model::MeshConfig& mesh, Resources* out) {
  Cluster cluster;
  cluster.set_name(UdpClusterName(port.number, service.hostname));
  SetDuration(mesh.connect_timeout, cluster.mutable_connect_timeout());
  SetBalancer(blocks, &cluster);
  SetWarmup(blocks, &cluster);
  SetDiscovery(model, service, port, {}, mesh, &cluster, out);
  out->clusters.push_back(std::move(cluster));
}

void AddFixedClusters(const model::MeshConfig& mesh, Resources* out) {
  Cluster black_hole;
  black_hole.set_name(kBlackHoleCluster);
  black_hole.set_type(Cluster::STATIC);
  SetDuration(mesh.connect_timeout, black_hole.mutable_connect_timeout());
  black_hole.mutable_load_assignment()->set_cluster_name(kBlackHoleCluster);
  out->clusters.push_back(black_hole);
  Cluster passthrough;
  passthrough.set_name(kPassthroughCluster);
  passthrough.set_type(Cluster::ORIGINAL_DST);
  passthrough.set_lb_policy(Cluster::CLUSTER_PROVIDED);
  SetDuration(mesh.connect_timeout, passthrough.mutable_connect_timeout());
  SetPool({}, &passthrough);
  out->clusters.push_back(passthrough);
}

}  // namespace

// As Istio: no limit is ever implied. Envoy's own defaults (3 retries, 1024 requests) would turn a
// rollout into 503s.
void SetPool(const TrafficBlocks& blocks, Cluster* cluster) {
  const model::ConnectionPool pool = blocks.pool.value_or(model::ConnectionPool{});
  auto* thresholds = cluster->mutable_circuit_breakers()->add_thresholds();
  thresholds->mutable_max_connections()->set_value(pool.max_connections.value_or(kUnlimited));
  thresholds->mutable_max_pending_requests()->set_value(
      pool.max_pending_requests.value_or(kUnlimited));
  thresholds->mutable_max_requests()->set_value(pool.max_requests.value_or(kUnlimited));
  thresholds->mutable_max_retries()->set_value(pool.max_retries.value_or(kUnlimited));
  if (blocks.retry_budget) {
    auto* budget = thresholds->mutable_retry_budget();
    budget->mutable_budget_percent()->set_value(blocks.retry_budget->percent);
    budget->mutable_min_retry_concurrency()->set_value(blocks.retry_budget->min_concurrency);
  }
  thresholds->set_track_remaining(true);
  if (pool.connect_timeout) SetDuration(*pool.connect_timeout, cluster->mutable_connect_timeout());
  if (!pool.keepalive) return;
  auto* keepalive = cluster->mutable_upstream_connection_options()->mutable_tcp_keepalive();
  if (pool.keepalive->probes) {
    keepalive->mutable_keepalive_probes()->set_value(*pool.keepalive->probes);
  }
  if (pool.keepalive->time) {
    keepalive->mutable_keepalive_time()->set_value(absl::ToInt64Seconds(*pool.keepalive->time));
  }
  if (pool.keepalive->interval) {
    keepalive->mutable_keepalive_interval()->set_value(
        absl::ToInt64Seconds(*pool.keepalive->interval));
  }
}

TrafficBlocks BlocksFor(const model::DestinationRule* rule, const model::Subset* subset,
                        uint32_t port) {
  if (rule == nullptr) return {};
  TrafficBlocks blocks = Merge({}, rule->policy, port);
  return subset == nullptr ? blocks : Merge(std::move(blocks), subset->policy, port);
}

void AddClusters(const model::Model& model, const model::MeshConfig& mesh, Resources* out) {
  AddFixedClusters(mesh, out);
  for (const model::MeshService& service : model.services()) {
    const model::DestinationRule* rule = model.DestinationRuleFor(service.hostname);
    for (const model::MeshPort& port : service.ports) {
      AddCluster(model, service, port, "", {}, BlocksFor(rule, nullptr, port.number), mesh, out);
      if (rule == nullptr) continue;
      for (const model::Subset& subset : rule->subsets) {
        AddCluster(model, service, port, subset.name, subset.labels,
                   BlocksFor(rule, &subset, port.number), mesh, out);
      }
    }
    if (service.vips.empty()) continue;  // nothing listens for datagrams: AddUdpListener
    for (const model::MeshPort& port : service.udp_ports) {
      AddUdpCluster(model, service, port, BlocksFor(rule, nullptr, port.number), mesh, out);
    }
  }
}

}  // namespace meltemi::control::pilot::translate
