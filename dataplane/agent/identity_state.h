// What a node knows of the identities of its workloads: for each service account with workloads
// here one key and one certificate, when to ask for the next, and what went wrong. A state machine:
// time and chance are parameters, requests come out of Poll, answers go into OnAnswer. Keys are
// made here and stay.
//
// One entry per identity, one request in flight per entry: whoever else wants it waits for the
// same. A new certificate is asked for at half of the old one's life, a little earlier or later by
// chance, so that nodes that started together do not ask together. What is in force stays until a
// better one has been checked.
//
// Called by IdentityClient on its thread; bounded by limits::kLocalIdentitiesMax and
// kIdentityRequestsInFlight.
#ifndef MELTEMI_DATAPLANE_AGENT_IDENTITY_STATE_H_
#define MELTEMI_DATAPLANE_AGENT_IDENTITY_STATE_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/tls/workload_key/workload_key.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"

namespace meltemi::agent {

// Immutable; who serves with one holds on to it.
struct IdentityCredential {
  std::string identity;
  tls::WorkloadKey key;
  tls::WorkloadChain chain;
};
using IdentityCredentialPtr = std::shared_ptr<const IdentityCredential>;

// Both times: waiting goes by the steady one, validity by the wall's.
struct IdentityNow {
  Instant steady;
  UnixTime wall;
};

struct IdentityStatus {
  std::string identity;
  std::string serial;  // empty: no certificate yet
  UnixTime not_after;
  UnixTime refresh;  // when the next is asked for
  bool asking = false;
  uint64_t issued = 0;
  uint64_t failures = 0;  // in a row
  uint64_t failures_total = 0;
  std::string last_failure;  // stays until the next success
};

class IdentityState {
 public:
  struct Options {
    Duration backoff_min = Duration::Seconds(1);
    Duration backoff_max = Duration::Seconds(60);
    Duration answer_max = Duration::Seconds(30);  // then the request is given up
  };
  IdentityState(Options options, uint64_t seed) : options_(options), prng_(seed) {}

  // The identities that have workloads here. The key of one that is gone is forgotten. Those above
  // the limit are left out and counted.
  void SetLocal(const std::set<std::string>& identities);
  uint64_t left_out() const { return left_out_; }

  // PermissionDenied: not on this node. Unavailable: no certificate that is valid now, with the
  // reason; it is being asked for.
  absl::StatusOr<IdentityCredentialPtr> Get(const std::string& identity, IdentityNow now) const;

  struct Request {
    uint64_t id = 0;
    std::string identity;
    std::string csr_pem;
  };
  // The requests to send now. `only`: just for this identity (the node's own, when nothing else
  // proves the node yet).
  // To be called often: what is due goes by wall time, too, which may jump.
  std::vector<Request> Poll(IdentityNow now, const std::optional<std::string>& only);
  // `answer`: PEM from the leaf to the roots. The return value says what became of it; an answer to
  // a request that was given up is NotFound.
  absl::Status OnAnswer(uint64_t id, const absl::StatusOr<std::vector<std::string>>& answer,
                        IdentityNow now);

  // The roots that came with the last certificate; empty before the first.
  const std::string& trusted_pem() const { return trusted_pem_; }
  // Grows with every credential that comes or goes.
  uint64_t version() const { return version_; }
  std::vector<IdentityStatus> Status() const;
  // Those that are there, by identity; they may have expired.
  std::vector<IdentityCredentialPtr> Credentials() const;
  // "" when its last request was answered, or it is not here.
  std::string LastFailure(const std::string& identity) const;

 private:
  struct Entry {
    IdentityCredentialPtr credential;
    UnixTime refresh;     // with a credential
    Instant retry;        // not before
    uint64_t asking = 0;  // id of the request in flight; 0: none
    Instant asked;
    std::optional<tls::WorkloadKey> key;  // of the request
    uint64_t issued = 0, failures = 0, failures_total = 0;
    std::string last_failure;
  };
  void Fail(const absl::Status& why, Instant now, Entry* entry);
  void GiveUpLost(Instant now);
  absl::Status Take(const std::string& identity, const std::vector<std::string>& answer,
                    IdentityNow now, Entry* entry);

  const Options options_;
  Prng prng_;
  std::map<std::string, Entry> entries_;
  int in_flight_ = 0;
  uint64_t next_id_ = 1, version_ = 0, left_out_ = 0;
  std::string trusted_pem_;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_IDENTITY_STATE_H_
