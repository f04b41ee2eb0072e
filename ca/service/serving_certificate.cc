#include "ca/service/serving_certificate.h"

namespace meltemi::ca {

absl::StatusOr<ServingPem> ServingCertificate::Get() {
  const absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_();
  std::shared_ptr<const Signers> signers = authority_->current();
  if (signers == made_by_ && now < renew_) return pem_;
  absl::StatusOr<ServingPem> fresh = Make(*signers, now);
  if (!fresh.ok()) {
    if (made_by_ != nullptr && now < pem_.not_after) return pem_;
    return fresh.status();
  }
  fresh->version = pem_.version + 1;
  pem_ = *std::move(fresh);
  made_by_ = std::move(signers);
  renew_ = now + (pem_.not_after - now) / 2;
  return pem_;
}

absl::StatusOr<ServingPem> ServingCertificate::Make(const Signers& signers, absl::Time now) {
  const absl::StatusOr<KeyPtr> key = MakeKey(KeyKind::kEcdsaP256);
  if (!key.ok()) return key.status();
  const absl::StatusOr<Leaf> leaf = IssueLeaf(*signers.active, key->get(),
                                              {.identity = options_.identity,
                                               .dns_names = options_.dns_names,
                                               .ttl = options_.ttl,
                                               .backdate = absl::Minutes(2)},
                                              now, entropy_);
  if (!leaf.ok()) return leaf.status();
  const absl::StatusOr<std::string> key_pem = PrivateKeyToPem(key->get(), "");
  if (!key_pem.ok()) return key_pem.status();
  ServingPem out{.key = *key_pem,
                 .chain = leaf->pem,
                 .trusted = signers.trusted_pem,
                 .not_after = leaf->not_after};
  for (const std::string& pem : signers.active->intermediates_pem()) out.chain += pem;
  return out;
}

}  // namespace meltemi::ca
