// Verifies service-account tokens by asking a Kubernetes API server: authentication.k8s.io/v1
// TokenReview. Knows deleted Pods and Secrets that a signature does not. Any thread; Verify blocks
// for one exchange, each wait of which HttpPost's time-out bounds.
#ifndef MELTEMI_CA_AUTHN_TOKEN_REVIEW_H_
#define MELTEMI_CA_AUTHN_TOKEN_REVIEW_H_

#include <memory>
#include <string>
#include <vector>

#include "ca/authn/caller.h"
#include "ca/keystore/files.h"

namespace meltemi::ca {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// One POST per call, over a connection of its own.
class HttpPost {
 public:
  virtual ~HttpPost() = default;
  virtual absl::StatusOr<HttpAnswer> Post(const std::string& path, const std::string& bearer,
                                          const std::string& json) = 0;
};

struct HttpPostOptions {
  std::string url;      // "https://kubernetes.default.svc" or "http://host:port"; no path
  std::string ca_file;  // roots of an https server; empty: the system's
  absl::Duration timeout = absl::Seconds(5);
};
// Kernel sockets and OpenSSL, HTTP/1.0. https verifies the server's certificate and name.
absl::StatusOr<std::unique_ptr<HttpPost>> MakeHttpPost(HttpPostOptions options);

class TokenReviewVerifier final : public TokenVerifier {
 public:
  struct Options {
    std::vector<std::string> audiences;
    std::string own_token_file;  // what we show the API server; read for each call, it is renewed
  };
  TokenReviewVerifier(HttpPost* http, Files* files, Options options, TrustDomains domains)
      : http_(http), files_(files), options_(std::move(options)), domains_(std::move(domains)) {}

  absl::StatusOr<Caller> Verify(const std::string& token, absl::Time now) override;

 private:
  HttpPost* const http_;
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
