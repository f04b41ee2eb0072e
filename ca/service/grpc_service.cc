#include "ca/service/grpc_service.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/strings/match.h"
#include "ca/limits.h"
#include "control/common/grpc_tls.h"
#include "l7/base/text.h"
#include "security/v1alpha1/ca.grpc.pb.h"
#include "security/v1alpha1/ca_service.grpc.pb.h"

namespace meltemi::ca {
namespace {

using control::common::ListenerPem;
using control::common::PeerChainPem;
using control::common::ReloadingServerCredentials;
using istio::v1::auth::CsrRequest;
using istio::v1::auth::CsrResponse;
using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;

std::string Metadata(const grpc::ServerContext& context, const char* name) {
  const auto it = context.client_metadata().find(name);
  if (it == context.client_metadata().end()) return "";
  return std::string(it->second.data(), it->second.size());
}

CallInfo InfoOf(const grpc::ServerContext& context) {
  CallInfo info{.peer_chain_pem = PeerChainPem(*context.auth_context()), .peer = context.peer()};
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

// The CA's certificate as its listener wants it.
absl::StatusOr<ListenerPem> PemOf(ServingCertificate* certificate) {
  const absl::StatusOr<ServingPem> pem = certificate->Get();
  if (!pem.ok()) return pem.status();
  return ListenerPem{
      .key = pem->key, .chain = pem->chain, .trusted = pem->trusted, .version = pem->version};
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
        credentials(ReloadingServerCredentials([certificate] { return PemOf(certificate); })) {}

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
