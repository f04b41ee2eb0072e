#include <algorithm>

#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromChain = envoy::config::listener::v3::FilterChain;
using FromListener = envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using FromNetworkRbac = envoy::extensions::filters::network::rbac::v3::RBAC;
using FromNetworkRateLimit =
    envoy::extensions::filters::network::local_ratelimit::v3::LocalRateLimit;
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

// The original destination is what interception gives anyway, and first bytes are looked at where
// filter chains ask for it. The PROXY protocol comes before all others, wherever it stands.
absl::Status CompileListenerFilters(const CompileContext& context, const FromListener& from,
                                    Listener* to) {
  for (int i = 0; i < from.listener_filters_size(); ++i) {
    const std::string& name = from.listener_filters(i).name();
    const std::string step = Indexed("listener_filters", i);
    if (name == "envoy.filters.listener.proxy_protocol") {
      if (to->proxy_protocol.has_value()) return Invalid(step, "is given twice");
      ASSIGN_OR_RETURN_AT(to->proxy_protocol, step + ".typed_config",
                          CompileProxyProtocol(context, from.listener_filters(i).typed_config()));
    } else if (name != "envoy.filters.listener.original_dst" &&
               name != "envoy.filters.listener.tls_inspector") {
      return Invalid(step, Cat("\"", name, "\" is not supported"));
    }
  }
  return absl::OkStatus();
}

// 0 is no limit to Envoy; here it is the longest.
absl::Status CompileSniffing(const FromListener& from, Listener* to) {
  to->plain_after_timeout = from.continue_on_listener_filters_timeout();
  if (!from.has_listener_filters_timeout()) return absl::OkStatus();
  ASSIGN_OR_RETURN_AT(to->sniff_timeout, "listener_filters_timeout",
                      CompileDuration(from.listener_filters_timeout()));
  if (to->sniff_timeout > limits::kSniffTimeoutMax) {
    return Invalid("listener_filters_timeout", "must be at most one hour");
  }
  if (to->sniff_timeout.zero()) to->sniff_timeout = limits::kSniffTimeoutMax;
  return absl::OkStatus();
}

absl::Status CompileFilters(CompileContext* context, const FromChain& from, Listener* to) {
  // Any number of RBAC filters and one rate limit, then the one that makes it HTTP or TCP. Envoy
  // asks the limit when a connection comes and RBAC when bytes do, wherever they stand.
  std::vector<Rbac> rbac;
  int last = 0;
  bool limited = false;
  for (; last < from.filters_size(); ++last) {
    const google::protobuf::Any& config = from.filters(last).typed_config();
    const std::string step = Cat(Indexed("filters", last), ".typed_config");
    if (TypeName(config) == FromNetworkRbac::descriptor()->full_name()) {
      ASSIGN_OR_RETURN_AT(rbac.emplace_back(), step, CompileNetworkRbac(*context, config));
    } else if (TypeName(config) == FromNetworkRateLimit::descriptor()->full_name()) {
      if (limited) return Invalid(Indexed("filters", last), "a second local rate limit");
      limited = true;
      RETURN_IF_ERROR_AT(
          step, CompileConnectionRateLimit(*context, config, Cat("connections ", context->place),
                                           &to->rate_limit));
    } else {
      break;
    }
  }
  if (from.filters_size() != last + 1) {
    return Invalid("filters",
                   "must be one filter, and envoy.filters.network.rbac or "
                   "envoy.filters.network.local_ratelimit before it");
  }
  const auto& filter = from.filters(last);
  const std::string step = Indexed("filters", last);
  const std::string_view type = TypeName(filter.typed_config());
  if (type == HttpConnectionManager::descriptor()->full_name()) {
    if (!rbac.empty()) {
      return Invalid("filters", "HTTP has envoy.filters.http.rbac for that");
    }
    ASSIGN_OR_RETURN_AT(to->filter, step + ".typed_config",
                        CompileHttpManager(context, filter.typed_config()));
  } else if (type == FromTcpProxy::descriptor()->full_name()) {
    ASSIGN_OR_RETURN_AT(TcpProxy proxy, step + ".typed_config",
                        CompileTcpProxy(context, filter.typed_config()));
    proxy.rbac = std::move(rbac);
    to->filter = std::move(proxy);
  } else {
    return Invalid(step, Cat("\"", filter.name(), "\" is not supported"));
  }
  return absl::OkStatus();
}

absl::Status CompileFilterChain(CompileContext* context, const FromChain& from, Listener* to) {
  context->place = Cat("listener ", to->name);
  RETURN_IF_ERROR(CompileFilters(context, from, to));
  if (!from.has_transport_socket()) return absl::OkStatus();
  const auto* http = std::get_if<HttpManager>(&to->filter);
  const bool keep = http != nullptr && http->client_cert_details.pem();
  ASSIGN_OR_RETURN_AT(
      to->tls, "transport_socket",
      CompileServerTls(context, from.transport_socket(), keep ? PeerPem::kKeep : PeerPem::kForget));
  return absl::OkStatus();
}

