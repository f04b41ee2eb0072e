// LDS and CDS of what comes in to workloads: a listener for each of their ports that a service has,
// which goes to the node they live on, and the clusters behind them.
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/pilot/translate/authorization.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/mesh_tls.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using envoy::config::cluster::v3::Cluster;
using envoy::config::listener::v3::Filter;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;

struct InboundPort {
  const model::Endpoint* workload = nullptr;  // its port is of no account
  uint32_t number = 0;                        // 0: every port that no service has
  model::Protocol protocol = model::Protocol::kTcp;
  std::optional<PeerTls> tls;  // nothing: no TLS of the mesh
  Policies policies;           // who may
};

bool IsHttp2(model::Protocol protocol) {
  return protocol == model::Protocol::kHttp2 || protocol == model::Protocol::kGrpc;
}

const std::string& FirstAddress(const model::Endpoint& endpoint) {
  return endpoint.ips.empty() ? endpoint.address : endpoint.ips.front();
}

// At ports of which nothing else is said.
bool IsStrict(const model::Model& model, const model::Endpoint& endpoint,
              const model::MeshConfig& mesh) {
  return PeerTlsOf(model, endpoint, 0, mesh) == PeerTls::kStrict;
}

// To the workload itself, at the address the client dialled.
std::string InboundCluster(const InboundPort& port) {
  if (port.number == 0) return "InboundPassthroughCluster";
  return absl::StrCat("inbound|", port.number, "|", IsHttp2(port.protocol) ? "http2" : "", "|");
}

void AddInboundCluster(const InboundPort& port, const model::MeshConfig& mesh, Resources* out) {
  Cluster cluster;
  cluster.set_name(InboundCluster(port));
  cluster.set_type(Cluster::ORIGINAL_DST);
  cluster.set_lb_policy(Cluster::CLUSTER_PROVIDED);
  SetDuration(mesh.connect_timeout, cluster.mutable_connect_timeout());
  SetPool({}, &cluster);
  if (model::IsHttp(port.protocol)) SetHttp({}, SpokenAt(port.protocol), &cluster);
  out->clusters.push_back(std::move(cluster));
}

Filter HttpFilter(const InboundPort& port, const std::string& name, const model::MeshConfig& mesh) {
  hcm::HttpConnectionManager manager;
  manager.set_stat_prefix(name);
  auto* routes = manager.mutable_route_config();
  routes->set_name(InboundCluster(port));
  auto* host = routes->add_virtual_hosts();
  host->set_name(absl::StrCat("inbound|http|", port.number));
  host->add_domains("*");
  auto* route = host->add_routes();
  route->mutable_match()->set_prefix("/");
  route->mutable_route()->set_cluster(InboundCluster(port));
  // What is asked about is what the workload sees.
  if (!port.policies.empty()) manager.mutable_normalize_path()->set_value(true);
  AddHttpRbac(port.policies, mesh, &manager);
  // The client's node counts the time, and retries; a call's own grpc-timeout holds here too.
  SetDuration(absl::ZeroDuration(), route->mutable_route()->mutable_timeout());
  auto* duration = route->mutable_route()->mutable_max_stream_duration();
  SetDuration(absl::ZeroDuration(), duration->mutable_max_stream_duration());
  SetDuration(absl::ZeroDuration(), duration->mutable_grpc_timeout_header_max());
  // The workload hears who the client is. Without a certificate the header is taken away.
  SetClientCert(hcm::HttpConnectionManager::APPEND_FORWARD, &manager);
  auto* router = manager.add_http_filters();
  router->set_name("envoy.filters.http.router");
  *router->mutable_typed_config() = Pack(envoy::extensions::filters::http::router::v3::Router());
  SetAccessLog(mesh, &manager);
  return ManagerFilter(manager);
}

Filter TcpFilter(const InboundPort& port, const std::string& name, const model::MeshConfig& mesh) {
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(name);
  proxy.set_cluster(InboundCluster(port));
  SetAccessLog(mesh, &proxy);
  return ProxyFilter(proxy);
}

// How a chain ends: what reads the bytes.
enum class Inside { kHttp, kTcp };
void AddFilters(Inside inside, const InboundPort& port, const std::string& name,
                const model::MeshConfig& mesh, FilterChain* chain) {
  if (inside == Inside::kHttp) {
    *chain->add_filters() = HttpFilter(port, name, mesh);
    return;
  }
  AddTcpRbac(port.policies, mesh, chain);
  *chain->add_filters() = TcpFilter(port, name, mesh);
}

