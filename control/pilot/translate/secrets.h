// SDS: the secrets that Gateways name (credentialName), from Secret objects of the namespace of the
// workload that runs the Gateway, by Istio's rules for their keys and for NAME-cacert. What is not
// there, or cannot serve, is named, and nobody is told of it. Private to control/pilot/translate.
// Pure. Bounds: ca/limits.h's kPemBytesMax and kCertificatesMax for each text.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_SECRETS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_SECRETS_H_

#include <string>

#include "control/pilot/translate/gateways.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace meltemi::control::pilot::translate {

// "kubernetes://edge/shop": Istio's name of the resource, with the namespace always written.
std::string SecretName(const std::string& ns, const std::string& credential);

// Adds what `server` needs on `workload` to the resources, once each, for the workload's node.
// False: it cannot be served, and why is in the resources' problems.
bool AddServerSecrets(const model::Model& model, const model::Endpoint& workload,
                      const Server& server, Resources* out);

// Sets the certificates, and the authority of clients, that the secrets have.
void UseServerSecrets(const model::Endpoint& workload, const model::ServerTls& tls,
                      envoy::extensions::transport_sockets::tls::v3::CommonTlsContext* common);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_SECRETS_H_
