#include <cmath>

#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromCluster = envoy::config::cluster::v3::Cluster;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
constexpr char kHttpOptions[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

absl::Status CompileDiscovery(const FromCluster& from, Cluster* to) {
  switch (from.type()) {
    case FromCluster::STATIC:
      to->discovery = Discovery::kStatic;
      break;
    case FromCluster::EDS:
      to->discovery = Discovery::kEds;
      if (!from.eds_cluster_config().eds_config().has_ads()) {
        return Invalid("eds_cluster_config.eds_config.ads",
                       "must be set: it is the only source supported");
      }
      break;
    case FromCluster::ORIGINAL_DST:
      to->discovery = Discovery::kOriginalDst;
      break;
    case FromCluster::STRICT_DNS:
      to->discovery = Discovery::kStrictDns;
      break;
    case FromCluster::LOGICAL_DNS:
      to->discovery = Discovery::kLogicalDns;
      break;
    default:  // open enum of proto3
      return Invalid("type", Cat(from.type(), " is not known"));
  }
  if (from.has_load_assignment() &&
      (to->discovery == Discovery::kEds || to->discovery == Discovery::kOriginalDst)) {
    return Invalid("load_assignment", "only a STATIC or DNS cluster has one");
  }
  if (from.has_eds_cluster_config() && to->discovery != Discovery::kEds) {
    return Invalid("eds_cluster_config", "only an EDS cluster has one");
  }
  return absl::OkStatus();
}

absl::Status CompileRing(const FromCluster::RingHashLbConfig& from, Cluster* to) {
  if (from.hash_function() != FromCluster::RingHashLbConfig::XX_HASH) {
    return Invalid("hash_function", "only XX_HASH is supported");
  }
  const auto read = [](std::string_view field, bool given, uint64_t value, uint32_t* size) {
    if (!given) return absl::OkStatus();
    if (value == 0 || value > kRingSizeMax) {
      return Invalid(field, Cat(value, " is not in 1..", kRingSizeMax));
    }
    *size = static_cast<uint32_t>(value);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(read("minimum_ring_size", from.has_minimum_ring_size(),
                       from.minimum_ring_size().value(), &to->ring_size_min));
  RETURN_IF_ERROR(read("maximum_ring_size", from.has_maximum_ring_size(),
                       from.maximum_ring_size().value(), &to->ring_size_max));
  if (to->ring_size_min > to->ring_size_max) {
    return Invalid("minimum_ring_size", "must not be above maximum_ring_size");
  }
  return absl::OkStatus();
}

absl::Status CompileMaglev(const FromCluster::MaglevLbConfig& from, Cluster* to) {
  if (!from.has_table_size()) return absl::OkStatus();
  const uint64_t size = from.table_size().value();
  // Of a table of two places, a step of 1 is the only one: three is the least that is one.
  if (size < 3 || size > kMaglevSizeMax || !IsPrime(static_cast<uint32_t>(size))) {
    return Invalid("table_size", Cat(size, " is not a prime number in 3..", kMaglevSizeMax));
  }
  to->maglev_size = static_cast<uint32_t>(size);
  return absl::OkStatus();
}

absl::Status CompileSlowStart(const FromCluster::SlowStartConfig& from, Cluster* to) {
  SlowStart slow;
  ASSIGN_OR_RETURN_AT(slow.window, "slow_start_window", CompileDuration(from.slow_start_window()));
  if (from.has_aggression()) slow.aggression = from.aggression().default_value();
  if (!(slow.aggression > 0 && std::isfinite(slow.aggression))) {
    return Invalid("aggression.default_value", "must be above 0");
  }
  if (from.has_min_weight_percent()) slow.min_weight_percent = from.min_weight_percent().value();
  if (!(slow.min_weight_percent >= 0 && slow.min_weight_percent <= 100)) {
    return Invalid("min_weight_percent.value", "must be in 0..100");
  }
  if (!slow.window.zero()) to->slow_start = slow;  // Envoy: of no length is none
  return absl::OkStatus();
}

// Of the balancer that is used, as in Envoy.
absl::Status CompileSlowStarts(const FromCluster& from, Cluster* to) {
  if (to->lb == LbPolicy::kRoundRobin && from.round_robin_lb_config().has_slow_start_config()) {
    RETURN_IF_ERROR_AT("round_robin_lb_config.slow_start_config",
                       CompileSlowStart(from.round_robin_lb_config().slow_start_config(), to));
  }
  if (to->lb == LbPolicy::kLeastRequest && from.least_request_lb_config().has_slow_start_config()) {
    RETURN_IF_ERROR_AT("least_request_lb_config.slow_start_config",
                       CompileSlowStart(from.least_request_lb_config().slow_start_config(), to));
  }
  return absl::OkStatus();
}

absl::Status CompileLbPolicy(const FromCluster& from, Cluster* to) {
  switch (from.lb_policy()) {
    case FromCluster::ROUND_ROBIN:
      to->lb = LbPolicy::kRoundRobin;
      break;
    case FromCluster::LEAST_REQUEST:
      to->lb = LbPolicy::kLeastRequest;
      break;
    case FromCluster::RANDOM:
      to->lb = LbPolicy::kRandom;
      break;
    case FromCluster::CLUSTER_PROVIDED:
      to->lb = LbPolicy::kClusterProvided;
      break;
    case FromCluster::RING_HASH:
      to->lb = LbPolicy::kRingHash;
      break;
    case FromCluster::MAGLEV:
      to->lb = LbPolicy::kMaglev;
      break;
    default:
      return Invalid("lb_policy",
                     Cat(FromCluster::LbPolicy_Name(from.lb_policy()), " is not supported"));
  }
  const bool provided = to->lb == LbPolicy::kClusterProvided;
  if (provided != (to->discovery == Discovery::kOriginalDst)) {
    return Invalid("lb_policy", "CLUSTER_PROVIDED and type ORIGINAL_DST need each other");
  }
  RETURN_IF_ERROR_AT("ring_hash_lb_config", CompileRing(from.ring_hash_lb_config(), to));
  RETURN_IF_ERROR_AT("maglev_lb_config", CompileMaglev(from.maglev_lb_config(), to));
  RETURN_IF_ERROR(CompileSlowStarts(from, to));
  if (from.least_request_lb_config().has_choice_count()) {
    to->least_request_choice_count = from.least_request_lb_config().choice_count().value();
    if (to->least_request_choice_count < 2) {
      return Invalid("least_request_lb_config.choice_count", "must be at least 2");
    }
  }
  if (from.common_lb_config().has_healthy_panic_threshold()) {
    const double percent = from.common_lb_config().healthy_panic_threshold().value();
    if (!(percent >= 0 && percent <= 100)) {
      return Invalid("common_lb_config.healthy_panic_threshold.value", "must be in 0..100");
    }
    to->panic_percent = static_cast<uint32_t>(std::lround(percent));
  }
  return absl::OkStatus();
}

absl::Status CompileRetryBudget(
    const envoy::config::cluster::v3::CircuitBreakers::Thresholds::RetryBudget& from,
    RetryBudget* to) {
  if (from.has_budget_percent()) to->percent = from.budget_percent().value();
  if (!(to->percent >= 0 && to->percent <= 100)) {
    return Invalid("budget_percent.value", "must be in 0..100");
  }
  if (from.has_min_retry_concurrency()) to->retries_min = from.min_retry_concurrency().value();
  return absl::OkStatus();
}

absl::Status CompileBreaker(const FromCluster& from, Cluster* to) {
  using Thresholds = envoy::config::cluster::v3::CircuitBreakers::Thresholds;
  bool seen = false;
  for (int i = 0; i < from.circuit_breakers().thresholds_size(); ++i) {
    const Thresholds& thresholds = from.circuit_breakers().thresholds(i);
    // Routes of priority HIGH are refused, so those thresholds never apply.
    if (thresholds.priority() != envoy::config::core::v3::DEFAULT) continue;
    if (seen) {
      return Invalid(Cat("circuit_breakers.", Indexed("thresholds", i)),
                     "priority DEFAULT is given twice");
    }
    seen = true;
    CircuitBreaker& breaker = to->breaker;
    if (thresholds.has_max_connections()) {
      breaker.connections_max = thresholds.max_connections().value();
    }
    if (thresholds.has_max_pending_requests()) {
      breaker.pending_max = thresholds.max_pending_requests().value();
    }
    if (thresholds.has_max_requests()) breaker.requests_max = thresholds.max_requests().value();
    if (thresholds.has_max_retries()) breaker.retries_max = thresholds.max_retries().value();
    if (thresholds.has_retry_budget()) {
      RETURN_IF_ERROR_AT(
          Cat("circuit_breakers.", Indexed("thresholds", i), ".retry_budget"),
          CompileRetryBudget(thresholds.retry_budget(), &breaker.retry_budget.emplace()));
    }
  }
  return absl::OkStatus();
}

absl::Status CompileCommonHttp(const envoy::config::core::v3::HttpProtocolOptions& from,
                               Cluster* to) {
  if (from.has_max_headers_count()) return Invalid("max_headers_count", "not supported upstream");
  if (from.has_max_stream_duration()) {
    return Invalid("max_stream_duration", "not supported upstream");
  }
  if (from.has_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to->idle_timeout, "idle_timeout", CompileDuration(from.idle_timeout()));
  }
  if (from.has_max_requests_per_connection()) {
    to->requests_per_connection_max = from.max_requests_per_connection().value();
  }
  return absl::OkStatus();
}

absl::Status CompileClusterHttp2(const envoy::config::core::v3::Http2ProtocolOptions& from,
                                 Cluster* to) {
  RETURN_IF_ERROR(CompileHttp2(from, &to->http2.emplace()));
  to->http2->allow_connect = false;  // it speaks of clients; servers say themselves what they take
  return absl::OkStatus();
}

absl::Status CompileHttpOptions(const CompileContext& context, const FromCluster& from,
                                Cluster* to) {
  if (from.has_max_requests_per_connection()) {
    to->requests_per_connection_max = from.max_requests_per_connection().value();
  }
  RETURN_IF_ERROR_AT("common_http_protocol_options",
                     CompileCommonHttp(from.common_http_protocol_options(), to));
  if (from.has_http2_protocol_options()) {
    RETURN_IF_ERROR_AT("http2_protocol_options",
                       CompileClusterHttp2(from.http2_protocol_options(), to));
  }
  for (const auto& [name, any] : from.typed_extension_protocol_options()) {
    const std::string step = Cat("typed_extension_protocol_options[\"", name, "\"]");
    if (name != kHttpOptions) return Invalid(step, "not supported");
    HttpProtocolOptions options;
    RETURN_IF_ERROR_AT(step, Unpack(context.fields, any, &options));
    if (options.upstream_protocol_options_case() ==
        HttpProtocolOptions::UPSTREAM_PROTOCOL_OPTIONS_NOT_SET) {
      return Invalid(step,
                     "one of explicit_http_config, use_downstream_protocol_config must be set");
    }
    RETURN_IF_ERROR_AT(step + ".common_http_protocol_options",
                       CompileCommonHttp(options.common_http_protocol_options(), to));
    to->http2.reset();
    to->follows_client = options.has_use_downstream_protocol_config();
    if (to->follows_client) {
      RETURN_IF_ERROR_AT(
          step + ".use_downstream_protocol_config.http2_protocol_options",
          CompileClusterHttp2(options.use_downstream_protocol_config().http2_protocol_options(),
                              to));
    } else if (options.explicit_http_config().has_http2_protocol_options()) {
      RETURN_IF_ERROR_AT(
          step + ".explicit_http_config.http2_protocol_options",
          CompileClusterHttp2(options.explicit_http_config().http2_protocol_options(), to));
    }
  }
  return absl::OkStatus();
}

// `version`: what the cluster's other sockets have said of the PROXY protocol.
absl::StatusOr<ClusterTls> CompileClusterTls(CompileContext* context,
                                             envoy::config::core::v3::TransportSocket from,
                                             std::optional<ProxyVersion>* version) {
  auto said = UnwrapProxyProtocol(*context, &from);
  if (!said.ok()) return said.status();
  if (version->value_or(*said) != *said) {
    return Invalid("", "all sockets of a cluster must say the same of the PROXY protocol");
  }
  *version = *said;
  ClusterTls to;
  const auto id = CompileClientTls(context, from);
  if (!id.ok()) return id.status();
  to.settings = *id;
  for (const TlsSettings& settings : context->snapshot->tls) {
    if (settings.stable_id == to.settings) to.by_source = settings.by_source();
  }
  return to;
}

// As Istio writes them: one socket for endpoints with tlsMode "istio", and one for all others.
absl::Status CompileSockets(CompileContext* context, const FromCluster& from, Cluster* to) {
  std::optional<ProxyVersion> version;
  if (from.has_transport_socket()) {
    ASSIGN_OR_RETURN_AT(to->tls, "transport_socket",
                        CompileClusterTls(context, from.transport_socket(), &version));
  }
  bool rest = false;
  for (int i = 0; i < from.transport_socket_matches_size(); ++i) {
    const auto& match = from.transport_socket_matches(i);
    const std::string step = Indexed("transport_socket_matches", i);
    const auto& fields = match.match().fields();
    const auto mode = fields.find("tlsMode");
    const bool mesh = fields.size() == 1 && mode != fields.end() &&
                      mode->second.string_value() == "istio" && !to->mesh_tls.has_value();
    if (rest || (!mesh && !fields.empty())) {
      return Invalid(Cat(step, ".match"),
                     "only {tlsMode: istio} is supported, and then {} for the rest, once each");
    }
    ASSIGN_OR_RETURN_AT(const ClusterTls tls, Cat(step, ".transport_socket"),
                        CompileClusterTls(context, match.transport_socket(), &version));
    rest = !mesh;
    if (mesh) {
      to->mesh_tls = tls;
    } else {
      to->tls = tls;
    }
  }
  to->proxy_protocol = version.value_or(ProxyVersion::kNone);
  return absl::OkStatus();
}

// A header says who the client is: a connection is of one client, and here of one request.
absl::Status CheckProxyProtocol(Cluster* to) {
  if (to->proxy_protocol == ProxyVersion::kNone) return absl::OkStatus();
  if (to->http2.has_value()) {
    return Invalid("transport_socket", "the PROXY protocol is not supported with HTTP/2");
  }
  to->requests_per_connection_max = 1;
  return absl::OkStatus();
}

// As Linux takes them: 0 and what is beyond its bounds are refused there as well.
absl::Status CompileCount(std::string_view field, bool given,
                          const google::protobuf::UInt32Value& from, uint32_t fallback,
                          uint32_t max, uint32_t* to) {
  *to = given ? from.value() : fallback;
  if (*to >= 1 && *to <= max) return absl::OkStatus();
  return Invalid(field, Cat("must be from 1 to ", max, ", not ", *to));
}

absl::StatusOr<TcpKeepalive> CompileKeepalive(const envoy::config::core::v3::TcpKeepalive& from) {
  uint32_t time = 0, interval = 0, probes = 0;
  RETURN_IF_ERROR(CompileCount("keepalive_time", from.has_keepalive_time(), from.keepalive_time(),
                               TcpKeepalive::kTimeDefault, TcpKeepalive::kSecondsMax, &time));
  RETURN_IF_ERROR(CompileCount("keepalive_interval", from.has_keepalive_interval(),
                               from.keepalive_interval(), TcpKeepalive::kIntervalDefault,
                               TcpKeepalive::kSecondsMax, &interval));
  RETURN_IF_ERROR(CompileCount("keepalive_probes", from.has_keepalive_probes(),
                               from.keepalive_probes(), TcpKeepalive::kProbesDefault,
                               TcpKeepalive::kProbesMax, &probes));
  return TcpKeepalive{.time_s = static_cast<uint16_t>(time),
                      .interval_s = static_cast<uint16_t>(interval),
                      .probes = static_cast<uint8_t>(probes)};
}

absl::Status CompileChecks(const FromCluster& from, Cluster* to) {
  to->removal_ignores_health = from.ignore_health_on_host_removal();
  if (from.health_checks_size() == 0) return absl::OkStatus();
  const auto refuse = [](std::string_view why) {
    return Invalid(Indexed("health_checks", 0), why);
  };
  if (from.health_checks_size() > 1) return refuse("there can be one only");
  if (to->discovery == Discovery::kOriginalDst) return refuse("the hosts are not known");
  if (to->tls.by_source || (to->mesh_tls.has_value() && to->mesh_tls->by_source)) {
    return refuse("a check has no workload whose certificate could be shown");
  }
  ASSIGN_OR_RETURN_AT(to->health_check, Indexed("health_checks", 0),
                      CompileHealthCheck(from.health_checks(0)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Cluster> CompileCluster(CompileContext* context, const FromCluster& from) {
  RETURN_IF_ERROR(context->fields.Check(from));
  if (from.name().empty()) return Invalid("name", "must not be empty");
  Cluster to;
  to.name = from.name();
  to.stable_id = context->ids->Cluster(from.name());
  RETURN_IF_ERROR(CompileSockets(context, from, &to));
  RETURN_IF_ERROR(CompileDiscovery(from, &to));
  RETURN_IF_ERROR(CompileLbPolicy(from, &to));
  if (from.has_connect_timeout()) {
    ASSIGN_OR_RETURN_AT(to.connect_timeout, "connect_timeout",
                        CompileDuration(from.connect_timeout()));
    if (to.connect_timeout.zero()) return Invalid("connect_timeout", "must be above 0");
  }
  if (from.upstream_connection_options().has_tcp_keepalive()) {
    ASSIGN_OR_RETURN_AT(to.keepalive, "upstream_connection_options.tcp_keepalive",
                        CompileKeepalive(from.upstream_connection_options().tcp_keepalive()));
  }
  to.locality_weighted = from.common_lb_config().has_locality_weighted_lb_config();
  if (to.locality_weighted && IsConsistent(to.lb)) {
    return Invalid("common_lb_config.locality_weighted_lb_config",
                   "is not supported with RING_HASH and MAGLEV");
  }
  to.overprovisioning_percent = OverprovisioningPercent(from.load_assignment());
  RETURN_IF_ERROR(CompileBreaker(from, &to));
  if (from.has_outlier_detection()) {
    RETURN_IF_ERROR_AT("outlier_detection",
                       CompileOutlierDetection(from.outlier_detection(), &to.outlier.emplace()));
  }
  RETURN_IF_ERROR(CompileChecks(from, &to));
  RETURN_IF_ERROR(CompileHttpOptions(*context, from, &to));
  RETURN_IF_ERROR(CheckProxyProtocol(&to));
  if (!FromCluster::DnsLookupFamily_IsValid(from.dns_lookup_family())) {
    return Invalid("dns_lookup_family", Cat(from.dns_lookup_family(), " is not known"));
  }
  if (from.has_dns_refresh_rate()) {  // the agent reads it
    ASSIGN_OR_RETURN_AT(const Duration refresh, "dns_refresh_rate",
                        CompileDuration(from.dns_refresh_rate()));
    if (refresh < Duration::Millis(1)) return Invalid("dns_refresh_rate", "must be at least 1 ms");
  }
  if (to.discovery == Discovery::kStrictDns || to.discovery == Discovery::kLogicalDns) {
    ASSIGN_OR_RETURN_AT(to.endpoints, "load_assignment", CompileDnsEndpoints(context, from, to));
  } else if (from.has_load_assignment()) {
    ASSIGN_OR_RETURN_AT(to.endpoints, "load_assignment",
                        CompileEndpoints(context, to.stable_id, from.load_assignment()));
  }
  return to;
}

}  // namespace meltemi::config
