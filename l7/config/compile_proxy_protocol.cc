#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {

using envoy::config::core::v3::ProxyProtocolConfig;
using FromProxyProtocol = envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
using FromUpstream =
    envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;

absl::StatusOr<ProxyProtocol> CompileProxyProtocol(const CompileContext& context,
                                                   const google::protobuf::Any& any) {
  ProxyProtocol to;
  if (any.type_url().empty()) return to;
  FromProxyProtocol from;
  RETURN_IF_ERROR(Unpack(context.fields, any, &from));
  to.required = !from.allow_requests_without_proxy_protocol();
  for (int i = 0; i < from.disallowed_versions_size(); ++i) {
    switch (from.disallowed_versions(i)) {
      case ProxyProtocolConfig::V1:
        to.v1 = false;
        break;
      case ProxyProtocolConfig::V2:
        to.v2 = false;
        break;
      default:  // open enum of proto3
        return Invalid(Indexed("disallowed_versions", i), "is no version that is known");
    }
  }
  if (!to.v1 && !to.v2) return Invalid("disallowed_versions", "leaves none");
  return to;
}

absl::StatusOr<ProxyVersion> UnwrapProxyProtocol(const CompileContext& context,
                                                 envoy::config::core::v3::TransportSocket* socket) {
  if (TypeName(socket->typed_config()) != FromUpstream::descriptor()->full_name()) {
    return ProxyVersion::kNone;
  }
  FromUpstream from;
  RETURN_IF_ERROR_AT("typed_config", Unpack(context.fields, socket->typed_config(), &from));
  if (!from.has_transport_socket()) {
    return Invalid("typed_config.transport_socket", "must not be empty");
  }
  *socket = from.transport_socket();
  switch (from.config().version()) {
    case ProxyProtocolConfig::V1:
      return ProxyVersion::kV1;
    case ProxyProtocolConfig::V2:
      return ProxyVersion::kV2;
    default:  // open enum of proto3
      return Invalid("typed_config.config.version", "is no version that is known");
  }
}

}  // namespace meltemi::config
