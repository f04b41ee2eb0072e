// Verifies service-account tokens with the key set of their issuer, from a file: a cluster's
// /openid/v1/jwks, or that of another issuer. The file is read again when Refresh finds it changed;
// while it is broken the last good keys stay. Any thread.
#ifndef MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_
#define MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_

#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "ca/authn/caller.h"
#include "ca/keystore/files.h"
#include "l7/policy/jwt/jwt.h"

namespace meltemi::ca {

class JwksVerifier final : public TokenVerifier {
 public:
  struct Options {
    std::string path;
    policy::JwtRequirements required;  // issuer and audiences
  };
  // An error when the file cannot be used at all.
  static absl::StatusOr<std::unique_ptr<JwksVerifier>> Open(Files* files, Options options,
                                                            TrustDomains domains);

  absl::StatusOr<Caller> Verify(const std::string& token, absl::Time now) override;
  absl::Status Refresh();

 private:
  JwksVerifier(Files* files, Options options, TrustDomains domains)
      : files_(files), options_(std::move(options)), domains_(std::move(domains)) {}

  Files* const files_;
  const Options options_;
  const TrustDomains domains_;
  absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const policy::Jwks> keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_