absl::Status AddChain(CompileContext* context, const FromChain& from, ChainMatch match,
                      std::vector<Listener>* to) {
  for (const ListenerChain& other : to->front().chains) {
    if (Clash(other.match, match)) {
      return Invalid("filter_chain_match", "matches the same as another chain");
    }
  }
  if (to->front().direction == Direction::kInbound && match.needs_addresses()) {
    // What a pod sends to one of its own node meets no listener, but the rules of one chain.
    return Invalid("filter_chain_match",
                   "addresses are not supported where traffic_direction is INBOUND");
  }
  Listener chain{.name = Cat(to->front().name, "#", NameOfChain(from, match)),
                 .direction = to->front().direction};
  for (const Listener& other : *to) {
    if (other.name == chain.name) return Invalid("name", "is given twice");
  }
  RETURN_IF_ERROR(CompileFilterChain(context, from, &chain));
  to->front().chains.push_back({.match = std::move(match)});
  to->push_back(std::move(chain));
  return absl::OkStatus();
}

absl::Status CompileChains(CompileContext* context, const FromListener& from,
                           std::vector<Listener>* to) {
  const bool one = from.filter_chains_size() == 1 && !from.has_default_filter_chain();
  size_t prefix_count = 0;
  for (int i = 0; i < from.filter_chains_size(); ++i) {
    const FromChain& chain = from.filter_chains(i);
    const std::string step = Indexed("filter_chains", i);
    ASSIGN_OR_RETURN_AT(ChainMatch match, Cat(step, ".filter_chain_match"),
                        CompileChainMatch(chain.filter_chain_match()));
    prefix_count += PrefixCountOf(match);
    if (prefix_count > limits::kChainPrefixesMax) {
      return Invalid(step, Cat("more than ", limits::kChainPrefixesMax, " address prefixes"));
    }
    // Nothing to choose: nothing need be looked at.
    if (one && match == ChainMatch{}) {
      RETURN_IF_ERROR_AT(step, CompileFilterChain(context, chain, &to->front()));
    } else {
      RETURN_IF_ERROR_AT(step, AddChain(context, chain, std::move(match), to));
    }
  }
  if (!from.has_default_filter_chain()) return absl::OkStatus();
  const FromChain& chain = from.default_filter_chain();
  RETURN_IF_ERROR_AT("default_filter_chain",
                     from.filter_chains_size() == 0
                         ? CompileFilterChain(context, chain, &to->front())
                         : AddChain(context, chain, ChainMatch{.fallback = true}, to));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SockAddr>> CompileAddresses(
    const FromListener& from, envoy::config::core::v3::SocketAddress::Protocol wanted) {
  // Port 0 of what comes in: every port that no other listener has.
  const bool any = from.traffic_direction() == envoy::config::core::v3::INBOUND &&
                   wanted == envoy::config::core::v3::SocketAddress::TCP;
  const uint32_t port_min = any ? 0 : 1;
  std::vector<SockAddr> to;
  ASSIGN_OR_RETURN_AT(to.emplace_back(), "address",
                      CompileAddress(from.address(), wanted, port_min));
  for (int i = 0; i < from.additional_addresses_size(); ++i) {
    ASSIGN_OR_RETURN_AT(const SockAddr address, Cat(Indexed("additional_addresses", i), ".address"),
                        CompileAddress(from.additional_addresses(i).address(), wanted, port_min));
    if (std::find(to.begin(), to.end(), address) != to.end()) {
      return Invalid(Cat(Indexed("additional_addresses", i), ".address"),
                     Cat(address.ToString(), " is given twice"));
    }
    to.push_back(address);
  }
  return to;
}

absl::StatusOr<std::vector<Listener>> CompileListener(CompileContext* context,
                                                      const FromListener& from) {
  RETURN_IF_ERROR(context->fields.Check(from));
  std::vector<Listener> all(1);
  Listener& to = all.front();
  auto direction = CompileDirection(from);
  if (!direction.ok()) return direction.status();
  to.direction = *direction;
  auto addresses = CompileAddresses(from, envoy::config::core::v3::SocketAddress::TCP);
  if (!addresses.ok()) return addresses.status();
  to.addresses = *std::move(addresses);
  to.name = from.name().empty() ? to.addresses[0].ToString() : from.name();
  RETURN_IF_ERROR(CompileListenerFilters(*context, from, &to));
  RETURN_IF_ERROR(CompileSniffing(from, &to));
  if (from.filter_chains().empty() && !from.has_default_filter_chain()) {
    return Invalid("filter_chains", "must not be empty");
  }
  RETURN_IF_ERROR(CompileChains(context, from, &all));
  return all;
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
  if (from.hash_policy_size() > 1) return Invalid("hash_policy", "at most one is supported");
  if (from.hash_policy_size() == 1) {
    if (!from.hash_policy(0).has_source_ip()) {
      return Invalid("hash_policy[0]", "only source_ip is supported");
    }
    to.hash_source_ip = true;
  }
  auto logs = CompileAccessLogs(*context, from.access_log());
  if (!logs.ok()) return logs.status();
  to.access_logs = *std::move(logs);
  to.logs_peers = NameThePeers(to.access_logs);
  return to;
}

}  // namespace meltemi::config
