#include "ca/authn/jwks_verifier.h"

#include "absl/strings/ascii.h"
#include "ca/limits.h"
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
                                                                 TrustDomains domains,
                                                                 absl::Time now) {
  auto out = std::unique_ptr<JwksVerifier>(
      new JwksVerifier(files, std::move(options), std::move(domains)));
  const absl::Status read = out->Refresh(now);
  if (!read.ok() && out->options_.http == nullptr) return read;
  return out;
}

bool JwksVerifier::Due(absl::Time now) {
  if (options_.http == nullptr) return true;
  const absl::MutexLock lock(&mutex_);
  const bool soon = key_missed_ || !last_.ok();
  // A clock that was set back must not put it off.
  if (now >= asked_ && now < asked_ + (soon ? kJwksRefreshSoon : kJwksRefresh)) return false;
  asked_ = now;
  key_missed_ = false;
  return true;
}

absl::Status JwksVerifier::Refresh(absl::Time now) {
  if (Due(now)) {
    absl::Status taken = Take(Read());
    const absl::MutexLock lock(&mutex_);
    last_ = std::move(taken);
  }
  const absl::MutexLock lock(&mutex_);
  return last_;
}

absl::StatusOr<std::string> JwksVerifier::Read() const {
  if (options_.http == nullptr) {
    return files_->Read(options_.path, meltemi::limits::kJwksBytesMax, Files::Secrecy::kPublic);
  }
  std::string own;
  if (!options_.own_token_file.empty()) {
    const auto read =
        files_->Read(options_.own_token_file, limits::kTokenBytesMax, Files::Secrecy::kPublic);
    if (!read.ok()) {
      return absl::UnavailableError(
          Cat("the token for the keys' server: ", read.status().message()));
    }
    own = std::string(absl::StripAsciiWhitespace(*read));
  }
  absl::StatusOr<HttpAnswer> answer = options_.http->Get(options_.path, own);
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) {
    return absl::UnavailableError(Cat(options_.path, ": the server answered ", answer->status));
  }
  return std::move(answer->body);
}

absl::Status JwksVerifier::Take(absl::StatusOr<std::string> text) {
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
  if (keys == nullptr) return absl::UnavailableError("the keys of tokens have not come yet");
  policy::Jwt jwt;
  policy::JwtVerdict verdict = policy::ParseJwt(token, &jwt);
  if (verdict == policy::JwtVerdict::kOk) {
    verdict = policy::VerifyJwt(jwt, *keys, options_.required, {absl::ToUnixSeconds(now)});
  }
  if (verdict == policy::JwtVerdict::kNoKey) {  // perhaps a new one
    const absl::MutexLock lock(&mutex_);
    key_missed_ = true;
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
