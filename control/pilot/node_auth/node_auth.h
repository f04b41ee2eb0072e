// Pilot's side of mutual TLS with nodes: the certificate that it shows, and which node a peer is by
// its certificate. Owns what was last read from the files, which are read again for every new
// connection: what is broken leaves the last good in force, with a line in the log.
//
// All node planes have one SPIFFE identity; which of them a certificate is for, the CA says in its
// subject (CN beside OU meltemi-node, ca/issuer/issuer.h). Knows no gRPC and no ADS. Any thread.
// Bounded: files of ca/limits.h's kPemBytesMax.
#ifndef MELTEMI_CONTROL_PILOT_NODE_AUTH_NODE_AUTH_H_
#define MELTEMI_CONTROL_PILOT_NODE_AUTH_NODE_AUTH_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ca/identity/identity.h"
#include "ca/keystore/files.h"
#include "ca/x509/openssl.h"

namespace meltemi::control::pilot::node_auth {

// What a listener serves with, as PEM.
struct Serving {
  std::string key;
  std::string chain;
  std::string roots;
  uint64_t version = 0;  // changes with the content
};

struct ProvenNode {
  std::string name;
  absl::Time not_after;  // of its certificate
};

class NodeAuth {
 public:
  struct Options {
    std::string cert_path;                 // the leaf and what leads to its root
    std::string key_path;                  // refused when others than the owner may read it
    std::string roots_path;                // of nodes' certificates
    std::set<ca::Identity> node_accounts;  // in the domain itself, not in an alias
    ca::TrustDomains domains;
  };
  using Clock = std::function<absl::Time()>;

  // Reads the files; an error says which is unusable and why. `files` outlives it.
  static absl::StatusOr<std::unique_ptr<NodeAuth>> Open(Options options, ca::Files* files,
                                                        Clock clock);

  // What to serve with now.
  Serving Get();
  // The node that a peer is; PermissionDenied when it is none, Unauthenticated when its certificate
  // proves nothing to us.
  absl::StatusOr<ProvenNode> Prove(const std::string& chain_pem) const;
  absl::Time now() const { return clock_(); }

 private:
  NodeAuth(Options options, ca::Files* files, Clock clock)
      : options_(std::move(options)), files_(files), clock_(std::move(clock)) {}
  absl::StatusOr<Serving> Read() const;
  absl::Status Use(Serving serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  ca::Files* const files_;
  const Clock clock_;
  mutable absl::Mutex mutex_;
  Serving serving_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const std::vector<ca::CertPtr>> roots_ ABSL_GUARDED_BY(mutex_);
  std::string failure_ ABSL_GUARDED_BY(mutex_);  // of the last reading; told once
};

// "NAMESPACE/ACCOUNT" or SPIFFE identities, comma separated, as --node-accounts has them.
absl::StatusOr<std::set<ca::Identity>> ParseNodeAccounts(const ca::TrustDomains& domains,
                                                         const std::string& text);

}  // namespace meltemi::control::pilot::node_auth

#endif  // MELTEMI_CONTROL_PILOT_NODE_AUTH_NODE_AUTH_H_
