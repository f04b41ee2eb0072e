#include "ca/service/server_certificate.h"

#include "ca/x509/key.h"

namespace meltemi::ca {

absl::StatusOr<ServerCertificate> IssueServerCertificate(const Signers& signers,
                                                         const ServerCertificateRequest& request,
                                                         absl::Time now, const Entropy& entropy,
                                                         IssuanceLog* log) {
  const absl::StatusOr<KeyPtr> key = MakeKey(KeyKind::kEcdsaP256);
  if (!key.ok()) return key.status();
  const absl::StatusOr<Leaf> leaf = IssueLeaf(*signers.active, key->get(),
                                              {.identity = request.identity,
                                               .dns_names = request.dns_names,
                                               .ttl = request.ttl,
                                               .backdate = absl::Minutes(2)},
                                              now, entropy);
  if (!leaf.ok()) return leaf.status();
  const absl::StatusOr<std::string> key_pem = PrivateKeyToPem(key->get(), "");
  if (!key_pem.ok()) return key_pem.status();
  const absl::Status logged = log->Record({.time = now,
                                           .serial = leaf->serial,
                                           .identity = request.identity.Uri(),
                                           .method = "command",
                                           .key = DescribeKey(key->get()),
                                           .generation = signers.state.active,
                                           .not_before = leaf->not_before,
                                           .not_after = leaf->not_after});
  if (!logged.ok()) return logged;
  ServerCertificate out{.chain = leaf->pem, .key = *key_pem, .trusted = signers.trusted_pem};
  for (const std::string& pem : signers.active->intermediates_pem()) out.chain += pem;
  return out;
}

}  // namespace meltemi::ca
