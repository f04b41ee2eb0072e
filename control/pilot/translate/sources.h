// Which workloads rules mean by sourceLabels and sourceNamespace. A node has one configuration for
// all its pods, where a sidecar has its own: what rules ask of clients becomes filter chains by the
// pods' addresses, which the node has seen to be theirs. Private to control/pilot/translate. Pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_SOURCES_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_SOURCES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/pilot/model/model.h"
#include "envoy/config/listener/v3/listener_components.pb.h"

namespace meltemi::control::pilot::translate {

using Asked = std::set<model::SourceMatch>;  // what some rules ask of clients, where they do

// Clients that these rules do not tell apart.
struct Clients {
  const model::Endpoint* one = nullptr;  // of them; null: nothing that is asked is true of them
  std::string name;                      // what is: "app=sleep", "prod/app=sleep"; else empty
  std::vector<std::string> addresses;    // of a Clients with `one`
};

// Null: one that is not known.
bool Applies(const model::SourceMatch& source, const model::Endpoint* client);
// The same of a match that names `gateways`, for what came in by `gateway`. There the client is the
// gateway's workload; as in Istio it is not asked about where the match names gateways.
bool Applies(const model::SourceMatch& source, const std::vector<std::string>& gateways,
             const std::string& gateway, const model::Endpoint* client);

// What matches of the rule's http routes ask on the port.
void AddAsked(const model::VirtualService* rule, const std::string& gateway, uint32_t port,
              Asked* asked);
// What tls and tcp matches do.
void AddAskedOfConnections(const model::VirtualService* rule, uint32_t port, Asked* asked);

// Each port of the mesh that is HTTP, and what http matches ask there.
std::map<uint32_t, Asked> AskedOfHttp(const model::Model& model);
// The route configuration of such clients on the port.
std::string MeshTable(uint32_t port, const Clients& clients);

// What is true of the client of all that is asked, as Clients::name.
std::string NameOf(const Asked& asked, const model::Endpoint& client);
// The mesh's workloads; first those of whom nothing that is asked is true.
std::vector<Clients> ClientsOf(const model::Model& model, const Asked& asked);
void AddSources(const Clients& clients, envoy::config::listener::v3::FilterChainMatch* match);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_SOURCES_H_
