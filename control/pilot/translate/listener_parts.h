// What listeners of both directions are made of. Private to control/pilot/translate.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/model.h"
#include "control/pilot/model/types.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace meltemi::control::pilot::translate {

template <typename Filter>
void SetAccessLog(const model::MeshConfig& mesh, Filter* filter) {
  if (mesh.access_log_file.empty()) return;
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(mesh.access_log_file);
  auto* log = filter->add_access_log();
  log->set_name("envoy.access_loggers.file");
  *log->mutable_typed_config() = Pack(file);
}

// x-forwarded-client-cert, with what Istio tells of clients.
inline void SetClientCert(
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager::
        ForwardClientCertDetails mode,
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager* to) {
  to->set_forward_client_cert_details(mode);
  auto* details = to->mutable_set_current_client_cert_details();
  details->mutable_subject()->set_value(true);
  details->set_uri(true);
  details->set_dns(true);
}

// Outbound, unless the caller says otherwise; not bound to a socket: the plane has no sockets.
envoy::config::listener::v3::Listener NewListener(const std::string& name, const std::string& ip,
                                                  uint32_t port);

// To one of 0.0.0.0: any address is of both families.
void AddWildcardIpv6(uint32_t port, envoy::config::listener::v3::Listener* listener);

// Where nobody knows whether a server speaks first: how long its client's first bytes may take.
void SetFirstBytes(const model::MeshConfig& mesh, envoy::config::listener::v3::Listener* listener);

// The addresses clients use for a TCP port: the service's, or every endpoint's when it is headless.
std::set<std::string> TcpAddresses(const model::MeshService& service, const model::MeshPort& port);
// Where connections to it go, by a tcp route of its rule; null: to itself.
envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy TcpProxyFor(
    const model::Model& model, const model::MeshService& service, const model::MeshPort& port,
    const model::MeshConfig& mesh, const model::TcpRoute* route);

// The filters of who sends requests on by rules: CORS, faults, the router.
void AddHttpFilters(
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager* to);
envoy::config::listener::v3::Filter ManagerFilter(
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager
        manager);
envoy::config::listener::v3::Filter ProxyFilter(
    const envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy& proxy);

// Does a match that names `gateways` (none: all of its rule's) hold for what came in by `gateway`?
bool OfGateway(const std::vector<std::string>& gateways, const std::string& gateway);
// The same of a match of a tcp or tls route, on `port`, and of who the client is.
bool Takes(const model::L4Match& match, const std::string& gateway, uint32_t port,
           const model::Endpoint* client);
// Where `route` of the rule `meta` sends connections, by weights.
void SetDestinations(const model::Model& model, const model::Meta& meta,
                     const std::vector<model::RouteDestination>& route, uint32_t port,
                     envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy* proxy);

// At all addresses of a workload.
envoy::config::listener::v3::Listener NewWorkloadListener(
    const std::string& name, const model::Endpoint& workload, uint32_t port,
    envoy::config::core::v3::TrafficDirection direction);

// Of clusters: limits and protocol.
void SetPool(const model::TrafficBlocks& blocks, envoy::config::cluster::v3::Cluster* cluster);
enum class Speaks { kHttp1, kHttp2, kAsClient };
void SetHttp(const model::TrafficBlocks& blocks, Speaks speaks,
             envoy::config::cluster::v3::Cluster* cluster);
// To the endpoints of a port, by its rule and the mesh's h2UpgradePolicy.
Speaks SpokenTo(const model::Model& model, const model::MeshService& service,
                const model::MeshPort& port, const model::TrafficBlocks& blocks,
                const model::MeshConfig& mesh);
// What a port speaks when no rule says anything else.
constexpr Speaks SpokenAt(model::Protocol protocol) {
  return protocol == model::Protocol::kHttp ? Speaks::kHttp1 : Speaks::kHttp2;
}

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_
