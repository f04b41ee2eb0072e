#include "ca/service/grpc_service.h"

#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/strings/match.h"
#include "ca/limits.h"
#include "l7/base/text.h"
#include "security/v1alpha1/ca.grpc.pb.h"
#include "security/v1alpha1/ca_service.grpc.pb.h"

namespace meltemi::ca {
namespace {

using istio::v1::auth::CsrRequest;
using istio::v1::auth::CsrResponse;
using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;

std::string Metadata(const grpc::ServerContext& context, const char* name) {
  const auto it = context.client_metadata().find(name);
  if (it == context.client_metadata().end()) return "";
  return std::string(it->second.data(), it->second.size());
}

std::string Property(const grpc::AuthContext& auth, const char* name) {
  const auto values = auth.FindPropertyValues(name);
  return values.empty() ? "" : std::string(values[0].data(), values[0].size());
}

// The peer's certificate in front. OpenSSL does not count it to the chain on the side of a server.
std::string PeerChain(const grpc::ServerContext& context) {
  const auto auth = context.auth_context();
  const std::string leaf = Property(*auth, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  const std::string chain = Property(*auth, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  return chain.starts_with(leaf) ? chain : leaf + chain;
}

CallInfo InfoOf(const grpc::ServerContext& context) {
  CallInfo info{.peer_chain_pem = PeerChain(context), .peer = context.peer()};
  constexpr char kBearer[] = "Bearer ";
  const std::string authorization = Metadata(context, "authorization");
  if (absl::StartsWithIgnoreCase(authorization, kBearer)) {
    info.bearer = authorization.substr(sizeof(kBearer) - 1);
  }
  return info;
}

// The codes of both have the same numbers.
grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

std::string Impersonated(const IstioCertificateRequest& request) {
  const auto it = request.metadata().fields().find("ImpersonatedIdentity");
  return it == request.metadata().fields().end() ? "" : it->second.string_value();
}

// Called by gRPC for each new connection, on its threads.
grpc_ssl_certificate_config_reload_status FetchConfig(void* certificate,
                                                      grpc_ssl_server_certificate_config** config);

// The listener's certificate, and the version gRPC was last given.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(ServingCertificate* certificate) : certificate_(certificate) {
    grpc_ssl_server_credentials_options* options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            // The handler verifies them, by its own clock and the roots of the moment; that the
            // peer holds the key is proven by the handshake.
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY, &FetchConfig, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const absl::StatusOr<ServingPem> pem = certificate_->Get();
    const absl::MutexLock lock(&mutex_);
    if (!pem.ok()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    if (pem->version == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    grpc_ssl_pem_key_cert_pair pair{pem->key.c_str(), pem->chain.c_str()};
    *config = grpc_ssl_server_certificate_config_create(pem->trusted.c_str(), &pair, 1);
    given_ = pem->version;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  ServingCertificate* const certificate_;
  grpc_server_credentials* credentials_;
  absl::Mutex mutex_;
  uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;
};

grpc_ssl_certificate_config_reload_status FetchConfig(void* credentials,
                                                      grpc_ssl_server_certificate_config** config) {
  return static_cast<ReloadingCredentials*>(credentials)->Fetch(config);
}

class CertificateService final : public istio::v1::auth::IstioCertificateService::Service {
 public:
  explicit CertificateService(CertificateHandler* handler) : handler_(handler) {}

  grpc::Status CreateCertificate(grpc::ServerContext* context,
                                 const IstioCertificateRequest* request,
                                 IstioCertificateResponse* response) override {
    const absl::StatusOr<CertificateReply> reply =
        handler_->Handle(InfoOf(*context), {.csr = request->csr(),
                                            .ttl = absl::Seconds(request->validity_duration()),
                                            .impersonated = Impersonated(*request)});
    if (!reply.ok()) return ToGrpc(reply.status());
    response->add_cert_chain(reply->leaf_pem);
    for (const std::string& pem : reply->intermediates_pem) response->add_cert_chain(pem);
    response->add_cert_chain(reply->trusted_pem);
    return grpc::Status::OK;
  }

 private:
  CertificateHandler* const handler_;
};

class CsrService final : public istio::v1::auth::IstioCAService::Service {
 public:
  explicit CsrService(CertificateHandler* handler) : handler_(handler) {}

  grpc::Status HandleCSR(grpc::ServerContext* context, const CsrRequest* request,
                         CsrResponse* response) override {
    CallInfo info = InfoOf(*context);
    if (!request->node_agent_credential().empty()) info.bearer = request->node_agent_credential();
    const absl::StatusOr<CertificateReply> reply = handler_->Handle(
        info, {.csr = request->csr_pem(), .ttl = absl::Minutes(request->requested_ttl_minutes())});
    // Istio 0.8 answers so too: a refusal is the call's status.
    if (!reply.ok()) return ToGrpc(reply.status());
    response->set_is_approved(true);
    response->set_signed_cert(reply->leaf_pem);
    std::string chain;
    for (const std::string& pem : reply->intermediates_pem) chain += pem;
    response->set_cert_chain(chain + reply->trusted_pem);
    return grpc::Status::OK;
  }

 private:
  CertificateHandler* const handler_;
};

}  // namespace

struct GrpcServer::Parts {
  Parts(CertificateHandler* handler, ServingCertificate* certificate)
      : create(handler),
        csr(handler),
        credentials(std::make_shared<ReloadingCredentials>(certificate)) {}

  CertificateService create;
  CsrService csr;
  std::shared_ptr<grpc::ServerCredentials> credentials;  // gRPC calls it as long as it serves
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::string& address,
                                                              CertificateHandler* handler,
                                                              ServingCertificate* certificate) {
  // An unusable certificate is told now and not to the first client.
  if (const auto usable = certificate->Get(); !usable.ok()) return usable.status();
  auto parts = std::make_unique<Parts>(handler, certificate);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, parts->credentials, &parts->port);
  builder.RegisterService(&parts->create);
  builder.RegisterService(&parts->csr);
  builder.SetMaxReceiveMessageSize(limits::kGrpcMessageBytesMax);
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(limits::kGrpcThreadsMax);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || parts->port == 0) {
    return absl::UnavailableError(Cat("listening on ", address, " failed"));
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts)));
}

GrpcServer::~GrpcServer() {
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
}

int GrpcServer::port() const { return parts_->port; }

}  // namespace meltemi::ca
