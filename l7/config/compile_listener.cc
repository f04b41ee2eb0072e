#include <algorithm>

#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromListener = envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using FromTcpProxy = envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

absl::StatusOr<Direction> CompileDirection(const FromListener& from) {
  switch (from.traffic_direction()) {
    case envoy::config::core::v3::UNSPECIFIED:
      return Direction::kUnspecified;
    case envoy::config::core::v3::INBOUND:
      return Direction::kInbound;
    case envoy::config::core::v3::OUTBOUND:
      return Direction::kOutbound;
    default:  // open enum of proto3
      return Invalid("traffic_direction", Cat(from.traffic_direction(), " is not known"));
  }
}

absl::StatusOr<std::vector<SockAddr>> CompileAddresses(const FromListener& from) {
  std::vector<SockAddr> to;
  ASSIGN_OR_RETURN_AT(to.emplace_back(), "address", CompileAddress(from.address()));
  for (int i = 0; i < from.additional_addresses_size(); ++i) {
    ASSIGN_OR_RETURN_AT(const SockAddr address, Cat(Indexed("additional_addresses", i), ".address"),
                        CompileAddress(from.additional_addresses(i).address()));
    if (std::find(to.begin(), to.end(), address) != to.end()) {
      return Invalid(Cat(Indexed("additional_addresses", i), ".address"),
                     Cat(address.ToString(), " is given twice"));
    }
    to.push_back(address);
  }
  return to;
}

// The original destination is what interception gives anyway; no other listener filter is known.
absl::Status CheckListenerFilters(const FromListener& from) {
  for (int i = 0; i < from.listener_filters_size(); ++i) {
    if (from.listener_filters(i).name() != "envoy.filters.listener.original_dst") {
      return Invalid(Indexed("listener_filters", i),
                     Cat("\"", from.listener_filters(i).name(), "\" is not supported"));
    }
  }
  return absl::OkStatus();
}

absl::Status CompileFilterChain(CompileContext* context,
                                const envoy::config::listener::v3::FilterChain& from,
                                Listener* to) {
  if (from.has_transport_socket()) {
    ASSIGN_OR_RETURN_AT(to->tls, "transport_socket",
                        CompileServerTls(context, from.transport_socket()));
  }
  if (from.filters_size() != 1) {
    return Invalid("filters", Cat("must be one filter, not ", from.filters_size()));
  }
  const auto& filter = from.filters(0);
  const std::string_view type = TypeName(filter.typed_config());
  if (type == HttpConnectionManager::descriptor()->full_name()) {
    ASSIGN_OR_RETURN_AT(to->filter, "filters[0].typed_config",
                        CompileHttpManager(context, filter.typed_config()));
  } else if (type == FromTcpProxy::descriptor()->full_name()) {
    ASSIGN_OR_RETURN_AT(to->filter, "filters[0].typed_config",
                        CompileTcpProxy(context, filter.typed_config()));
  } else {
    return Invalid("filters[0]", Cat("\"", filter.name(), "\" is not supported"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Listener> CompileListener(CompileContext* context, const FromListener& from) {
  RETURN_IF_ERROR(context->fields.Check(from));
  Listener to;
  auto direction = CompileDirection(from);
  if (!direction.ok()) return direction.status();
  to.direction = *direction;
  auto addresses = CompileAddresses(from);
  if (!addresses.ok()) return addresses.status();
  to.addresses = *std::move(addresses);
  to.name = from.name().empty() ? to.addresses[0].ToString() : from.name();
  RETURN_IF_ERROR(CheckListenerFilters(from));
  if (from.filter_chains_size() > 1) {
    return Invalid("filter_chains[1]", "more than one filter chain is not supported");
  }
  if (from.filter_chains_size() == 1) {
    if (from.has_default_filter_chain()) {
      return Invalid("default_filter_chain", "not supported beside filter_chains");
    }
    RETURN_IF_ERROR_AT("filter_chains[0]", CompileFilterChain(context, from.filter_chains(0), &to));
  } else if (from.has_default_filter_chain()) {
    RETURN_IF_ERROR_AT("default_filter_chain",
                       CompileFilterChain(context, from.default_filter_chain(), &to));
  } else {
    return Invalid("filter_chains", "must not be empty");
  }
  return to;
}

absl::StatusOr<TcpProxy> CompileTcpProxy(CompileContext* context,
                                         const google::protobuf::Any& any) {
  FromTcpProxy from;
  RETURN_IF_ERROR(Unpack(context->fields, any, &from));
  TcpProxy to;
  to.stat_prefix = from.stat_prefix();
  const auto add = [&](const std::string& name, uint32_t weight) {
    WeightedCluster& cluster = to.clusters.emplace_back();
    cluster.name = name;
    cluster.cluster = FindCluster(*context, name);
    cluster.weight = weight;
    to.total_weight += weight;
  };
  if (from.has_weighted_clusters()) {
    const auto& clusters = from.weighted_clusters().clusters();
    if (clusters.empty()) return Invalid("weighted_clusters.clusters", "must not be empty");
    for (int i = 0; i < clusters.size(); ++i) {
      const std::string step = Cat("weighted_clusters.", Indexed("clusters", i));
      if (clusters[i].name().empty()) return Invalid(step + ".name", "must not be empty");
      if (clusters[i].weight() == 0) return Invalid(step + ".weight", "must be above 0");
      add(clusters[i].name(), clusters[i].weight());
    }
  } else if (!from.cluster().empty()) {
    add(from.cluster(), 1);
  } else {
    return Invalid("cluster", "must not be empty");
  }
  if (from.has_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to.idle_timeout, "idle_timeout", CompileDuration(from.idle_timeout()));
  }
  if (from.has_max_connect_attempts()) {
    to.connect_attempt_count_max = from.max_connect_attempts().value();
    if (to.connect_attempt_count_max == 0)
      return Invalid("max_connect_attempts", "must be above 0");
  }
  auto logs = CompileAccessLogs(*context, from.access_log());
  if (!logs.ok()) return logs.status();
  to.access_logs = *std::move(logs);
  return to;
}

}  // namespace meltemi::config
