// The mesh's own TLS, by Istio's conventions: who takes it, what a server shows and whom it lets
// in, what a client shows and whom it expects. Certificates are the node's: it has one for each
// service account that has workloads there. Private to control/pilot/translate. Pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_MESH_TLS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_MESH_TLS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/model.h"
#include "control/pilot/translate/listener_parts.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace meltemi::control::pilot::translate {

// What clients of the mesh offer by ALPN, and nobody else does.
inline constexpr const char* kMeshProtocols[] = {"istio", "istio-peer-exchange", "istio-http/1.0",
                                                 "istio-http/1.1", "istio-h2"};

// What the port of a workload takes, as far as the mesh has a say in it.
enum class PeerTls { kPermissive, kStrict };
// Nothing: the mesh leaves it alone. A workload outside of the mesh is left alone unless a policy
// says STRICT: that shuts its port rather than ignore the policy.
std::optional<PeerTls> PeerTlsOf(const model::Model& model, const model::Endpoint& endpoint,
                                 uint32_t port, const model::MeshConfig& mesh);

// Whether clients in the mesh speak TLS to it: then its node has a listener in front of it.
bool TakesMeshTls(const model::Model& model, const model::Endpoint& endpoint,
                  const model::MeshConfig& mesh);

envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext InboundTls(
    const model::Endpoint& endpoint, bool http, const model::MeshConfig& mesh);

// `tls`: what a rule says beside ISTIO_MUTUAL; empty: nothing. `speaks`: of HTTP ports.
envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext OutboundTls(
    const model::MeshService& service, const model::MeshPort& port, const std::string& subset,
    const model::ClientTls& tls, Speaks speaks, const model::MeshConfig& mesh);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_MESH_TLS_H_
