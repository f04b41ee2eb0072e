#include "ca/authn/jwks_verifier.h"

#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

std::string TextAt(const policy::Json& claims, std::initializer_list<std::string_view> path) {
  const policy::Json* found = claims.Find(path);
  return found == nullptr || found->AsString() == nullptr ? "" : *found->AsString();
}

}  // namespace

absl::StatusOr<std::unique_ptr<JwksVerifier>> JwksVerifier::Open(Files* files, Options options,
                                                                 TrustDomains domains) {
  auto out = std::unique_ptr<JwksVerifier>(
      new JwksVerifier(files, std::move(options), std::move(domains)));
  if (const absl::Status read = out->Refresh(); !read.ok()) return read;
  return out;
}

absl::Status JwksVerifier::Refresh() {
  absl::StatusOr<std::string> text =
      files_->Read(options_.path, meltemi::limits::kJwksBytesMax, Files::Secrecy::kPublic);
  if (!text.ok()) return text.status();
  const absl::MutexLock lock(&mutex_);
  if (keys_ != nullptr && *text == text_) return absl::OkStatus();
  absl::StatusOr<policy::Jwks> keys = policy::Jwks::Parse(*text);
  if (!keys.ok()) {
    return absl::InvalidArgumentError(Cat(options_.path, ": ", keys.status().message()));
  }
  text_ = *std::move(text);
  keys_ = std::make_shared<const policy::Jwks>(*std::move(keys));
  return absl::OkStatus();
}

absl::StatusOr<Caller> JwksVerifier::Verify(const std::string& token, absl::Time now) {
  std::shared_ptr<const policy::Jwks> keys;
  {
    const absl::MutexLock lock(&mutex_);
    keys = keys_;
  }
  policy::Jwt jwt;
  policy::JwtVerdict verdict = policy::ParseJwt(token, &jwt);
  if (verdict == policy::JwtVerdict::kOk) {
    verdict = policy::VerifyJwt(jwt, *keys, options_.required, {absl::ToUnixSeconds(now)});
  }
  if (verdict != policy::JwtVerdict::kOk) {
    return absl::UnauthenticatedError(Abs(policy::Describe(verdict)));
  }
  const absl::StatusOr<Identity> identity = IdentityOfSubject(domains_, jwt.subject);
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  // Kubernetes says the namespace twice; a token in which they differ is nobody's.
  const std::string ns = TextAt(jwt.claims, {"kubernetes.io", "namespace"});
  if (!ns.empty() && ns != identity->ns) {
    return absl::UnauthenticatedError("the token's namespace and subject differ");
  }
  return Caller{.identity = *identity,
                .method = "jwt",
                .node = TextAt(jwt.claims, {"kubernetes.io", "node", "name"}),
                .pod = TextAt(jwt.claims, {"kubernetes.io", "pod", "name"}),
                .pod_uid = TextAt(jwt.claims, {"kubernetes.io", "pod", "uid"})};
}

}  // namespace meltemi::ca
