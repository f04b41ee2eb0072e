#include "ca/authority/authority.h"

#include <algorithm>

#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

bool Contains(const std::vector<CertPtr>& roots, const X509* root) {
  return std::any_of(roots.begin(), roots.end(),
                     [&](const CertPtr& known) { return X509_cmp(known.get(), root) == 0; });
}

void AddRoots(const SigningCa& ca, std::vector<CertPtr>* out) {
  for (const CertPtr& root : ca.roots()) {
    if (Contains(*out, root.get())) continue;
    X509_up_ref(root.get());
    out->emplace_back(root.get());
  }
}

// Everybody trusts the roots of `next` already when they are among those of `active`: an
// intermediate is replaced, and nothing has to be distributed.
bool TrustedAlready(const SigningCa& next, const SigningCa& active) {
  return std::all_of(next.roots().begin(), next.roots().end(),
                     [&](const CertPtr& root) { return Contains(active.roots(), root.get()); });
}

GenerationDates DatesOf(const SigningCa* ca) {
  return ca == nullptr ? GenerationDates{} : GenerationDates{ca->not_before(), ca->not_after()};
}

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

Authority::Authority(AuthorityOptions options, Files* files, Clock clock, Entropy entropy, Log log)
    : options_(std::move(options)),
      files_(files),
      clock_(std::move(clock)),
      entropy_(std::move(entropy)),
      log_(std::move(log)),
      store_(files, options_.folder) {}

absl::StatusOr<std::unique_ptr<Authority>> Authority::Open(AuthorityOptions options, Files* files,
                                                           Clock clock, Entropy entropy, Log log) {
  options.root.passphrase = options.passphrase;
  auto out = std::unique_ptr<Authority>(new Authority(std::move(options), files, std::move(clock),
                                                      std::move(entropy), std::move(log)));
  if (const absl::Status loaded = out->LoadOrMake(); !loaded.ok()) return loaded;
  return out;
}

absl::Status Authority::LoadOrMake() {
  const absl::MutexLock change(&change_);
  if (options_.when_empty == AuthorityOptions::WhenEmpty::kFail &&
      store_.StateBytes().status().code() == absl::StatusCode::kNotFound) {
    return absl::NotFoundError(Cat("there is no CA in ", options_.folder));
  }
  const auto lock = store_.Lock();
  if (!lock.ok()) return lock.status();
  const auto state = store_.ReadState();
  if (!state.ok()) return state.status();
  return state->has_value() ? Reload() : MakeFirst();
}

absl::Status Authority::MakeFirst() {
  const bool plugged = !options_.cacerts.empty();
  absl::StatusOr<CaMaterial> material = plugged
                                            ? ReadCacerts(files_, options_.cacerts)
                                            : MakeSelfSignedRoot(options_.root, clock_(), entropy_);
  if (!material.ok()) return material.status();
  // Looked at before it is stored: what does not fit together shall not become our state.
  const auto usable = SigningCa::Load(*material, options_.passphrase);
  if (!usable.ok()) return usable.status();
  const auto number = store_.AddGeneration({*material, plugged ? Origin::kPlugged : Origin::kMade});
  if (!number.ok()) return number.status();
  Tell(plugged ? "took the certificate of the cacerts folder" : "made a root certificate",
       absl::OkStatus());
  return Put(RotationState{Phase::kSteady, *number, 0, clock_()});
}

