// Agent: the node's connection to its control plane, on a thread of its own. Holds one ADS stream
// open, gives responses to AdsState, publishes the snapshots it makes. The data plane keeps serving
// with the last one whatever happens here.
//
// Reconnects with jittered exponential backoff (backoff.h). Thread: Start and Stop on the main
// thread; Status and ConfigDump from any. Time is a parameter, so that tests need not wait.
#ifndef MELTEMI_DATAPLANE_AGENT_AGENT_H_
#define MELTEMI_DATAPLANE_AGENT_AGENT_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "dataplane/agent/ads_credentials.h"
#include "dataplane/agent/ads_state.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/agent/resolver.h"
#include "dataplane/agent/secret_file.h"
#include "dataplane/agent/tls_contexts.h"
#include "dataplane/shared/latest.h"
#include "dataplane/shared/snapshot_slot.h"
#include "l7/base/prng.h"

namespace meltemi::agent {

struct AgentStatus {
  bool connected = false;
  bool ready = false;  // the first whole configuration is in force
  uint64_t connects = 0, disconnects = 0, snapshots = 0, snapshot_failures = 0;
  std::string last_failure;
  std::string stream_error;  // why the last stream ended before anything came
  std::array<TypeStatus, kTypes> types;
  std::vector<std::string> missing;
  std::vector<std::string> listeners;  // "name::address" of each, sorted
  std::vector<TlsContextStatus> tls;
};

// What the agent knows of time, called on its thread.
struct AgentTime {
  std::function<Instant()> now;
  // Returns when the time is over, or when `stopped` is notified.
  std::function<void(Duration, const absl::Notification& stopped)> wait;

  static AgentTime Real();
};

class Agent {
 public:
  // `on_snapshot` is called on the agent's thread before a snapshot is published.
  using OnSnapshot = std::function<void(const config::Snapshot&)>;
  Agent(const Bootstrap& bootstrap, shared::SnapshotSlot* slot, uint64_t seed,
        OnSnapshot on_snapshot, AgentTime time = AgentTime::Real(),
        Resolver::Lookup lookup = Resolver::BySystem);
  ~Agent();

  // Secrets that the node has by itself (IsOwnSecret), and a number that changes when they do.
  struct OwnSecrets {
    std::function<uint64_t()> version;
    std::function<TlsSecrets()> get;
  };
  // Before Start: where the TLS contexts of each configuration go, before the configuration itself.
  // Without it, listeners and clusters with TLS never get ready. `own` may be empty.
  void ServeTls(shared::Latest<tls::ContextTableRef>* contexts, OwnSecrets own);

  // Publishes the static configuration, if there is one (an error: it is invalid), then connects.
  absl::Status Start();
  void Stop();
  // Any thread. The file was read again: who lives here may differ. A control plane learns it from
  // a stream's first request, so the stream is opened anew.
  void UseBootstrap(const Bootstrap& running);

  AgentStatus Status() const;
  std::string ConfigDump() const;

 private:
  class Stream;
  void Run();
  // What is to be done now and then: host names, a snapshot that is due, old ones that are not.
  void Tend();
  // The backoff, in which host names are still looked after.
  void WaitToReconnect(Duration wait);
  bool has_names() const;
  // Until the stream ends; true when at least one response came. `pem`: null for plain text.
  bool RunStream(const AdsPem* pem);
  // Whether there is what to call the control plane with; why not is told once.
  bool ReadPem(AdsPem* pem);
  bool NodeChanged() const;
  absl::Status Publish(Instant now);
  // `snapshot`: the one about to be published, or null: only secrets are looked after.
  void UpdateTls(const config::Snapshot* snapshot, Instant now);

  const std::string ads_target_;
  const std::optional<AdsTls> ads_tls_;
  const std::optional<CaConfig> ca_;
  std::string pem_error_;  // the agent's thread only
  shared::SnapshotSlot* const slot_;
  const OnSnapshot on_snapshot_;
  const AgentTime time_;
  Prng prng_;
  mutable absl::Mutex mutex_;
  AdsState state_ ABSL_GUARDED_BY(mutex_);
  AgentStatus status_ ABSL_GUARDED_BY(mutex_);
  std::string bootstrap_json_ ABSL_GUARDED_BY(mutex_);
  bool node_changed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Notification stopped_;
  Resolver resolver_;
  TlsContexts contexts_{TlsContexts::FromDisk, ParseSecretFile};  // the agent's thread only
  shared::Latest<tls::ContextTableRef>* contexts_out_ = nullptr;
  OwnSecrets own_secrets_;
  uint64_t own_version_ = 0, secrets_version_ = 0;
  Instant tls_due_;  // when files are read again
  std::thread thread_;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_AGENT_H_
