// The two certificate APIs over gRPC, and the TLS of their listener: its certificate is asked for
// again with every connection, so that it can change while serving; client certificates are asked
// for, and judged by the handler, which knows the time and the roots in force. Threads: gRPC's.
// gRPC's headers stay in the .cc: they cost whoever includes them ten seconds.
#ifndef MELTEMI_CA_SERVICE_GRPC_SERVICE_H_
#define MELTEMI_CA_SERVICE_GRPC_SERVICE_H_

#include <memory>
#include <string>

#include "ca/service/certificate_handler.h"
#include "ca/service/serving_certificate.h"

namespace meltemi::ca {

// Both services, health and reflection, bounded as ca/limits.h says.
class GrpcServer {
 public:
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const std::string& address,
                                                           CertificateHandler* handler,
                                                           ServingCertificate* certificate);
  ~GrpcServer();
  int port() const;

 private:
  struct Parts;
  explicit GrpcServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_SERVICE_GRPC_SERVICE_H_