void SetMeshTls(const InboundPort& port, const model::MeshConfig& mesh, FilterChain* chain) {
  chain->set_name("mtls");
  auto* match = chain->mutable_filter_chain_match();
  match->set_transport_protocol("tls");
  if (port.tls == PeerTls::kPermissive) {
    // The workload's own TLS is none of the mesh's: told by what only the mesh offers.
    for (const char* protocol : kMeshProtocols) match->add_application_protocols(protocol);
  }
  chain->mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  *chain->mutable_transport_socket()->mutable_typed_config() =
      Pack(InboundTls(*port.workload, model::IsHttp(port.protocol), mesh));
}

void AddInboundListener(const InboundPort& port, const model::MeshConfig& mesh, Resources* out) {
  const std::string name = absl::StrCat("inbound_", port.workload->address, "_", port.number);
  Listener listener =
      NewWorkloadListener(name, *port.workload, port.number, envoy::config::core::v3::INBOUND);
  const Inside inside = model::IsHttp(port.protocol) ? Inside::kHttp : Inside::kTcp;
  const auto add = [&](const char* chain_name, const char* transport, Inside of) {
    FilterChain* chain = listener.add_filter_chains();
    if (transport != nullptr) {
      chain->set_name(chain_name);
      chain->mutable_filter_chain_match()->set_transport_protocol(transport);
    }
    AddFilters(of, port, name, mesh, chain);
  };
  if (port.tls.has_value()) {
    FilterChain* chain = listener.add_filter_chains();
    SetMeshTls(port, mesh, chain);
    AddFilters(inside, port, name, mesh, chain);
  }
  // With rules, and no TLS of the mesh: what the workload's own TLS hides is opaque.
  const bool own_tls = !port.tls && inside == Inside::kHttp && !port.policies.empty();
  if (port.tls == PeerTls::kPermissive || own_tls) {
    add("tls", "tls", Inside::kTcp);
    add("plaintext", "raw_buffer", inside);
    if (inside == Inside::kTcp) SetFirstBytes(mesh, &listener);
  } else if (!port.tls) {
    add("", nullptr, inside);  // nothing to look for
  }
  out->listeners.push_back(std::move(listener));
}

}  // namespace

void AddInbound(const model::Model& model, const model::MeshConfig& mesh, Resources* out) {
  // Two services may have one port of a workload; the first by host name says what is spoken there.
  std::map<std::pair<std::string, uint32_t>, InboundPort> ports;
  const auto add = [&](const model::MeshPort& port, const model::Endpoint& endpoint) {
    const std::optional<PeerTls> tls = PeerTlsOf(model, endpoint, endpoint.port, mesh);
    Policies policies = model.AuthorizationPoliciesFor(endpoint, mesh.root_namespace);
    if (!tls.has_value() && policies.empty() && !IsStrict(model, endpoint, mesh)) return;
    ports.try_emplace(
        {FirstAddress(endpoint), endpoint.port},
        InboundPort{&endpoint, endpoint.port, port.protocol, tls, std::move(policies)});
  };
  for (const model::MeshService& service : model.services()) {
    if (service.resolution != model::Resolution::kStatic) continue;
    for (const model::MeshPort& port : service.ports) {
      for (const model::Endpoint& endpoint : port.endpoints) add(port, endpoint);
      for (const model::Endpoint& endpoint : port.resting) add(port, endpoint);
    }
  }
  // STRICT holds for the ports, too, that no service has, but for those its policy names; so does
  // what is said of who may.
  for (const model::Endpoint& workload : model.workloads()) {
    const Policies policies = model.AuthorizationPoliciesFor(workload, mesh.root_namespace);
    if (policies.empty() && !IsStrict(model, workload, mesh)) continue;
    std::set<uint32_t> numbers = model.PeerPorts(workload);
    numbers.insert(0);
    for (const uint32_t number : numbers) {
      ports.try_emplace({FirstAddress(workload), number},
                        InboundPort{&workload, number, model::Protocol::kTcp,
                                    PeerTlsOf(model, workload, number, mesh), policies});
    }
  }
  std::set<std::string> clusters;
  for (const auto& [address, port] : ports) {
    if (clusters.insert(InboundCluster(port)).second) AddInboundCluster(port, mesh, out);
    AddInboundListener(port, mesh, out);
  }
}

}  // namespace meltemi::control::pilot::translate
