// The CA itself: which certificate signs, what is to be trusted, and the steps of a rotation, on
// top of the keystore. What is in force is an immutable value behind one pointer: who signs holds
// on to what it began with while a rotation puts another in its place.
//
// Any thread. Several processes may work on one folder (the server and an operator's command): each
// change is made under the folder's lock, from the state that is on disk then, and the server takes
// over what others changed at its next Tick.
#ifndef MELTEMI_CA_AUTHORITY_AUTHORITY_H_
#define MELTEMI_CA_AUTHORITY_AUTHORITY_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ca/issuer/issuer.h"
#include "ca/keystore/keystore.h"
#include "ca/rotation/rotation.h"

namespace meltemi::ca {

using Clock = std::function<absl::Time()>;

struct AuthorityOptions {
  std::string folder;
  std::string cacerts;  // a folder of Istio's layout to begin with, and to follow; empty: none
  std::string passphrase;
  RootOptions root;  // of roots made here; its passphrase is the one above
  RotationPolicy rotation;
  enum class WhenEmpty { kMake, kFail };
  WhenEmpty when_empty = WhenEmpty::kMake;
};

// What is in force. Immutable.
struct Signers {
  RotationState state;
  std::shared_ptr<const SigningCa> active;
  std::shared_ptr<const SigningCa> other;  // null in kSteady
  Origin origin = Origin::kMade;           // of the active one
  std::string active_pem;                  // ca-cert.pem as it is stored
  std::vector<CertPtr> trusted;            // the roots of both, each once
  std::string trusted_pem;
  NextStep next;
  bool next_is_ours = true;  // false: the next step needs the operator
};

class Authority {
 public:
  enum class Pace { kWhenDue, kNow };

  // `log` is told of steps that were made and of what keeps one from being made, once each.
  using Log = std::function<void(const std::string& message, const absl::Status& status)>;
  static absl::StatusOr<std::unique_ptr<Authority>> Open(AuthorityOptions options, Files* files,
                                                         Clock clock, Entropy entropy, Log log);

  std::shared_ptr<const Signers> current() const;

  // The operator's steps. kWhenDue refuses a step that would leave somebody without trust.
  // Begin makes a new root, or takes the one given.
  absl::Status Begin(const std::optional<CaMaterial>& given);
  absl::Status Switch(Pace pace);
  absl::Status Retire(Pace pace);

  // To be called every second or so: takes over what other processes did, follows the cacerts
  // folder, and makes the steps that are due.
  void Tick();
  // What the last Tick could not do, and why.
  absl::Status trouble() const;

 private:
  Authority(AuthorityOptions options, Files* files, Clock clock, Entropy entropy, Log log);

  // What the folder holds, or a first generation where it is empty.
  absl::Status LoadOrMake();
  absl::Status MakeFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_);
  absl::Status Load(const RotationState& state);
  absl::Status Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_);
  // Locks the folder and brings us up to date.
  absl::StatusOr<std::unique_ptr<FileLock>> BeginChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_);
  absl::Status Put(const absl::StatusOr<RotationState>& state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_);
  absl::Status LookAfter();
  absl::Status MakeStep(const NextStep& next);
  absl::Status FollowCacerts();
  void Tell(const std::string& what, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_);

  const AuthorityOptions options_;
  Files* const files_;
  const Clock clock_;
  const Entropy entropy_;
  const Log log_;
  Keystore store_;
  absl::Mutex change_;  // one change at a time in this process
  std::string state_bytes_ ABSL_GUARDED_BY(change_);
  std::string last_told_ ABSL_GUARDED_BY(change_);
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Signers> current_ ABSL_GUARDED_BY(mutex_);
  absl::Status trouble_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHORITY_AUTHORITY_H_
