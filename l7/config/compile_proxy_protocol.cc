#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {

using envoy::config::core::v3::ProxyProtocolConfig;
using FromProxyProtocol = envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;

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

}  // namespace meltemi::config
