#include "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromListener = envoy::config::listener::v3::Listener;
using FromUdpProxy = envoy::extensions::filters::udp::udp_proxy::v3::UdpProxyConfig;
using envoy::config::core::v3::SocketAddress;

absl::Status CompileUdpProxy(CompileContext* context, const google::protobuf::Any& any,
                             UdpListener* to) {
  FromUdpProxy from;
  RETURN_IF_ERROR(Unpack(context->fields, any, &from));
  to->stat_prefix = from.stat_prefix();
  to->cluster_name = from.cluster();
  if (to->cluster_name.empty()) return Invalid("cluster", "must not be empty");
  to->cluster = FindCluster(*context, to->cluster_name);
  if (from.has_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to->idle_timeout, "idle_timeout", CompileDuration(from.idle_timeout()));
    if (to->idle_timeout < Duration::Millis(1)) {
      return Invalid("idle_timeout", "must be at least 1 ms");
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsUdp(const FromListener& from) {
  return from.address().socket_address().protocol() == SocketAddress::UDP;
}

absl::StatusOr<UdpListener> CompileUdpListener(CompileContext* context, const FromListener& from) {
  RETURN_IF_ERROR(context->fields.Check(from));
  UdpListener to;
  auto addresses = CompileAddresses(from, SocketAddress::UDP);
  if (!addresses.ok()) return addresses.status();
  to.addresses = *std::move(addresses);
  for (const SockAddr& address : to.addresses) {
    if (address.ip == IpAddr() || address.ip == IpAddr::V4(uint32_t{0})) {
      return Invalid("address", "must be one address: a wildcard is not supported for UDP");
    }
  }
  to.name = from.name().empty() ? Cat(to.addresses[0].ToString(), "_udp") : from.name();
  if (!from.filter_chains().empty() || from.has_default_filter_chain()) {
    return Invalid("filter_chains", "must be empty: the address is UDP's");
  }
  if (from.listener_filters_size() != 1) {
    return Invalid("listener_filters",
                   Cat("must be one filter, not ", from.listener_filters_size()));
  }
  const auto& filter = from.listener_filters(0);
  if (TypeName(filter.typed_config()) != FromUdpProxy::descriptor()->full_name()) {
    return Invalid("listener_filters[0]", Cat("\"", filter.name(), "\" is not supported"));
  }
  RETURN_IF_ERROR_AT("listener_filters[0].typed_config",
                     CompileUdpProxy(context, filter.typed_config(), &to));
  return to;
}

}  // namespace meltemi::config
