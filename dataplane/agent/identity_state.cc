#include "dataplane/agent/identity_state.h"

#include <algorithm>

#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::agent {

void IdentityState::SetLocal(const std::set<std::string>& identities) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (identities.contains(it->first)) {
      ++it;
      continue;
    }
    in_flight_ -= it->second.asking != 0 ? 1 : 0;
    version_ += it->second.credential != nullptr ? 1 : 0;
    it = entries_.erase(it);
  }
  for (const std::string& identity : identities) {
    if (entries_.contains(identity)) continue;
    if (entries_.size() >= limits::kLocalIdentitiesMax) {
      ++left_out_;
      continue;
    }
    entries_.try_emplace(identity);
  }
}

absl::StatusOr<IdentityCredentialPtr> IdentityState::Get(const std::string& identity,
                                                         IdentityNow now) const {
  const auto it = entries_.find(identity);
  if (it == entries_.end()) {
    return absl::PermissionDeniedError(Cat(identity, " has no workload on this node"));
  }
  const Entry& entry = it->second;
  if (entry.credential != nullptr && now.wall < entry.credential->chain.not_after) {
    return entry.credential;
  }
  return absl::UnavailableError(
      Cat(identity, entry.credential == nullptr ? " has no certificate yet" : " has expired",
          entry.last_failure.empty() ? "" : ": ", entry.last_failure));
}

std::vector<IdentityState::Request> IdentityState::Poll(IdentityNow now,
                                                        const std::optional<std::string>& only) {
  GiveUpLost(now.steady);
  // Those without a certificate first, then those whose ends soonest.
  std::vector<std::pair<UnixTime, std::map<std::string, Entry>::iterator>> due;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    const Entry& entry = it->second;
    const bool wanted = entry.credential == nullptr || now.wall >= entry.refresh;
    if (!wanted || entry.asking != 0 || now.steady < entry.retry) continue;
    if (only && it->first != *only) continue;
    due.emplace_back(entry.credential == nullptr ? UnixTime{} : entry.credential->chain.not_after,
                     it);
  }
  std::stable_sort(due.begin(), due.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Request> out;
  for (const auto& [end, it] : due) {
    if (in_flight_ >= limits::kIdentityRequestsInFlight) break;
    Entry& entry = it->second;
    absl::StatusOr<tls::WorkloadKey> key = tls::WorkloadKey::Make();
    absl::StatusOr<std::string> csr =
        key.ok() ? key->SigningRequest(it->first) : absl::StatusOr<std::string>(key.status());
    if (!csr.ok()) {
      Fail(csr.status(), now.steady, &entry);
      continue;
    }
    entry.key = *std::move(key);
    entry.asking = next_id_++;
    entry.asked = now.steady;
    ++in_flight_;
    out.push_back({entry.asking, it->first, *std::move(csr)});
  }
  return out;
}

absl::Status IdentityState::OnAnswer(uint64_t id,
                                     const absl::StatusOr<std::vector<std::string>>& answer,
                                     IdentityNow now) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const auto& e) { return e.second.asking == id; });
  if (id == 0 || it == entries_.end()) return absl::NotFoundError("nobody waits for this answer");
  Entry& entry = it->second;
  const absl::Status taken = answer.ok() ? Take(it->first, *answer, now, &entry) : answer.status();
  entry.asking = 0;
  entry.key.reset();
  --in_flight_;
  if (!taken.ok()) Fail(taken, now.steady, &entry);
  return taken;
}

absl::Status IdentityState::Take(const std::string& identity,
                                 const std::vector<std::string>& answer, IdentityNow now,
                                 Entry* entry) {
  absl::StatusOr<tls::WorkloadChain> chain =
      tls::CheckWorkloadChain(*entry->key, identity, answer, now.wall);
  if (!chain.ok()) return chain.status();
  // 49 to 51 % of what is left of its life.
  const int64_t left = chain->not_after.seconds - now.wall.seconds;
  const int64_t per_mille = 490 + static_cast<int64_t>(prng_.Below(21));
  entry->refresh = {now.wall.seconds + left * per_mille / 1000};
  trusted_pem_ = chain->trusted_pem;
  entry->credential = std::make_shared<const IdentityCredential>(
      IdentityCredential{identity, *std::move(entry->key), *std::move(chain)});
  entry->retry = now.steady;
  entry->failures = 0;
  entry->last_failure.clear();
  ++entry->issued;
  ++version_;
  return absl::OkStatus();
}

void IdentityState::Fail(const absl::Status& why, Instant now, Entry* entry) {
  // Twice as long with each failure, the last half of it by chance.
  const int doublings = static_cast<int>(std::min<uint64_t>(entry->failures, 20));
  const Duration wait =
      std::min(options_.backoff_min * (int64_t{1} << doublings), options_.backoff_max);
  const uint64_t half = static_cast<uint64_t>(wait.nanos() / 2);
  entry->retry = now + Duration::Nanos(static_cast<int64_t>(half + prng_.Below(half + 1)));
  ++entry->failures;
  ++entry->failures_total;
  entry->last_failure = std::string(why.message());
}

void IdentityState::GiveUpLost(Instant now) {
  for (auto& [identity, entry] : entries_) {
    if (entry.asking == 0 || now < entry.asked + options_.answer_max) continue;
    entry.asking = 0;
    entry.key.reset();
    --in_flight_;
    Fail(absl::DeadlineExceededError("the CA did not answer"), now, &entry);
  }
}

std::vector<IdentityStatus> IdentityState::Status() const {
  std::vector<IdentityStatus> out;
  for (const auto& [identity, entry] : entries_) {
    IdentityStatus status{.identity = identity,
                          .asking = entry.asking != 0,
                          .issued = entry.issued,
                          .failures = entry.failures,
                          .failures_total = entry.failures_total,
                          .last_failure = entry.last_failure};
    if (entry.credential != nullptr) {
      status.serial = entry.credential->chain.serial;
      status.not_after = entry.credential->chain.not_after;
      status.refresh = entry.refresh;
    }
    out.push_back(std::move(status));
  }
  return out;
}

std::vector<IdentityCredentialPtr> IdentityState::Credentials() const {
  std::vector<IdentityCredentialPtr> out;
  for (const auto& [identity, entry] : entries_) {
    if (entry.credential != nullptr) out.push_back(entry.credential);
  }
  return out;
}

std::string IdentityState::LastFailure(const std::string& identity) const {
  const auto it = entries_.find(identity);
  return it == entries_.end() ? "" : it->second.last_failure;
}

}  // namespace meltemi::agent
