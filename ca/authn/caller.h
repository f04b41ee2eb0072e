// Who calls the CA, as far as it has been proven, and the interface of those who prove it by a
// token. Any thread.
#ifndef MELTEMI_CA_AUTHN_CALLER_H_
#define MELTEMI_CA_AUTHN_CALLER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ca/identity/identity.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca {

struct Caller {
  Identity identity;
  std::string method;  // "jwt", "tokenreview", "join", "certificate"
  std::string node;    // the node it runs on; empty: not proven
  std::string pod;     // its name in the identity's namespace; empty: not known
  std::string pod_uid;
  std::string join_token;  // the id of a token to consume; empty: none
};

class TokenVerifier {
 public:
  virtual ~TokenVerifier() = default;
  // Unauthenticated when the token proves nothing; Unavailable when that cannot be found out now.
  virtual absl::StatusOr<Caller> Verify(const std::string& token, absl::Time now) = 0;
};

// The identity a token's subject stands for: Kubernetes' "system:serviceaccount:NAMESPACE:ACCOUNT",
// or a SPIFFE identity.
absl::StatusOr<Identity> IdentityOfSubject(const TrustDomains& domains, const std::string& subject);

// By a certificate of ours that is valid now. `chain_pem` is as TLS had it, the leaf first; that
// the peer has its key, TLS has proven.
absl::StatusOr<Caller> CallerByCertificate(const std::string& chain_pem,
                                           const std::vector<CertPtr>& roots,
                                           const TrustDomains& domains, absl::Time now);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_CALLER_H_
