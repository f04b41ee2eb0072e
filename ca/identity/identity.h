// SPIFFE identities as Istio writes them, spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT, and the trust
// domains this CA answers for. Hostile input. Pure.
#ifndef MELTEMI_CA_IDENTITY_IDENTITY_H_
#define MELTEMI_CA_IDENTITY_IDENTITY_H_

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace meltemi::ca {

struct Identity {
  std::string trust_domain;
  std::string ns;
  std::string service_account;

  auto operator<=>(const Identity&) const = default;
  // "spiffe://cluster.local/ns/default/sa/reviews"
  std::string Uri() const;
};

// Strict: one spelling for one identity (no escapes, no upper-case domain, no port, no query).
absl::StatusOr<Identity> ParseSpiffe(std::string_view uri);
// An identity of parts that were proven elsewhere, held to the same rules.
absl::StatusOr<Identity> MakeIdentity(std::string_view trust_domain, std::string_view ns,
                                      std::string_view service_account);
// "NAMESPACE/ACCOUNT" of a flag.
absl::StatusOr<Identity> ParseAccount(std::string_view trust_domain, std::string_view text);

// The domain certificates are issued in, and the names it had or has elsewhere: an identity of an
// alias is the same one in the domain.
class TrustDomains {
 public:
  static absl::StatusOr<TrustDomains> Make(std::string own, std::vector<std::string> aliases);

  const std::string& own() const { return own_; }
  const std::vector<std::string>& aliases() const { return aliases_; }
  // The identity in our domain; an error when its domain is neither ours nor an alias.
  absl::StatusOr<Identity> Canonical(const Identity& identity) const;

 private:
  TrustDomains(std::string own, std::vector<std::string> aliases)
      : own_(std::move(own)), aliases_(std::move(aliases)) {}
  std::string own_;
  std::vector<std::string> aliases_;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_IDENTITY_IDENTITY_H_
