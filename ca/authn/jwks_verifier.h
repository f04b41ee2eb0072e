// Verifies service-account tokens with the key set of their issuer: a cluster's /openid/v1/jwks, or
// that of another issuer, from a file or a server. It is read again by Refresh, which the owner
// calls every second: a file each time, a server every kJwksRefresh, and sooner when it has failed
// or when a token names a key that is not there. What is broken or away leaves the last good keys.
// Any thread.
#ifndef MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_
#define MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_

#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "ca/authn/caller.h"
#include "ca/authn/http_client.h"
#include "ca/keystore/files.h"
#include "l7/policy/jwt/jwt.h"

namespace meltemi::ca {

inline constexpr absl::Duration kJwksRefresh = absl::Minutes(5);
inline constexpr absl::Duration kJwksRefreshSoon = absl::Seconds(10);

class JwksVerifier final : public TokenVerifier {
 public:
  struct Options {
    std::string path;                  // of the file, or what `http` is asked for
    HttpClient* http = nullptr;        // null: a file
    std::string own_token_file;        // what we show the server; empty: nothing
    policy::JwtRequirements required;  // issuer and audiences
  };
  // An error when the file cannot be used at all. A server may be away: until it has answered, no
  // token is taken.
  static absl::StatusOr<std::unique_ptr<JwksVerifier>> Open(Files* files, Options options,
                                                            TrustDomains domains, absl::Time now);

  absl::StatusOr<Caller> Verify(const std::string& token, absl::Time now) override;
  // How the last reading ended.
  absl::Status Refresh(absl::Time now);

 private:
  JwksVerifier(Files* files, Options options, TrustDomains domains)
      : files_(files), options_(std::move(options)), domains_(std::move(domains)) {}

  bool Due(absl::Time now);
  absl::StatusOr<std::string> Read() const;
  absl::Status Take(absl::StatusOr<std::string> text);

  Files* const files_;
  const Options options_;
  const TrustDomains domains_;
  absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const policy::Jwks> keys_ ABSL_GUARDED_BY(mutex_);
  // Of a server.
  absl::Time asked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status last_ ABSL_GUARDED_BY(mutex_);
  bool key_missed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_JWKS_VERIFIER_H_