absl::Status Authority::Load(const RotationState& state) {
  auto signers = std::make_shared<Signers>();
  signers->state = state;
  const auto read =
      [&](uint64_t number,
          Generation* generation) -> absl::StatusOr<std::shared_ptr<const SigningCa>> {
    absl::StatusOr<Generation> stored = store_.ReadGeneration(number);
    if (!stored.ok()) return stored.status();
    absl::StatusOr<SigningCa> ca = SigningCa::Load(stored->material, options_.passphrase);
    if (!ca.ok()) {
      return absl::Status(ca.status().code(),
                          Abs(Cat("generation ", number, ": ", ca.status().message())));
    }
    *generation = *std::move(stored);
    return std::make_shared<const SigningCa>(*std::move(ca));
  };
  Generation active, other;
  auto active_ca = read(state.active, &active);
  if (!active_ca.ok()) return active_ca.status();
  signers->active = *active_ca;
  if (state.phase != Phase::kSteady) {
    auto other_ca = read(state.other, &other);
    if (!other_ca.ok()) return other_ca.status();
    signers->other = *other_ca;
  }
  signers->origin = active.origin;
  signers->active_pem = active.material.ca_cert;
  AddRoots(*signers->active, &signers->trusted);
  if (signers->other != nullptr) AddRoots(*signers->other, &signers->trusted);
  signers->trusted_pem = ToPem(signers->trusted);
  signers->next =
      Next(state, DatesOf(signers->active.get()), DatesOf(signers->other.get()), options_.rotation);
  if (state.phase == Phase::kDistributing && TrustedAlready(*signers->other, *signers->active)) {
    signers->next.due = state.since;
  }
  signers->next_is_ours = state.phase != Phase::kSteady || active.origin == Origin::kMade;
  const absl::MutexLock lock(&mutex_);
  current_ = std::move(signers);
  return absl::OkStatus();
}

absl::Status Authority::Reload() {
  absl::StatusOr<std::string> bytes = store_.StateBytes();
  if (!bytes.ok()) return bytes.status();
  if (*bytes == state_bytes_ && !bytes->empty()) return absl::OkStatus();
  const auto state = StateFromJson(*bytes);
  if (!state.ok()) return state.status();
  if (const absl::Status loaded = Load(*state); !loaded.ok()) return loaded;
  state_bytes_ = *std::move(bytes);
  return absl::OkStatus();
}

