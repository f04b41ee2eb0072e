// What listeners of both directions are made of. Private to control/pilot/translate.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_

#include <cstdint>
#include <string>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/types.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"

namespace meltemi::control::pilot::translate {

template <typename Filter>
void SetAccessLog(const model::MeshConfig& mesh, Filter* filter) {
  if (mesh.access_log_file.empty()) return;
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(mesh.access_log_file);
  auto* log = filter->add_access_log();
  log->set_name("envoy.access_loggers.file");
  *log->mutable_typed_config() = Pack(file);
}

// Outbound, unless the caller says otherwise; not bound to a socket: the plane has no sockets.
envoy::config::listener::v3::Listener NewListener(const std::string& name, const std::string& ip,
                                                  uint32_t port);

// Of clusters: limits and protocol.
void SetPool(const model::TrafficBlocks& blocks, envoy::config::cluster::v3::Cluster* cluster);
void SetHttp(const model::TrafficBlocks& blocks, model::Protocol protocol,
             envoy::config::cluster::v3::Cluster* cluster);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_LISTENER_PARTS_H_
