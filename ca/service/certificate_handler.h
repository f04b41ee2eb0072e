// What happens to a request for a certificate, without the gRPC around it: who asks (a token, a
// join token or a client certificate), for whom (itself, or a workload that runs on its node), is
// the request one we sign; then sign, write the log, answer. Any thread.
#ifndef MELTEMI_CA_SERVICE_CERTIFICATE_HANDLER_H_
#define MELTEMI_CA_SERVICE_CERTIFICATE_HANDLER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ca/authn/caller.h"
#include "ca/authn/join_tokens.h"
#include "ca/authn/node_binding.h"
#include "ca/authority/authority.h"
#include "ca/failures.h"
#include "ca/log/issuance_log.h"
#include "control/common/metrics.h"

namespace meltemi::ca {

// How the caller may be known, and where from.
struct CallInfo {
  std::string bearer;          // a token; empty: none
  std::string peer_chain_pem;  // of the TLS session, the leaf first; empty: none
  std::string peer;            // "ipv4:10.0.0.1:1234"
};

struct CertificateRequest {
  std::string csr;
  absl::Duration ttl;        // zero: the standard
  std::string impersonated;  // a SPIFFE identity; empty: the caller's own
};

struct CertificateReply {
  std::string leaf_pem;
  std::vector<std::string> intermediates_pem;
  std::string trusted_pem;
};

class CertificateHandler {
 public:
  struct Options {
    TrustDomains domains;
    TtlPolicy ttl;
    std::set<Identity> node_accounts;  // may ask for workloads of their node
    TokenVerifier* tokens = nullptr;   // null: no tokens are taken
    JoinTokens* join_tokens;
    NodeBinding* nodes;
    Authority* authority;
    IssuanceLog* log;
    control::common::Metrics* metrics;
    Failures* failures;
    Clock clock;
    Entropy entropy;
  };
  explicit CertificateHandler(Options options) : o_(std::move(options)) {}
  static void DeclareMetrics(control::common::Metrics* metrics);

  absl::StatusOr<CertificateReply> Handle(const CallInfo& call, const CertificateRequest& request);

 private:
  absl::StatusOr<Caller> Authenticate(const CallInfo& call, absl::Time now);
  absl::StatusOr<Caller> AuthenticateToken(const std::string& token, absl::Time now);
  // The identity the certificate gets.
  absl::StatusOr<Identity> Authorize(const Caller& caller, const std::string& impersonated);
  // Of two who show a token at once, one gets its certificate.
  absl::Status Consume(const std::string& join_token, absl::Time now);
  std::string NodeOf(const Caller& caller);
  absl::StatusOr<CertificateReply> Sign(const CallInfo& call, const CertificateRequest& request,
                                        const Caller& caller, const Identity& identity,
                                        absl::Time now);

  const Options o_;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVICE_CERTIFICATE_HANDLER_H_
