// What the two halves of Gateways share: gateways.cc makes route configurations, gateway_chains.cc
// listeners. Private to control/pilot/translate. Pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_GATEWAYS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_GATEWAYS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {

struct Server {
  const model::Gateway* gateway = nullptr;
  size_t index = 0;  // in its servers

  const model::GatewayServer& operator*() const { return gateway->servers[index]; }
  const model::GatewayServer* operator->() const { return &gateway->servers[index]; }
};
using Servers = std::vector<Server>;  // of one port: CheckGatewayPorts has seen that they agree

// What two names of hosts both mean: the narrower one.
std::optional<std::string> Intersect(const std::string& a, const std::string& b);
// The hosts of `rule` that `server` takes from it.
std::vector<std::string> HostsOf(const model::VirtualService& rule,
                                 const model::GatewayServer& server);

// Names of route configurations: of all plain HTTP servers of a port, and of one with TLS.
std::string PlainTable(uint32_t port, const Servers& servers);
std::string TlsTable(const Server& server);
// Behind both: what is true of the workload of what http matches ask of clients; or nothing.
std::string TableSuffix(const model::Model& model, const Servers& servers,
                        const model::Endpoint& workload);

void AddGatewayListener(const model::Model& model, const model::MeshConfig& mesh,
                        const model::Endpoint& workload, uint32_t port, const Servers& servers,
                        Resources* out);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_GATEWAYS_H_
