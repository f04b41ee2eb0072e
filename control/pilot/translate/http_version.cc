// CDS: which version of HTTP a cluster speaks, and how.
#include <algorithm>

#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/mesh_tls.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::cluster::v3::Cluster;
using model::TrafficBlocks;

// A workload of HTTP/1.1 hears HTTP/2 from its clients only when a listener of the mesh is in front
// of its port: others would be sent what they do not speak. (Istio's sidecar has one for all
// ports.) Of servers outside of the mesh the rule's word is all there is; the mesh's is not about
// them.
bool Upgrades(const model::Model& model, const model::MeshService& service,
              const model::MeshPort& port, const TrafficBlocks& blocks,
              const model::MeshConfig& mesh) {
  using model::H2Upgrade;
  const H2Upgrade said = blocks.pool ? blocks.pool->h2_upgrade : H2Upgrade::kDefault;
  if (said == H2Upgrade::kDoNotUpgrade) return false;
  if (said == H2Upgrade::kDefault && !mesh.h2_upgrade) return false;
  if (service.resolution != model::Resolution::kStatic || service.external) {
    return said == H2Upgrade::kUpgrade;
  }
  return std::all_of(port.endpoints.begin(), port.endpoints.end(),
                     [&](const auto& e) { return TakesMeshTls(model, e, mesh); });
}

void SetHttp2(const model::ConnectionPool& pool,
              envoy::config::core::v3::Http2ProtocolOptions* to) {
  if (pool.max_concurrent_streams) {
    to->mutable_max_concurrent_streams()->set_value(*pool.max_concurrent_streams);
  }
  if (!pool.http2_keepalive) return;
  auto* keepalive = to->mutable_connection_keepalive();
  SetDuration(pool.http2_keepalive->interval, keepalive->mutable_interval());
  SetDuration(pool.http2_keepalive->timeout, keepalive->mutable_timeout());
}

}  // namespace

Speaks SpokenTo(const model::Model& model, const model::MeshService& service,
                const model::MeshPort& port, const TrafficBlocks& blocks,
                const model::MeshConfig& mesh) {
  if (blocks.pool && blocks.pool->use_client_protocol) return Speaks::kAsClient;
  const bool upgrade =
      port.protocol == model::Protocol::kHttp && Upgrades(model, service, port, blocks, mesh);
  return upgrade ? Speaks::kHttp2 : SpokenAt(port.protocol);
}

void SetHttp(const TrafficBlocks& blocks, Speaks speaks, Cluster* cluster) {
  const model::ConnectionPool pool = blocks.pool.value_or(model::ConnectionPool{});
  const uint32_t per_connection = pool.max_requests_per_connection.value_or(0);
  if (speaks == Speaks::kHttp1 && per_connection == 0 && !pool.http_idle_timeout) return;
  envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
  auto* common = options.mutable_common_http_protocol_options();
  if (per_connection != 0) common->mutable_max_requests_per_connection()->set_value(per_connection);
  if (pool.http_idle_timeout) SetDuration(*pool.http_idle_timeout, common->mutable_idle_timeout());
  switch (speaks) {
    case Speaks::kHttp1:
      options.mutable_explicit_http_config()->mutable_http_protocol_options();
      break;
    case Speaks::kHttp2:
      SetHttp2(pool, options.mutable_explicit_http_config()->mutable_http2_protocol_options());
      break;
    case Speaks::kAsClient: {
      auto* either = options.mutable_use_downstream_protocol_config();
      either->mutable_http_protocol_options();
      SetHttp2(pool, either->mutable_http2_protocol_options());
      break;
    }
  }
  (*cluster->mutable_typed_extension_protocol_options())
      ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = Pack(options);
}

}  // namespace meltemi::control::pilot::translate
