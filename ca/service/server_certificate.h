// The certificate of a server of the mesh that has no agent of its own: Pilot's. Made by a command
// of the CA's operator, on the keystore's folder, with a key that goes where the command writes it.
// Any thread; time and chance are parameters.
#ifndef MELTEMI_CA_SERVICE_SERVER_CERTIFICATE_H_
#define MELTEMI_CA_SERVICE_SERVER_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ca/authority/authority.h"
#include "ca/log/issuance_log.h"

namespace meltemi::ca {

struct ServerCertificateRequest {
  Identity identity;
  std::vector<std::string> dns_names;
  absl::Duration ttl;
};

struct ServerCertificate {
  std::string chain;  // the leaf and what leads to the root
  std::string key;
  std::string trusted;  // the roots
};

// With its line in the log, or not at all.
absl::StatusOr<ServerCertificate> IssueServerCertificate(const Signers& signers,
                                                         const ServerCertificateRequest& request,
                                                         absl::Time now, const Entropy& entropy,
                                                         IssuanceLog* log);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVICE_SERVER_CERTIFICATE_H_
