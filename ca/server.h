// meltemi-ca as it serves: joins the parts, and a thread that once a second looks after what
// changes by itself (rotation, keys of token issuers, the registry's Pods, the listener's
// certificate).
#ifndef MELTEMI_CA_SERVER_H_
#define MELTEMI_CA_SERVER_H_

#include <memory>
#include <string>
#include <thread>

#include "ca/authn/jwks_verifier.h"
#include "ca/authn/token_review.h"
#include "ca/failures.h"
#include "ca/keystore/files.h"
#include "ca/options.h"
#include "ca/service/grpc_service.h"
#include "control/common/http_server.h"
#include "control/common/metrics.h"

namespace meltemi::ca {

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const FlagValues& flags, Options options,
                                                       Clock clock, Entropy entropy);
  // Stops serving and joins.
  ~Server();

  int grpc_port() const { return grpc_->port(); }
  int http_port() const { return http_->port(); }
  Authority* authority() { return authority_.get(); }
  // What the thread does once a second; tests call it instead of waiting.
  void LookAfter();

 private:
  Server(const FlagValues& flags, Options options, Clock clock, Entropy entropy);
  absl::Status Open();
  absl::Status OpenTokens();
  absl::Status OpenJwks();
  control::common::HttpReply Page(const std::string& path);
  void TellOnce(Failures::Part part, const std::string& what, const absl::Status& status);
  void Run();

  const FlagValues flags_;
  const Options options_;
  const Clock clock_;
  const Entropy entropy_;
  DiskFiles files_;
  control::common::Metrics metrics_;
  Failures failures_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<IssuanceLog> log_;
  std::unique_ptr<JoinTokens> join_tokens_;
  std::unique_ptr<HttpClient> jwks_server_, api_server_;
  std::unique_ptr<JwksVerifier> jwks_;
  std::unique_ptr<TokenReviewVerifier> reviewer_;
  NoNodeBinding no_pods_;
  std::unique_ptr<PodFiles> pods_;
  std::unique_ptr<CertificateHandler> handler_;
  std::unique_ptr<ServingCertificate> serving_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<control::common::HttpServer> http_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVER_H_
