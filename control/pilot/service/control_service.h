// The Control API over the file registry, the publisher and the ADS server: translates between its
// messages and theirs, decides nothing. gRPC's threads; the collaborators are thread-safe and
// outlive it.
#ifndef MELTEMI_CONTROL_PILOT_SERVICE_CONTROL_SERVICE_H_
#define MELTEMI_CONTROL_PILOT_SERVICE_CONTROL_SERVICE_H_

#include "control/pilot/ads_server/ads_server.h"
#include "control/pilot/registry/file/file_registry.h"
#include "control/pilot/servable/publisher.h"
#include "control/v1/control.grpc.pb.h"

namespace meltemi::control::pilot::service {

class ControlService final : public v1::Control::CallbackService {
 public:
  ControlService(registry::FileRegistry* registry, const ads_server::AdsServer* ads,
                 const servable::Publisher* publisher)
      : registry_(registry), ads_(ads), publisher_(publisher) {}

  grpc::ServerUnaryReactor* Apply(grpc::CallbackServerContext* context,
                                  const v1::ApplyRequest* request,
                                  v1::ApplyResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteRequest* request,
                                   v1::DeleteResponse* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* ProxyConfig(grpc::CallbackServerContext* context,
                                        const v1::ProxyConfigRequest* request,
                                        v1::ProxyConfigResponse* response) override;

 private:
  std::string Version() const;
  model::Problems UnsupportedOf(const registry::Plan& plan) const;

  registry::FileRegistry* registry_;
  const ads_server::AdsServer* ads_;
  const servable::Publisher* publisher_;
};

}  // namespace meltemi::control::pilot::service

#endif  // MELTEMI_CONTROL_PILOT_SERVICE_CONTROL_SERVICE_H_
