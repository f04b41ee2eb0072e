// What operators see of the node's certificates: the page /certs in the shape of Envoy's
// (envoy.admin.v3.Certificates), the page /identities, and numbers for
// /stats/prometheus. Pure. Called on the admin thread; all but /identities parse each certificate
// again, which costs some 20 us each.
#ifndef MELTEMI_DATAPLANE_AGENT_IDENTITY_PAGE_H_
#define MELTEMI_DATAPLANE_AGENT_IDENTITY_PAGE_H_

#include <string>
#include <vector>

#include "dataplane/agent/identity_state.h"

namespace meltemi::agent {

// One entry per identity with a certificate: "cert_chain" (the leaf first) and "ca_cert" (the roots
// that came with it).
std::string CertificatesJson(const std::vector<IdentityCredentialPtr>& credentials, UnixTime now);

// One line per identity, with a certificate or without: its state ("ready", "expired", "missing"),
// when the next is asked for, and what went wrong last; the reason stays until the next success.
std::string IdentitiesJson(const std::vector<IdentityStatus>& identities, UnixTime now);

struct IdentityGauge {
  std::string name;
  std::string identity;  // a label; empty: none
  double value = 0;
};
// Days to the end of each leaf, issuer and root; what is missing is not there, and ready is 0.
std::vector<IdentityGauge> IdentityGauges(const std::vector<IdentityStatus>& identities,
                                          const std::vector<IdentityCredentialPtr>& credentials,
                                          UnixTime now);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_IDENTITY_PAGE_H_
