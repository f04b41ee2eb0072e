// LDS of Gateways: filter chains by SNI, TLS and protocol.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/translate/connection_routes.h"
#include "control/pilot/translate/gateways.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/mesh_tls.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/secrets.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using envoy::extensions::transport_sockets::tls::v3::CommonTlsContext;
using envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;
using envoy::extensions::transport_sockets::tls::v3::TlsParameters;

// What the filter chains of one listener need to know.
struct Chains {
  const model::Model& model;
  const model::MeshConfig& mesh;
  const model::Endpoint& workload;
  Listener* listener;
  std::string suffix;  // of route configurations
  Resources* out;      // for secrets

  FilterChain* Add(const Server& server) {
    FilterChain* chain = listener->add_filter_chains();
    std::string name = absl::StrCat(server.gateway->Name(), " spec.servers[", server.index, "]");
    int same = 0;
    for (const FilterChain& other : listener->filter_chains()) {
      same += other.name() == name || absl::StartsWith(other.name(), name + " ");
    }
    if (same > 0) absl::StrAppend(&name, " ", same + 1);
    chain->set_name(std::move(name));
    return chain;
  }

  // Of `server`, with its TLS, for clients that ask for one of `names`.
  FilterChain* AddTls(const Server& server, const std::vector<std::string>& names) {
    FilterChain* chain = Add(server);
    auto* match = chain->mutable_filter_chain_match();
    match->set_transport_protocol("tls");
    for (const std::string& name : names) {
      // As Envoy: no name at all means every name.
      if (name == "*") {
        match->clear_server_names();
        break;
      }
      match->add_server_names(name);
    }
    return chain;
  }

  void AddManager(const std::string& table, FilterChain* chain) {
    hcm::HttpConnectionManager manager;
    manager.set_stat_prefix(absl::StrCat("outbound_", listener->name()));
    manager.mutable_rds()->set_route_config_name(table + suffix);
    SetAds(manager.mutable_rds()->mutable_config_source());
    manager.mutable_use_remote_address()->set_value(true);  // clients are not trusted
    SetClientCert(hcm::HttpConnectionManager::SANITIZE_SET, &manager);
    AddHttpFilters(&manager);
    SetAccessLog(mesh, &manager);
    *chain->add_filters() = ManagerFilter(manager);
  }

  TcpProxy ProxyOf(const model::VirtualService& rule, const model::TcpRoute& route, uint32_t port) {
    TcpProxy proxy;
    proxy.set_stat_prefix(absl::StrCat("outbound_", listener->name()));
    SetDestinations(model, rule.meta, route.route, port, &proxy);
    SetAccessLog(mesh, &proxy);
    return proxy;
  }

  // The client of a match is the gateway, and its address the destination.
  bool TakesHere(const model::L4Match& match, const Server& server) {
    return Takes(match, server.gateway->Name(), server->port, &workload) &&
           Covers(match.subnets, workload);
  }

  void AddPassthrough(const Server& server) {
    ConnectionRoutes routes;
    for (const model::VirtualService& rule : model.virtual_services()) {
      if (!rule.AppliesTo(server.gateway->Name())) continue;
      const std::vector<std::string> hosts = HostsOf(rule, *server);
      std::vector<ConnectionRoute>& list = routes.services.emplace_back();
      for (const model::TcpRoute& route : rule.tls) {
        for (const model::L4Match& match : route.match) {
          if (!TakesHere(match, server)) continue;
          std::vector<std::string> names;
          for (const std::string& sni : match.sni_hosts) {
            for (const std::string& host : hosts) {
              const auto both = Intersect(sni, host);
              if (both) names.push_back(absl::AsciiStrToLower(*both));
            }
          }
          if (names.empty()) continue;
          list.push_back({.names = names, .proxy = ProxyOf(rule, route, server->port)});
        }
      }
    }
    for (const ConnectionChain& made : ChainsOf({routes})) {
      FilterChain* chain = Add(server);
      *chain->mutable_filter_chain_match() = made.match;
      *chain->add_filters() = ProxyFilter(made.proxy);
    }
  }

  // The first tcp route that takes connections to `server`.
  void AddTcp(const Server& server) {
    const std::string gateway = server.gateway->Name();
    for (const model::VirtualService& rule : model.virtual_services()) {
      if (!rule.AppliesTo(gateway) || HostsOf(rule, *server).empty()) continue;
      for (const model::TcpRoute& route : rule.tcp) {
        bool takes = route.match.empty();
        for (const model::L4Match& match : route.match) {
          takes |= TakesHere(match, server);
        }
        if (!takes) continue;
        if (server->tls && !AddServerSecrets(model, workload, server, out)) return AddShut(server);
        FilterChain* chain = server->tls ? AddOwnTls(server, false) : Add(server);
        *chain->add_filters() = ProxyFilter(ProxyOf(rule, route, server->port));
        return;
      }
    }
  }

