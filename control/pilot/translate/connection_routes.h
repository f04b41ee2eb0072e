// First match wins, as rules are written, made of filter chains, of which Envoy takes the one that
// fits best and tries no other: by the longest prefix of the destination, then the most specific
// server name, then the transport, then the source. So the connections are cut into cells that no
// route divides, and each cell gets the first route that has it. Private to
// control/pilot/translate. Pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_CONNECTION_ROUTES_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_CONNECTION_ROUTES_H_

#include <optional>
#include <string>
#include <vector>

#include "control/pilot/model/model.h"
#include "control/pilot/translate/sources.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace meltemi::control::pilot::translate {

struct ConnectionRoute {
  // SNI: a name, "*.suffix" or "*", in lower case. None: also what is no TLS.
  std::vector<std::string> names;
  std::vector<std::string> subnets;  // of destinations; none: all
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  std::string origin;  // where the rule says it, for the chain's name

  bool takes_all() const { return names.empty() && subnets.empty(); }
};

// What one kind of clients finds at a listener.
struct ConnectionRoutes {
  Clients clients;
  // A list for each service. Within one, the first match wins; between them the most specific
  // server name, as it is the name that says which service is meant.
  std::vector<std::vector<ConnectionRoute>> services;
  // Where everything else goes; absent: it is refused.
  std::optional<envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy> others;
  std::string origin = "others";  // of it, as ConnectionRoute's
};

// A filter chain to be.
struct ConnectionChain {
  std::string name;
  envoy::config::listener::v3::FilterChainMatch match;
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
};

// The chains of all kinds of clients but for the `others` of the first kind.
std::vector<ConnectionChain> ChainsOf(const std::vector<ConnectionRoutes>& all);
// Them, and those `others`.
void AddConnectionChains(const std::vector<ConnectionRoutes>& all,
                         envoy::config::listener::v3::Listener* listener);

// Is one of the workload's addresses among them? None: yes.
bool Covers(const std::vector<std::string>& subnets, const model::Endpoint& workload);

// What the service's rule says of connections of such clients to `address` (0.0.0.0: to any).
ConnectionRoutes RoutesOfPort(const model::Model& model, const model::MeshService& service,
                              const model::MeshPort& port, const model::MeshConfig& mesh,
                              const std::string& address, const Clients& clients);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_CONNECTION_ROUTES_H_
