// The files of secrets that sds_config.path_config_source names: a DiscoveryResponse, as YAML or
// JSON, whose resources are secrets, each with its "@type". As Envoy reads it but for its formats
// of protobuf, and several secrets may share a file. Pure.
#ifndef MELTEMI_DATAPLANE_AGENT_SECRET_FILE_H_
#define MELTEMI_DATAPLANE_AGENT_SECRET_FILE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "dataplane/agent/tls_contexts.h"

namespace meltemi::agent {

// By name. The error says which field is wrong.
absl::StatusOr<TlsSecrets> ParseSecretFile(std::string_view text);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_SECRET_FILE_H_
