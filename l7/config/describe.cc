#include "l7/config/describe.h"

#include "l7/config/describe_writer.h"

namespace meltemi::config {
namespace {

constexpr std::string_view kDirections[] = {"unspecified", "inbound", "outbound"};
constexpr std::string_view kHealths[] = {"healthy", "degraded", "unhealthy", "draining"};
constexpr std::string_view kPolicies[] = {"round_robin",      "least_request", "random",
                                          "cluster_provided", "ring_hash",     "maglev"};
constexpr std::string_view kDiscoveries[] = {"static", "eds", "original_dst", "strict_dns",
                                             "logical_dns"};

constexpr std::string_view kCodecs[] = {"auto", "http1", "http2"};

template <typename Enum, size_t N>
std::string_view NameOf(const std::string_view (&names)[N], Enum value) {
  return names[static_cast<size_t>(value)];
}

void DescribeEndpoint(const Endpoint& e, DescribeWriter* to) {
  std::string line = e.address.ToString();
  if (e.weight != 1) AppendTo(&line, " weight ", e.weight);
  if (e.health != Health::kHealthy) AppendTo(&line, " ", NameOf(kHealths, e.health));
  if (e.priority != 0) AppendTo(&line, " priority ", e.priority);
  if (!e.locality.empty()) AppendTo(&line, " locality ", e.locality);
  if (e.locality_weight != 0) AppendTo(&line, " locality_weight ", e.locality_weight);
  if (!e.workload.empty()) AppendTo(&line, " workload ", e.workload);
  if (e.mesh) line += " in the mesh";
  to->Line("endpoint ", line);
}

void DescribeHttp2(const Http2Options& o, DescribeWriter* to) {
  const Http2Options fallback;
  to->IfNot(fallback.concurrent_streams_max, "http2.concurrent_streams_max",
            o.concurrent_streams_max);
  to->IfNot(fallback.stream_window_bytes, "http2.stream_window_bytes", o.stream_window_bytes);
  to->IfNot(fallback.connection_window_bytes, "http2.connection_window_bytes",
            o.connection_window_bytes);
  to->IfNot(fallback.allow_connect, "http2.allow_connect", o.allow_connect);
  if (!o.keepalive.has_value()) return;
  const auto text = [](Duration d) { return DescribeWriter::ToText(d); };
  to->Line("http2.keepalive interval ", text(o.keepalive->interval), " timeout ",
           text(o.keepalive->timeout), " jitter ", o.keepalive->jitter, "% connection_idle ",
           text(o.keepalive->connection_idle));
}

void DescribeOutlier(const OutlierDetection& o, DescribeWriter* to) {
  to->Line("outlier_detection");
  to->In();
  to->Line("5xx ", o.consecutive_5xx, " in a row, enforced ", o.enforcing_5xx, "%");
  to->Line("gateway ", o.consecutive_gateway, " in a row, enforced ", o.enforcing_gateway, "%");
  to->Line("local ", o.consecutive_local, " in a row, enforced ", o.enforcing_local, "%",
           o.split_local ? "" : ", counted as 5xx and gateway");
  to->Line("success rate ", o.success_rate_stdev_factor, "/1000 stdev below the mean of ",
           o.success_rate_minimum_hosts, " hosts with ", o.success_rate_request_volume,
           " requests, enforced ", o.enforcing_success_rate, "%, local ",
           o.enforcing_local_success_rate, "%");
  to->Line("failures ", o.failure_percentage_threshold, "%, of ",
           o.failure_percentage_minimum_hosts, " hosts with ", o.failure_percentage_request_volume,
           " requests, enforced ", o.enforcing_failure_percentage, "%, local ",
           o.enforcing_local_failure_percentage, "%");
  const auto text = [](Duration d) { return DescribeWriter::ToText(d); };
  to->Line("ejection of ", text(o.base_ejection_time), " to ", text(o.max_ejection_time),
           o.max_ejection_time_jitter.zero() ? "" : " and up to ",
           o.max_ejection_time_jitter.zero() ? "" : text(o.max_ejection_time_jitter),
           ", looked at every ", text(o.interval), ", at most ", o.ejection_percent_max, "%",
           o.always_eject_one ? " or one" : "",
           o.check_unejects ? "" : ", whatever active checks say");
  to->Out();
}

void DescribeHealthCheck(const HealthCheck& h, DescribeWriter* to) {
  const auto text = [](Duration d) { return DescribeWriter::ToText(d); };
  if (const auto* http = std::get_if<HttpHealthCheck>(&h.kind)) {
    to->Line("health_check ", http->http2 ? "http2 " : "http ", http->method, " ", http->path,
             http->host.empty() ? "" : " of ", http->host);
  } else if (const auto* tcp = std::get_if<TcpHealthCheck>(&h.kind)) {
    to->Line("health_check tcp, ", tcp->send.size(), " bytes for ", tcp->receive.size(),
             " patterns");
  } else {
    to->Line("health_check grpc \"", std::get<GrpcHealthCheck>(h.kind).service_name, "\"");
  }
  to->In();
  to->Line("every ", text(h.interval), ", within ", text(h.timeout), ", ", h.healthy_threshold,
           " up, ", h.unhealthy_threshold, " down");
  to->Line("failed every ", text(h.unhealthy_interval), ", at the edges ",
           text(h.unhealthy_edge_interval), " and ", text(h.healthy_edge_interval),
           ", without traffic ", text(h.no_traffic_interval), " and ",
           text(h.no_traffic_healthy_interval));
  to->Out();
}

void DescribeCluster(const Cluster& c, DescribeWriter* to) {
  const Cluster fallback;
  to->Line("cluster \"", c.name, "\" ", NameOf(kDiscoveries, c.discovery), " ",
           NameOf(kPolicies, c.lb));
  to->In();
  to->IfNot(fallback.least_request_choice_count, "choice_count", c.least_request_choice_count);
  to->IfNot(fallback.ring_size_min, "ring_size_min", c.ring_size_min);
  to->IfNot(fallback.ring_size_max, "ring_size_max", c.ring_size_max);
  to->IfNot(fallback.maglev_size, "maglev_size", c.maglev_size);
  for (const HashTable& table : c.hash_tables) {
    to->Line("hash_table priority ", table.priority, " of ",
             table.ring.size() + table.maglev.size(), " points");
  }
  to->IfNot(fallback.panic_percent, "panic_percent", c.panic_percent);
  to->IfNot(fallback.connect_timeout, "connect_timeout", c.connect_timeout);
  to->IfNot(fallback.idle_timeout, "idle_timeout", c.idle_timeout);
  if (c.keepalive.on()) {
    to->Line("tcp_keepalive after ", c.keepalive.time_s, " s, every ", c.keepalive.interval_s,
             " s, ", c.keepalive.probes + 0, " times");
  }
  if (c.proxy_protocol != ProxyVersion::kNone) {
    to->Line("proxy_protocol ", c.proxy_protocol == ProxyVersion::kV1 ? "v1" : "v2");
  }
  to->IfNot(fallback.requests_per_connection_max, "requests_per_connection_max",
            c.requests_per_connection_max);
  if (c.http2.has_value()) {
    to->Line(c.follows_client ? "http2 for clients of it" : "http2");
    DescribeHttp2(*c.http2, to);
  }
  if (c.tls.settings != kNoTls) to->Line("tls ", c.tls.settings);
  if (c.mesh_tls.has_value()) to->Line("tls in the mesh ", c.mesh_tls->settings);
  to->IfNot(fallback.breaker.connections_max, "connections_max", c.breaker.connections_max);
  to->IfNot(fallback.breaker.pending_max, "pending_max", c.breaker.pending_max);
  to->IfNot(fallback.breaker.requests_max, "requests_max", c.breaker.requests_max);
  to->IfNot(fallback.breaker.retries_max, "retries_max", c.breaker.retries_max);
  if (const auto& budget = c.breaker.retry_budget) {
    to->Line("retry_budget ", budget->percent, " percent, at least ", budget->retries_min);
  }
  if (const auto& slow = c.slow_start) {
    to->Line("slow_start ", DescribeWriter::ToText(slow->window), ", aggression ", slow->aggression,
             ", at least ", slow->min_weight_percent, "%");
  }
  if (c.outlier.has_value()) DescribeOutlier(*c.outlier, to);
  if (c.health_check.has_value()) DescribeHealthCheck(*c.health_check, to);
  to->IfNot(fallback.removal_ignores_health, "removal_ignores_health", c.removal_ignores_health);
  to->IfNot(fallback.overprovisioning_percent, "overprovisioning_percent",
            c.overprovisioning_percent);
  to->IfNot(fallback.locality_weighted, "locality_weighted", c.locality_weighted);
  for (const Endpoint& e : c.endpoints) DescribeEndpoint(e, to);
  to->Out();
}

void DescribeAccessLogs(const std::vector<AccessLog>& logs, DescribeWriter* to) {
  for (const AccessLog& log : logs) {
    to->Line("access_log ", log.path, " ", log.format.substr(0, log.format.find('\n')));
  }
}

void DescribeHttp(const HttpManager& m, DescribeWriter* to) {
  const HttpManager fallback;
  to->Line("http \"", m.stat_prefix, "\" routes \"", m.route_table_name, "\"",
           m.route_table == kNoIndex ? " (not there)" : Cat(" (table ", m.route_table, ")"));
  to->In();
  to->IfNot(fallback.server_name, "server_name", m.server_name);
  DescribeUpgrades(m.upgrades, to);
  to->IfNot(fallback.requests_per_connection_max, "requests_per_connection_max",
            m.requests_per_connection_max);
  to->IfNot(fallback.stream_duration_max, "stream_duration_max", m.stream_duration_max);
  to->IfNot(fallback.stream_idle_timeout, "stream_idle_timeout", m.stream_idle_timeout);
  to->IfNot(fallback.request_timeout, "request_timeout", m.request_timeout);
  to->IfNot(fallback.request_headers_timeout, "request_headers_timeout", m.request_headers_timeout);
  to->IfNot(fallback.idle_timeout, "idle_timeout", m.idle_timeout);
  to->IfNot(fallback.header_bytes_max, "header_bytes_max", m.header_bytes_max);
  to->IfNot(fallback.header_count_max, "header_count_max", m.header_count_max);
  if (m.codec != fallback.codec) to->Line("codec: ", NameOf(kCodecs, m.codec));
  if (m.codec != HttpCodec::kHttp1) DescribeHttp2(m.http2, to);
  to->IfNot(fallback.generate_request_id, "generate_request_id", m.generate_request_id);
  to->IfNot(fallback.use_remote_address, "use_remote_address", m.use_remote_address);
  to->IfNot(fallback.normalize_path, "normalize_path", m.normalize_path);
  DescribeRbac(m.rbac, to);
  to->IfNot(fallback.fault_filter, "fault_filter", m.fault_filter);
  DescribeFault("fault", m.fault, to);
  to->IfNot(fallback.cors_filter, "cors_filter", m.cors_filter);
  constexpr std::string_view kPlaces[] = {"", "first", "after cors", "last"};
  if (m.rate_limit_place != RateLimitPlace::kNone) {
    to->Line("rate_limit_filter ", kPlaces[static_cast<size_t>(m.rate_limit_place)]);
  }
  DescribeRateLimit(m.rate_limit.get(), to);
  constexpr std::string_view kClientCert[] = {"sanitize", "forward_only", "append_forward",
                                              "sanitize_set", "always_forward_only"};
  if (m.client_cert_header != fallback.client_cert_header) {
    to->Line("forward_client_cert_details: ",
             kClientCert[static_cast<size_t>(m.client_cert_header)]);
  }
  const ClientCertDetails& details = m.client_cert_details;
  to->IfNot(false, "client_cert_cert", details.cert);
  to->IfNot(false, "client_cert_chain", details.chain);
  to->IfNot(false, "client_cert_subject", details.subject);
  to->IfNot(false, "client_cert_uri", details.uri);
  to->IfNot(false, "client_cert_dns", details.dns);
  DescribeAccessLogs(m.access_logs, to);
  to->Out();
}

void DescribeTcp(const TcpProxy& p, const Snapshot& snapshot, DescribeWriter* to) {
  const TcpProxy fallback;
  to->Line("tcp \"", p.stat_prefix, "\"");
  to->In();
  DescribeRbac(p.rbac, to);
  DescribeTargets(p.clusters, snapshot, to);
  to->IfNot(fallback.idle_timeout, "idle_timeout", p.idle_timeout);
  to->IfNot(fallback.connect_attempt_count_max, "connect_attempt_count_max",
            p.connect_attempt_count_max);
  to->IfNot(fallback.hash_source_ip, "hash_source_ip", p.hash_source_ip);
  DescribeAccessLogs(p.access_logs, to);
  to->Out();
}

void DescribeAddresses(const ChainMatch& match, std::string* to) {
  if (match.destination_port != 0) AppendTo(to, " to_port ", match.destination_port);
  const auto prefixes = [to](const char* what, const std::vector<IpPrefix>& list) {
    for (const IpPrefix& prefix : list) AppendTo(to, " ", what, " ", prefix.ToString());
  };
  prefixes("to", match.destinations);
  prefixes("directly_from", match.direct_sources);
  if (match.source_type == SourceType::kSameIpOrLoopback) *to += " (same ip or loopback)";
  if (match.source_type == SourceType::kExternal) *to += " (external)";
  prefixes("from", match.sources);
  for (const uint16_t port : match.source_ports) AppendTo(to, " from_port ", port);
}

void DescribeListener(const Listener& l, const Snapshot& snapshot, DescribeWriter* to) {
  to->Line("listener \"", l.name, "\" ", NameOf(kDirections, l.direction));
  to->In();
  for (const SockAddr& address : l.addresses) to->Line("address ", address.ToString());
  if (l.proxy_protocol.has_value()) {
    to->Line("proxy_protocol", l.proxy_protocol->required ? "" : " (where there is one)",
             l.proxy_protocol->v1 ? " v1" : "", l.proxy_protocol->v2 ? " v2" : "");
  }
  for (const ListenerChain& chain : l.chains) {
    std::string match;
    for (const std::string& name : chain.match.server_names) AppendTo(&match, " ", name);
    for (const std::string& name : chain.match.protocols) AppendTo(&match, " ", name);
    if (chain.match.transport == Transport::kTls) match += " (tls)";
    if (chain.match.transport == Transport::kPlain) match += " (plain)";
    DescribeAddresses(chain.match, &match);
    if (chain.match.fallback) match += " (nothing else)";
    to->Line("chain", match, " -> \"", snapshot.listeners[chain.listener].name, "\"");
  }
  if (l.sniffs()) {
    const Listener fallback;
    to->IfNot(fallback.sniff_timeout, "listener_filters_timeout", l.sniff_timeout);
    to->IfNot(fallback.plain_after_timeout, "plain_after_timeout", l.plain_after_timeout);
  }
  if (!l.chains.empty()) return to->Out();
  if (l.tls != kNoTls) to->Line("tls ", l.tls);
  DescribeRateLimit(l.rate_limit, to);
  if (const auto* http = std::get_if<HttpManager>(&l.filter)) DescribeHttp(*http, to);
  if (const auto* tcp = std::get_if<TcpProxy>(&l.filter)) DescribeTcp(*tcp, snapshot, to);
  to->Out();
}

void DescribeUdpListener(const UdpListener& l, DescribeWriter* to) {
  const UdpListener fallback;
  to->Line("udp_listener \"", l.name, "\"");
  to->In();
  for (const SockAddr& address : l.addresses) to->Line("address ", address.ToString());
  to->Line("udp \"", l.stat_prefix, "\" cluster \"", l.cluster_name, "\"",
           l.cluster == kNoIndex ? " (not there)" : "");
  to->IfNot(fallback.idle_timeout, "idle_timeout", l.idle_timeout);
  to->Out();
}

}  // namespace

std::string DescribeWriter::ToText(Duration d) {
  const int64_t ns = d.nanos();
  if (ns % 1'000'000'000 == 0) return Cat(ns / 1'000'000'000, "s");
  if (ns % 1'000'000 == 0) return Cat(ns / 1'000'000, "ms");
  return Cat(ns, "ns");
}

std::string Describe(const Snapshot& snapshot) {
  DescribeWriter to;
  for (const Cluster& c : snapshot.clusters) DescribeCluster(c, &to);
  for (const RouteTable& t : snapshot.route_tables) DescribeRouteTable(t, snapshot, &to);
  for (const Listener& l : snapshot.listeners) DescribeListener(l, snapshot, &to);
  for (const UdpListener& l : snapshot.udp_listeners) DescribeUdpListener(l, &to);
  for (const TlsSettings& s : snapshot.tls) DescribeTls(s, &to);
  return to.Take();
}

}  // namespace meltemi::config
