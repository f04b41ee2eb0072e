// What of Envoy's messages is taken without effect, and why: of the table in supported_fields.cc.
// Internal to l7/config.
#ifndef MELTEMI_L7_CONFIG_IGNORED_FIELDS_H_
#define MELTEMI_L7_CONFIG_IGNORED_FIELDS_H_

#include <string_view>

#include "l7/config/field_table.h"

namespace meltemi::config {

inline constexpr std::string_view kOwnBuffers = "the plane bounds its buffers itself (limits.h)";
inline constexpr std::string_view kNoSocket = "the plane has no kernel sockets";
inline constexpr std::string_view kForDisplay = "only for display and statistics";
inline constexpr std::string_view kNoRuntime = "there is no runtime layer, the default value holds";
inline constexpr std::string_view kOneDnsRate = "names are asked for again after dns_refresh_rate";
inline constexpr std::string_view kOneFetchTimeout =
    "one fetch timeout holds for the whole configuration";

inline constexpr IgnoredField kListenerIgnored[] = {
    {"stat_prefix", kForDisplay},
    {"per_connection_buffer_limit_bytes", kOwnBuffers},
    {"metadata", kForDisplay},
    {"deprecated_v1", kNoSocket},
    {"drain_type", "connections outlive every change but the removal of their listener or chain"},
    {"transparent", "connections are always intercepted transparently"},
    {"freebind", kNoSocket},
    {"tcp_fast_open_queue_length", kNoSocket},
    {"connection_balance_config", "a connection's worker follows from its 4-tuple"},
    {"reuse_port", kNoSocket},
    {"enable_reuse_port", kNoSocket},
    {"tcp_backlog_size", kNoSocket},
    {"max_connections_to_accept_per_socket_event", kNoSocket},
    {"bind_to_port", kNoSocket},
    {"ignore_global_conn_limit", "a limit of the node holds for all its listeners"},
    {"bypass_overload_manager", "the overload manager is for all listeners"},
};
inline constexpr IgnoredField kUdpListenerIgnored[] = {
    {"downstream_socket_config", kNoSocket},
    {"udp_packet_packet_writer_config", kNoSocket},
};
inline constexpr IgnoredField kUdpProxyIgnored[] = {
    {"upstream_socket_config", kNoSocket},
};
inline constexpr IgnoredField kFilterChainIgnored[] = {
    {"metadata", kForDisplay},
    {"name", kForDisplay},
    {"transport_socket_connect_timeout", "one handshake timeout holds: limits.h"},
};
inline constexpr IgnoredField kDownstreamTlsIgnored[] = {
    {"disable_stateless_session_resumption", "sessions are always kept by the server"},
    {"session_ticket_keys", "sessions are always kept by the server"},
    {"session_ticket_keys_sds_secret_config", "sessions are always kept by the server"},
    {"full_scan_certs_on_sni_mismatch", "every certificate is always looked at"},
};
inline constexpr IgnoredField kUpstreamTlsIgnored[] = {
    {"allow_renegotiation", "there is no renegotiation"},
    {"enforce_rsa_key_usage", "the purpose of a certificate is always checked"},
};
inline constexpr IgnoredField kTlsParametersIgnored[] = {
    {"ecdh_curves", "X25519, P-256 and P-384 are offered"},
};
inline constexpr IgnoredField kTlsCertificateIgnored[] = {
    {"watched_directory", "files are read again every second"},
};
inline constexpr IgnoredField kValidationIgnored[] = {
    {"watched_directory", "files are read again every second"},
};
inline constexpr IgnoredField kHcmIgnored[] = {
    {"drain_timeout", "one drain time holds for the process"},
    {"delayed_close_timeout", "TCP delivers what was written before it closes"},
};
inline constexpr IgnoredField kConfigSourceIgnored[] = {
    {"initial_fetch_timeout", kOneFetchTimeout},
    {"resource_api_version", "only version 3 is spoken"},
};
inline constexpr IgnoredField kPathSourceIgnored[] = {
    {"watched_directory", "files are read again every second"},
};
inline constexpr IgnoredField kHttp1Ignored[] = {
    {"allow_absolute_url", "absolute request targets are always accepted (RFC 9112 3.2.2)"},
    {"use_balsa_parser", "the plane has one HTTP/1 parser"},
};
inline constexpr std::string_view kEnvoysLimit = "Envoy's default holds";
inline constexpr IgnoredField kHttp2Ignored[] = {
    {"hpack_table_size", "the table has RFC 9113's first size"},
    {"allow_metadata", "METADATA frames are ignored"},
    {"max_outbound_frames", "what waits to be sent is bounded in bytes"},
    {"max_outbound_control_frames", kEnvoysLimit},
    {"max_consecutive_inbound_frames_with_empty_payload", kEnvoysLimit},
    {"max_inbound_priority_frames_per_stream", kEnvoysLimit},
    {"max_inbound_window_update_frames_per_data_frame_sent", kEnvoysLimit},
    {"stream_error_on_invalid_http_messaging", "such an error always ends the stream alone"},
    {"override_stream_error_on_invalid_http_message", "such an error always ends the stream alone"},
};
inline constexpr IgnoredField kRouterIgnored[] = {
    {"dynamic_stats", kForDisplay},
    {"start_child_span", "there is no tracing"},
    {"suppress_grpc_request_failure_code_stats", kForDisplay},
};
inline constexpr IgnoredField kFaultIgnored[] = {
    {"delay_percent_runtime", kNoRuntime},     {"abort_percent_runtime", kNoRuntime},
    {"delay_duration_runtime", kNoRuntime},    {"abort_http_status_runtime", kNoRuntime},
    {"max_active_faults_runtime", kNoRuntime}, {"response_rate_limit_percent_runtime", kNoRuntime},
    {"abort_grpc_status_runtime", kNoRuntime}, {"disable_downstream_cluster_stats", kForDisplay},
    {"filter_metadata", kForDisplay},
};
inline constexpr IgnoredField kHttpRbacIgnored[] = {{"track_per_rule_stats", kForDisplay}};
inline constexpr IgnoredField kNetworkRbacIgnored[] = {
    {"enforcement_type",
     "nothing that rules look at changes while a connection lives; rules do, and are asked again"},
};
inline constexpr IgnoredField kRateLimitRuleIgnored[] = {{"disable_key", kNoRuntime}};
inline constexpr IgnoredField kRuntimeFlagIgnored[] = {{"runtime_key", kNoRuntime}};
inline constexpr IgnoredField kAccessLogIgnored[] = {{"name", kForDisplay}};
inline constexpr IgnoredField kFormatIgnored[] = {
    {"content_type", "only for local replies"},
};
inline constexpr IgnoredField kRouteConfigIgnored[] = {
    {"validate_clusters", "an unknown cluster is answered by cluster_not_found_response_code"},
    {"metadata", kForDisplay},
};
inline constexpr IgnoredField kVirtualHostIgnored[] = {
    {"virtual_clusters", kForDisplay},
    {"metadata", kForDisplay},
};
inline constexpr IgnoredField kRouteIgnored[] = {
    {"metadata", kForDisplay},
    {"decorator", "there is no tracing"},
    {"tracing", "there is no tracing"},
    {"stat_prefix", kForDisplay},
};
inline constexpr IgnoredField kMirrorIgnored[] = {{"trace_sampled", "there is no tracing"}};
inline constexpr IgnoredField kWeightedIgnored[] = {{"runtime_key_prefix", kNoRuntime}};
inline constexpr IgnoredField kFractionIgnored[] = {{"runtime_key", kNoRuntime}};
inline constexpr IgnoredField kRegexIgnored[] = {
    {"google_re2", "RE2 is the only engine, with own bounds"}};
inline constexpr IgnoredField kSocketAddressIgnored[] = {
    {"ipv4_compat", "IPv4 and IPv6 listeners are distinct"},
};
inline constexpr IgnoredField kClusterIgnored[] = {
    {"alt_stat_name", kForDisplay},
    {"per_connection_buffer_limit_bytes", kOwnBuffers},
    {"dns_failure_refresh_rate", kOneDnsRate},
    {"respect_dns_ttl", kOneDnsRate},
    {"wait_for_warm_on_init", "every cluster is warmed, bounded by the fetch timeout"},
    {"cleanup_interval", "hosts of ORIGINAL_DST live as long as their connections"},
    {"metadata", kForDisplay},
    {"protocol_selection", "HTTP/1.1 on both sides"},
    {"track_timeout_budgets", kForDisplay},
    {"track_cluster_stats", kForDisplay},
};
inline constexpr IgnoredField kThresholdsIgnored[] = {{"track_remaining", kForDisplay}};
inline constexpr std::string_view kNoEventLog = "checks are counted, not logged";
inline constexpr IgnoredField kHealthCheckIgnored[] = {
    {"event_log_path", kNoEventLog},
    {"event_logger", kNoEventLog},
    {"always_log_health_check_failures", kNoEventLog},
    {"always_log_health_check_success", kNoEventLog},
};
inline constexpr IgnoredField kCommonLbIgnored[] = {
    {"update_merge_window", "endpoint changes apply at once"},
};
inline constexpr IgnoredField kLocalityEndpointsIgnored[] = {
    {"proximity", kForDisplay},
    {"metadata", kForDisplay},
};
inline constexpr IgnoredField kProxyProtocolIgnored[] = {
    {"stat_prefix", "its counters are the worker's"},
};
inline constexpr IgnoredField kEndpointIgnored[] = {
    {"hostname", "host rewriting by endpoint is refused on the route"},
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_IGNORED_FIELDS_H_