  static std::vector<std::string> NamesOf(const Server& server) {
    std::vector<std::string> names;
    for (const auto& [ns, host] : server->hosts) names.push_back(host);
    return names;
  }

  // Takes connections for the server's names and ends them: without it another server, of "*",
  // would answer in its place.
  void AddShut(const Server& server) {
    TcpProxy proxy;
    proxy.set_stat_prefix(kBlackHoleCluster);
    proxy.set_cluster(kBlackHoleCluster);
    *AddTls(server, NamesOf(server))->add_filters() = ProxyFilter(proxy);
  }

  FilterChain* AddOwnTls(const Server& server, bool http) {
    FilterChain* chain = AddTls(server, NamesOf(server));
    chain->mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
    *chain->mutable_transport_socket()->mutable_typed_config() =
        Pack(ContextOf(*server->tls, http));
    return chain;
  }

  DownstreamTlsContext ContextOf(const model::ServerTls& tls, bool http) {
    if (tls.mode == model::ServerTlsMode::kIstioMutual) return InboundTls(workload, http, mesh);
    DownstreamTlsContext context;
    CommonTlsContext* common = context.mutable_common_tls_context();
    const auto version = [](int minor) {
      return minor == 13 ? TlsParameters::TLSv1_3 : TlsParameters::TLSv1_2;
    };
    TlsParameters* parameters = common->mutable_tls_params();
    parameters->set_tls_minimum_protocol_version(version(tls.version_min));
    if (tls.version_max != 0) {
      parameters->set_tls_maximum_protocol_version(version(tls.version_max));
    }
    for (const std::string& suite : tls.cipher_suites) parameters->add_cipher_suites(suite);
    for (const auto& [chain, key] : tls.certificates) {
      auto* certificate = common->add_tls_certificates();
      certificate->mutable_certificate_chain()->set_filename(chain);
      certificate->mutable_private_key()->set_filename(key);
    }
    if (!tls.credential_name.empty()) UseServerSecrets(workload, tls, common);
    if (tls.mode != model::ServerTlsMode::kSimple) {
      context.mutable_require_client_certificate()->set_value(tls.mode ==
                                                              model::ServerTlsMode::kMutual);
      const bool by_name = !tls.credential_name.empty();
      auto* validation =
          by_name
              ? common->mutable_combined_validation_context()->mutable_default_validation_context()
              : common->mutable_validation_context();
      if (!by_name) validation->mutable_trusted_ca()->set_filename(tls.ca_certificates);
      for (const std::string& name : tls.subject_alt_names) {
        auto* match = validation->add_match_typed_subject_alt_names();
        match->set_san_type(absl::StrContains(name, "://") ? SubjectAltNameMatcher::URI
                                                           : SubjectAltNameMatcher::DNS);
        match->mutable_matcher()->set_exact(name);
      }
    }
    if (http) {
      common->add_alpn_protocols("h2");
      common->add_alpn_protocols("http/1.1");
    }
    return context;
  }

  void AddAll(uint32_t port, const Servers& servers) {
    if (servers[0]->protocol == model::ServerProtocol::kHttp) {
      return AddManager(PlainTable(port, servers), Add(servers[0]));
    }
    for (const Server& server : servers) {
      if (server->tls && server->tls->mode == model::ServerTlsMode::kPassthrough) {
        AddPassthrough(server);
      } else if (server->protocol == model::ServerProtocol::kHttps) {
        if (!AddServerSecrets(model, workload, server, out)) {
          AddShut(server);
          continue;
        }
        AddManager(TlsTable(server), AddOwnTls(server, true));
      } else {
        AddTcp(server);
      }
    }
  }
};

}  // namespace

void AddGatewayListener(const model::Model& model, const model::MeshConfig& mesh,
                        const model::Endpoint& workload, uint32_t port, const Servers& servers,
                        Resources* out) {
  Listener listener = NewWorkloadListener(absl::StrCat(workload.address, "_", port), workload, port,
                                          envoy::config::core::v3::UNSPECIFIED);
  if (mesh.gateway_proxy_protocol) {
    auto* filter = listener.add_listener_filters();
    filter->set_name("envoy.filters.listener.proxy_protocol");
    *filter->mutable_typed_config() =
        Pack(envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol());
  }
  Chains{model, mesh, workload, &listener, TableSuffix(model, servers, workload), out}.AddAll(
      port, servers);
  // A port to which no rule says a destination refuses connections.
  if (listener.filter_chains_size() > 0) out->listeners.push_back(std::move(listener));
}

}  // namespace meltemi::control::pilot::translate