std::shared_ptr<const Signers> Authority::current() const {
  const absl::MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<std::unique_ptr<FileLock>> Authority::BeginChange() {
  auto lock = store_.Lock();
  if (!lock.ok()) return lock.status();
  if (const absl::Status fresh = Reload(); !fresh.ok()) return fresh;
  return lock;
}

absl::Status Authority::Put(const absl::StatusOr<RotationState>& state) {
  if (!state.ok()) return state.status();
  if (const absl::Status written = store_.WriteState(*state); !written.ok()) return written;
  return Reload();
}

absl::Status Authority::Begin(const std::optional<CaMaterial>& given) {
  const absl::MutexLock change(&change_);
  const auto lock = BeginChange();
  if (!lock.ok()) return lock.status();
  const std::shared_ptr<const Signers> now = current();
  if (now->state.phase != Phase::kSteady) {
    return absl::FailedPreconditionError(
        Cat("a rotation is under way already: ", PhaseName(now->state.phase)));
  }
  if (!given && now->origin == Origin::kPlugged) {
    return absl::FailedPreconditionError(
        "the CA's certificate was plugged in: give the next one (--cacerts DIR)");
  }
  absl::StatusOr<CaMaterial> material = given
                                            ? absl::StatusOr<CaMaterial>(*given)
                                            : MakeSelfSignedRoot(options_.root, clock_(), entropy_);
  if (!material.ok()) return material.status();
  const auto next = SigningCa::Load(*material, options_.passphrase);
  if (!next.ok()) return next.status();
  if (X509_cmp(next->certificate(), now->active->certificate()) == 0) {
    return absl::AlreadyExistsError("that is the certificate in use");
  }
  if (next->not_after() <= clock_()) {
    return absl::FailedPreconditionError(
        Cat("the next certificate ended at ", Date(next->not_after())));
  }
  const auto number = store_.AddGeneration({*material, given ? Origin::kPlugged : Origin::kMade});
  if (!number.ok()) return number.status();
  const absl::Status put = Put(ca::Begin(now->state, *number, clock_()));
  // A failure here leaves the generation without a name, and the next one another number.
  if (put.ok()) Tell("distributing the next root; signing with the old", put);
  return put;
}

absl::Status Authority::Switch(Pace pace) {
  const absl::MutexLock change(&change_);
  const auto lock = BeginChange();
  if (!lock.ok()) return lock.status();
  const std::shared_ptr<const Signers> now = current();
  const auto next = ca::Switch(now->state, clock_());
  if (!next.ok()) return next.status();
  if (pace == Pace::kWhenDue && clock_() < now->next.due) {
    return absl::FailedPreconditionError(Cat("some may not know the next root before ",
                                             Date(now->next.due),
                                             "; --force switches nevertheless"));
  }
  const absl::Status put = Put(next);
  if (put.ok()) Tell("signing with the next certificate; both roots are trusted", put);
  return put;
}

absl::Status Authority::Retire(Pace pace) {
  const absl::MutexLock change(&change_);
  const auto lock = BeginChange();
  if (!lock.ok()) return lock.status();
  const std::shared_ptr<const Signers> now = current();
  const auto next = ca::Retire(now->state, clock_());
  if (!next.ok()) return next.status();
  if (pace == Pace::kWhenDue && clock_() < now->next.due) {
    return absl::FailedPreconditionError(Cat("certificates of the old root may be in use until ",
                                             Date(now->next.due),
                                             "; --force retires it nevertheless"));
  }
  const absl::Status put = Put(next);
  if (!put.ok()) return put;
  Tell("the old root is no longer trusted", put);
  // The state has forgotten it. A key that cannot be removed is told, the rotation is over.
  const absl::Status removed = store_.RemoveGeneration(now->state.other);
  if (!removed.ok()) Tell("removing the old key failed", removed);
  return absl::OkStatus();
}

absl::Status Authority::MakeStep(const NextStep& next) {
  switch (next.step) {
    case Step::kBegin:
      return Begin(std::nullopt);
    case Step::kSwitch:
      return Switch(Pace::kWhenDue);
    case Step::kRetire:
      return Retire(Pace::kWhenDue);
  }
  return absl::OkStatus();
}

// A newer certificate in the cacerts folder begins a rotation. While one is under way nobody looks
// there: what is wrong with the folder shall not keep its next step from being made.
absl::Status Authority::FollowCacerts() {
  const std::shared_ptr<const Signers> now = current();
  if (options_.cacerts.empty() || now->state.phase != Phase::kSteady) return absl::OkStatus();
  const absl::StatusOr<CaMaterial> found = ReadCacerts(files_, options_.cacerts);
  if (!found.ok()) return found.status();
  if (found->ca_cert == now->active_pem) return absl::OkStatus();
  const absl::StatusOr<SigningCa> next = SigningCa::Load(*found, options_.passphrase);
  if (!next.ok()) return next.status();
  // What an operator's command has put in force is not undone by an old folder.
  const bool newer = NotBefore(next->certificate()) > NotBefore(now->active->certificate());
  if (!newer) return absl::OkStatus();
  return Begin(*found);
}

void Authority::Tick() {
  absl::Status trouble = LookAfter();
  const absl::MutexLock lock(&mutex_);
  trouble_ = std::move(trouble);
}

absl::Status Authority::trouble() const {
  const absl::MutexLock lock(&mutex_);
  return trouble_;
}

// Failures are told here, too, and come back with what was to be done.
absl::Status Authority::LookAfter() {
  const auto with = [](const std::string& what, const absl::Status& why) {
    return absl::Status(why.code(), Abs(Cat(what, ": ", why.message())));
  };
  absl::Status status;
  {
    const absl::MutexLock change(&change_);
    const std::shared_ptr<const Signers> before = current();
    status = Reload();
    if (current() != before) {
      Tell(Cat("took over from the folder: ", PhaseName(current()->state.phase), ", generation ",
               current()->state.active, " signs"),
           absl::OkStatus());
    }
    constexpr char kUnusable[] = "the state on disk cannot be used; going on with the last";
    if (!status.ok()) {
      Tell(kUnusable, status);
      return with(kUnusable, status);
    }
  }
  status = FollowCacerts();
  std::string what = "the cacerts folder cannot be used";
  const std::shared_ptr<const Signers> now = current();
  if (status.ok() && clock_() >= now->next.due) {
    what = Cat("rotation cannot ", StepName(now->next.step));
    status = now->next_is_ours ? MakeStep(now->next)
                               : absl::FailedPreconditionError(
                                     Cat("the CA's certificate was plugged in and ends at ",
                                         Date(now->active->not_after()), ": give the next one"));
  }
  if (status.ok()) return status;
  const absl::MutexLock change(&change_);
  Tell(what, status);
  return with(what, status);
}

void Authority::Tell(const std::string& what, const absl::Status& status) {
  const std::string text = Cat(what, ": ", status.message());
  if (!status.ok() && text == last_told_) return;
  last_told_ = status.ok() ? "" : text;
  log_(what, status);
}

}  // namespace meltemi::ca
