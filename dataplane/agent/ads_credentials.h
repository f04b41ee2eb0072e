// What the node calls its control plane with over TLS: certificates by file, or the node's own from
// its CA. Read again for every stream, for both are renewed. The agent's thread; knows no gRPC.
// Bounded: files are read as those of secrets are.
#ifndef MELTEMI_DATAPLANE_AGENT_ADS_CREDENTIALS_H_
#define MELTEMI_DATAPLANE_AGENT_ADS_CREDENTIALS_H_

#include <string>

#include "absl/status/statusor.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/agent/tls_contexts.h"

namespace meltemi::agent {

struct AdsPem {
  std::string roots;
  std::string chain;  // the leaf first
  std::string key;
};

// An error: there can be no connection yet, and why. `ca` may be null; `own` are the secrets that
// the node has from it.
absl::StatusOr<AdsPem> ReadAdsPem(const AdsTls& tls, const CaConfig* ca, const TlsSecrets& own);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_ADS_CREDENTIALS_H_
