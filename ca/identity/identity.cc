#include "ca/identity/identity.h"

#include <algorithm>

#include "ca/limits.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr std::string_view kScheme = "spiffe://";

bool LowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// SPIFFE-ID 2.1: letters, digits, dots, dashes and underscores, in lower case.
bool GoodTrustDomain(std::string_view text) {
  return !text.empty() && text.size() <= limits::kTrustDomainBytesMax &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return LowerOrDigit(c) || c == '.' || c == '-' || c == '_'; });
}

// RFC 1123 as Kubernetes reads it: labels of letters, digits and inner dashes, between dots.
bool GoodName(std::string_view text, size_t bytes_max, bool dots) {
  if (text.empty() || text.size() > bytes_max) return false;
  char before = '.';
  for (const char c : text) {
    if (c == '.' && !dots) return false;
    if (!LowerOrDigit(c) && c != '-' && c != '.') return false;
    if ((before == '.' || before == '-') && c == '.') return false;
    if (before == '.' && c == '-') return false;
    before = c;
  }
  return before != '-' && before != '.';
}

std::string_view TakeUpTo(char end, std::string_view* rest) {
  const size_t at = std::min(rest->find(end), rest->size());
  const std::string_view out = rest->substr(0, at);
  rest->remove_prefix(std::min(at + 1, rest->size()));
  return out;
}

absl::Status Bad(std::string_view what, std::string_view text) {
  return absl::InvalidArgumentError(Cat(what, " \"", text.substr(0, 300), "\""));
}

}  // namespace

std::string Identity::Uri() const {
  return Cat(kScheme, trust_domain, "/ns/", ns, "/sa/", service_account);
}

absl::StatusOr<Identity> MakeIdentity(std::string_view trust_domain, std::string_view ns,
                                      std::string_view service_account) {
  if (!GoodTrustDomain(trust_domain)) return Bad("not a trust domain:", trust_domain);
  if (!GoodName(ns, limits::kNamespaceBytesMax, false)) return Bad("not a namespace:", ns);
  if (!GoodName(service_account, limits::kServiceAccountBytesMax, true)) {
    return Bad("not a service account:", service_account);
  }
  return Identity{std::string(trust_domain), std::string(ns), std::string(service_account)};
}

absl::StatusOr<Identity> ParseSpiffe(std::string_view uri) {
  if (uri.size() > limits::kSpiffeBytesMax || !uri.starts_with(kScheme)) {
    return Bad("not a SPIFFE identity:", uri);
  }
  std::string_view rest = uri.substr(kScheme.size());
  const std::string_view domain = TakeUpTo('/', &rest);
  const std::string_view ns_word = TakeUpTo('/', &rest);
  const std::string_view ns = TakeUpTo('/', &rest);
  const std::string_view sa_word = TakeUpTo('/', &rest);
  if (ns_word != "ns" || sa_word != "sa") return Bad("not spiffe://D/ns/N/sa/S:", uri);
  // What is left is the account; a slash in it is no good name.
  return MakeIdentity(domain, ns, rest);
}

absl::StatusOr<Identity> ParseAccount(std::string_view trust_domain, std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Bad("not NAMESPACE/ACCOUNT:", text);
  return MakeIdentity(trust_domain, text.substr(0, slash), text.substr(slash + 1));
}

absl::StatusOr<TrustDomains> TrustDomains::Make(std::string own, std::vector<std::string> aliases) {
  if (!GoodTrustDomain(own)) return Bad("not a trust domain:", own);
  if (aliases.size() > limits::kTrustDomainAliasesMax) {
    return absl::InvalidArgumentError("too many trust domain aliases");
  }
  for (const std::string& alias : aliases) {
    if (!GoodTrustDomain(alias)) return Bad("not a trust domain:", alias);
  }
  return TrustDomains(std::move(own), std::move(aliases));
}

absl::StatusOr<Identity> TrustDomains::Canonical(const Identity& identity) const {
  const bool ours =
      identity.trust_domain == own_ ||
      std::find(aliases_.begin(), aliases_.end(), identity.trust_domain) != aliases_.end();
  if (!ours) {
    return absl::PermissionDeniedError(
        Cat("trust domain ", identity.trust_domain, " is neither ", own_, " nor an alias of it"));
  }
  return Identity{own_, identity.ns, identity.service_account};
}

}  // namespace meltemi::ca
