// IdentityClient: the node's connection to its CA (Istio's CreateCertificate), on a thread of its
// own around IdentityState. The node proves itself by a service-account token, or by its own
// certificate; before it has one, by a join token. For a workload it asks as Istio's ztunnel does:
// as itself, with ImpersonatedIdentity. What the CA is verified with are the roots of a file, and
// from the first certificate on also those that came with it.
//
// The data plane keeps serving with what it has, whatever happens here. Thread: Start and Stop on
// the main thread, everything else from any; OnChange is called on the client's thread.
#ifndef MELTEMI_DATAPLANE_AGENT_IDENTITY_CLIENT_H_
#define MELTEMI_DATAPLANE_AGENT_IDENTITY_CLIENT_H_

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "dataplane/agent/identity_state.h"

namespace meltemi::agent {

struct IdentityClientOptions {
  std::string target;         // "host:port" of the CA
  std::string server_name;    // the name its certificate must have; empty: the host of the target
  std::string roots_file;     // PEM; read again for every connection
  std::string node_identity;  // SPIFFE, the node's own
  // One of them. Read again for every request: platforms renew tokens.
  std::string token_file;
  std::string join_token_file;
  Duration ttl;  // of certificates; zero: the CA's default
  IdentityState::Options state;
};

struct IdentityClientStatus {
  std::vector<IdentityStatus> identities;
  uint64_t requests = 0, answers = 0, failures = 0;
};

// What a TLS context of this process is made of, as PEM: Istio's secrets `default` (chain and key)
// and `ROOTCA` (the roots). Never to be written or shown.
struct IdentitySecret {
  std::string identity;
  std::string chain_pem;
  std::string key_pem;
  std::string trusted_pem;
};

class IdentityClient {
 public:
  using OnChange = std::function<void()>;
  using Clock = std::function<IdentityNow()>;

  IdentityClient(IdentityClientOptions options, uint64_t seed, OnChange on_change);
  // With another clock, for tests.
  IdentityClient(IdentityClientOptions options, uint64_t seed, OnChange on_change, Clock clock);
  ~IdentityClient();

  void Start();
  void Stop();

  // The workloads' identities; the node's own is always kept.
  void SetLocal(std::set<std::string> identities);
  absl::StatusOr<IdentityCredentialPtr> Get(const std::string& identity) const;
  // The roots that came last, of whatever identity: who is trusted now.
  std::string trusted_pem() const;
  IdentityClientStatus Status() const;
  std::vector<IdentityCredentialPtr> Credentials() const;
  // All secrets that there are, for whoever serves with them, and a number that grows when they
  // change: right after OnChange, and when identities come or go.
  std::vector<IdentitySecret> Secrets() const;
  uint64_t version() const;

 private:
  struct Call;
  class Channel;
  struct Proof {
    std::string bearer;                 // a token to show
    IdentityCredentialPtr certificate;  // or a certificate to connect with
    bool others = true;                 // may ask for workloads too
    std::string missing;                // why there is no proof at all; empty: there is
  };
  Proof FindProof(IdentityNow now) const;
  void Run();
  void SendDue(Channel* channel);
  void OnDone(Call* call);

  const IdentityClientOptions options_;
  const OnChange on_change_;
  const Clock clock_;
  mutable absl::Mutex mutex_;
  IdentityState state_ ABSL_GUARDED_BY(mutex_);
  IdentityClientStatus status_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_IDENTITY_CLIENT_H_
