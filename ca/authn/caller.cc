#include "ca/authn/caller.h"

#include "ca/issuer/issuer.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr std::string_view kServiceAccount = "system:serviceaccount:";

}  // namespace

absl::StatusOr<Identity> IdentityOfSubject(const TrustDomains& domains,
                                           const std::string& subject) {
  if (subject.starts_with("spiffe://")) {
    const absl::StatusOr<Identity> identity = ParseSpiffe(subject);
    if (!identity.ok()) return identity.status();
    return domains.Canonical(*identity);
  }
  if (!subject.starts_with(kServiceAccount)) {
    return absl::UnauthenticatedError(
        Cat("the token's subject \"", subject.substr(0, 300), "\" is no service account"));
  }
  const std::string rest = subject.substr(kServiceAccount.size());
  const size_t colon = rest.find(':');
  if (colon == std::string::npos) {
    return absl::UnauthenticatedError("the token's subject is no service account");
  }
  return MakeIdentity(domains.own(), rest.substr(0, colon), rest.substr(colon + 1));
}

absl::StatusOr<Caller> CallerByCertificate(const std::string& chain_pem,
                                           const std::vector<CertPtr>& roots,
                                           const TrustDomains& domains, absl::Time now) {
  absl::StatusOr<std::vector<CertPtr>> chain = CertificatesFromPem(chain_pem);
  if (!chain.ok()) {
    return absl::UnauthenticatedError(Cat("client certificate: ", chain.status().message()));
  }
  const CertPtr leaf = std::move(chain->front());
  chain->erase(chain->begin());
  const absl::Status trusted = VerifyChain(leaf.get(), *chain, roots, ChainUse::kClient, now);
  if (!trusted.ok()) return trusted;
  const std::vector<std::string> names = UriNames(leaf.get());
  if (names.size() != 1) {  // SPIFFE X509-SVID 2
    return absl::UnauthenticatedError("the client certificate has not exactly one URI name");
  }
  const absl::StatusOr<Identity> named = ParseSpiffe(names[0]);
  if (!named.ok()) {
    return absl::UnauthenticatedError(Cat("client certificate: ", named.status().message()));
  }
  const absl::StatusOr<Identity> identity = domains.Canonical(*named);
  if (!identity.ok()) return identity.status();
  Caller caller{.identity = *identity, .method = "certificate"};
  if (OrganizationalUnit(leaf.get()) == kNodeUnit) caller.node = CommonName(leaf.get());
  return caller;
}

}  // namespace meltemi::ca
