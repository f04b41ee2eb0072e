// The two certificate APIs over gRPC, and the TLS of their listener: its certificate is asked for
// again with every connection, so that it can change while serving; client certificates are asked
// for, and judged by the handler, which knows the time and the roots in force. Threads: gRPC's.
#ifndef MELTEMI_CA_SERVICE_GRPC_SERVICE_H_
#define MELTEMI_CA_SERVICE_GRPC_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "ca/service/certificate_handler.h"
#include "ca/service/serving_certificate.h"
#include "security/v1alpha1/ca.grpc.pb.h"
#include "security/v1alpha1/ca_service.grpc.pb.h"

namespace meltemi::ca {

class CertificateService final : public istio::v1::auth::IstioCertificateService::Service {
 public:
  explicit CertificateService(CertificateHandler* handler) : handler_(handler) {}
  grpc::Status CreateCertificate(grpc::ServerContext* context,
                                 const istio::v1::auth::IstioCertificateRequest* request,
                                 istio::v1::auth::IstioCertificateResponse* response) override;

 private:
  CertificateHandler* const handler_;
};

class CsrService final : public istio::v1::auth::IstioCAService::Service {
 public:
  explicit CsrService(CertificateHandler* handler) : handler_(handler) {}
  grpc::Status HandleCSR(grpc::ServerContext* context, const istio::v1::auth::CsrRequest* request,
                         istio::v1::auth::CsrResponse* response) override;

 private:
  CertificateHandler* const handler_;
};

std::shared_ptr<grpc::ServerCredentials> ServingCredentials(ServingCertificate* certificate);

// Both services, health and reflection, bounded as ca/limits.h says.
class GrpcServer {
 public:
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const std::string& address,
                                                           CertificateHandler* handler,
                                                           ServingCertificate* certificate);
  ~GrpcServer();
  int port() const { return port_; }

 private:
  explicit GrpcServer(CertificateHandler* handler) : create_(handler), csr_(handler) {}
  CertificateService create_;
  CsrService csr_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // gRPC calls it as long as it serves
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVICE_GRPC_SERVICE_H_
