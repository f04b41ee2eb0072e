// Verifies service-account tokens by asking a Kubernetes API server: authentication.k8s.io/v1
// TokenReview. Knows deleted Pods and Secrets that a signature does not. Any thread; Verify blocks
// for one exchange, each wait of which HttpClient's time-out bounds.
#ifndef MELTEMI_CA_AUTHN_TOKEN_REVIEW_H_
#define MELTEMI_CA_AUTHN_TOKEN_REVIEW_H_

#include <memory>
#include <string>
#include <vector>

#include "ca/authn/caller.h"
#include "ca/authn/http_client.h"
#include "ca/keystore/files.h"

namespace meltemi::ca {

class TokenReviewVerifier final : public TokenVerifier {
 public:
  struct Options {
    std::vector<std::string> audiences;
    std::string own_token_file;  // what we show the API server; read for each call, it is renewed
  };
  TokenReviewVerifier(HttpClient* http, Files* files, Options options, TrustDomains domains)
      : http_(http), files_(files), options_(std::move(options)), domains_(std::move(domains)) {}

  absl::StatusOr<Caller> Verify(const std::string& token, absl::Time now) override;

 private:
  HttpClient* const http_;
  Files* const files_;
  const Options options_;
  const TrustDomains domains_;
};

// What the API server's answer says of the token.
absl::StatusOr<Caller> ReadTokenReview(const std::string& json,
                                       const std::vector<std::string>& audiences,
                                       const TrustDomains& domains);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_TOKEN_REVIEW_H_
