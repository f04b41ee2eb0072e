// The table of FieldTable, in the order of the API: listeners, HTTP, TCP, routes, clusters,
// endpoints.
#include <array>

#include "l7/config/field_table.h"

namespace meltemi::config {
namespace {

constexpr std::string_view kOwnBuffers = "the plane bounds its buffers itself (limits.h)";
constexpr std::string_view kNoSocket = "the plane has no kernel sockets";
constexpr std::string_view kForDisplay = "only for display and statistics";
constexpr std::string_view kNoRuntime = "there is no runtime layer, the default value holds";
constexpr std::string_view kOneDnsRate = "names are asked for again after dns_refresh_rate";
constexpr std::string_view kOneFetchTimeout = "one fetch timeout holds for the whole configuration";

constexpr IgnoredField kListenerIgnored[] = {
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
constexpr IgnoredField kUdpListenerIgnored[] = {
    {"downstream_socket_config", kNoSocket},
    {"udp_packet_packet_writer_config", kNoSocket},
};
constexpr IgnoredField kUdpProxyIgnored[] = {
    {"upstream_socket_config", kNoSocket},
};
constexpr IgnoredField kFilterChainIgnored[] = {
    {"metadata", kForDisplay},
    {"name", kForDisplay},
    {"transport_socket_connect_timeout", "one handshake timeout holds: limits.h"},
};
constexpr IgnoredField kDownstreamTlsIgnored[] = {
    {"disable_stateless_session_resumption", "sessions are always kept by the server"},
    {"session_ticket_keys", "sessions are always kept by the server"},
    {"session_ticket_keys_sds_secret_config", "sessions are always kept by the server"},
    {"full_scan_certs_on_sni_mismatch", "every certificate is always looked at"},
};
constexpr IgnoredField kUpstreamTlsIgnored[] = {
    {"allow_renegotiation", "there is no renegotiation"},
    {"enforce_rsa_key_usage", "the purpose of a certificate is always checked"},
};
constexpr IgnoredField kTlsParametersIgnored[] = {
    {"ecdh_curves", "X25519, P-256 and P-384 are offered"},
};
constexpr IgnoredField kTlsCertificateIgnored[] = {
    {"watched_directory", "files are read again every second"},
};
constexpr IgnoredField kValidationIgnored[] = {
    {"watched_directory", "files are read again every second"},
};
constexpr IgnoredField kHcmIgnored[] = {
    {"drain_timeout", "one drain time holds for the process"},
    {"delayed_close_timeout", "TCP delivers what was written before it closes"},
};
constexpr IgnoredField kConfigSourceIgnored[] = {
    {"initial_fetch_timeout", kOneFetchTimeout},
    {"resource_api_version", "only version 3 is spoken"},
};
constexpr IgnoredField kHttp1Ignored[] = {
    {"allow_absolute_url", "absolute request targets are always accepted (RFC 9112 3.2.2)"},
    {"use_balsa_parser", "the plane has one HTTP/1 parser"},
};
constexpr std::string_view kEnvoysLimit = "Envoy's default holds";
constexpr IgnoredField kHttp2Ignored[] = {
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
constexpr IgnoredField kRouterIgnored[] = {
    {"dynamic_stats", kForDisplay},
    {"start_child_span", "there is no tracing"},
    {"suppress_grpc_request_failure_code_stats", kForDisplay},
};
constexpr IgnoredField kFaultIgnored[] = {
    {"delay_percent_runtime", kNoRuntime},     {"abort_percent_runtime", kNoRuntime},
    {"delay_duration_runtime", kNoRuntime},    {"abort_http_status_runtime", kNoRuntime},
    {"max_active_faults_runtime", kNoRuntime}, {"response_rate_limit_percent_runtime", kNoRuntime},
    {"abort_grpc_status_runtime", kNoRuntime}, {"disable_downstream_cluster_stats", kForDisplay},
    {"filter_metadata", kForDisplay},
};
constexpr IgnoredField kHttpRbacIgnored[] = {{"track_per_rule_stats", kForDisplay}};
constexpr IgnoredField kNetworkRbacIgnored[] = {
    {"enforcement_type",
     "nothing that rules look at changes while a connection lives; rules do, and are asked again"},
};
constexpr IgnoredField kRateLimitRuleIgnored[] = {{"disable_key", kNoRuntime}};
constexpr IgnoredField kRuntimeFlagIgnored[] = {{"runtime_key", kNoRuntime}};
constexpr IgnoredField kAccessLogIgnored[] = {{"name", kForDisplay}};
constexpr IgnoredField kFormatIgnored[] = {
    {"content_type", "only for local replies"},
};
constexpr IgnoredField kRouteConfigIgnored[] = {
    {"validate_clusters", "an unknown cluster is answered by cluster_not_found_response_code"},
    {"metadata", kForDisplay},
};
constexpr IgnoredField kVirtualHostIgnored[] = {
    {"virtual_clusters", kForDisplay},
    {"metadata", kForDisplay},
};
constexpr IgnoredField kRouteIgnored[] = {
    {"metadata", kForDisplay},
    {"decorator", "there is no tracing"},
    {"tracing", "there is no tracing"},
    {"stat_prefix", kForDisplay},
};
constexpr IgnoredField kMirrorIgnored[] = {{"trace_sampled", "there is no tracing"}};
constexpr IgnoredField kWeightedIgnored[] = {{"runtime_key_prefix", kNoRuntime}};
constexpr IgnoredField kFractionIgnored[] = {{"runtime_key", kNoRuntime}};
constexpr IgnoredField kRegexIgnored[] = {
    {"google_re2", "RE2 is the only engine, with own bounds"}};
constexpr IgnoredField kSocketAddressIgnored[] = {
    {"ipv4_compat", "IPv4 and IPv6 listeners are distinct"},
};
constexpr IgnoredField kClusterIgnored[] = {
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
constexpr IgnoredField kThresholdsIgnored[] = {{"track_remaining", kForDisplay}};
constexpr std::string_view kNoRates = "only consecutive errors eject, see enforcing_success_rate";
constexpr IgnoredField kOutlierIgnored[] = {
    {"success_rate_minimum_hosts", kNoRates},
    {"success_rate_request_volume", kNoRates},
    {"success_rate_stdev_factor", kNoRates},
    {"enforcing_local_origin_success_rate", kNoRates},
    {"failure_percentage_threshold", kNoRates},
    {"failure_percentage_minimum_hosts", kNoRates},
    {"failure_percentage_request_volume", kNoRates},
    {"successful_active_health_check_uneject_host", "there are no active health checks"},
};
constexpr std::string_view kNoEventLog = "checks are counted, not logged";
constexpr IgnoredField kHealthCheckIgnored[] = {
    {"event_log_path", kNoEventLog},
    {"event_logger", kNoEventLog},
    {"always_log_health_check_failures", kNoEventLog},
    {"always_log_health_check_success", kNoEventLog},
};
constexpr IgnoredField kCommonLbIgnored[] = {
    {"update_merge_window", "endpoint changes apply at once"},
};
constexpr IgnoredField kLocalityEndpointsIgnored[] = {
    {"proximity", kForDisplay},
    {"metadata", kForDisplay},
};
constexpr IgnoredField kProxyProtocolIgnored[] = {
    {"stat_prefix", "its counters are the worker's"},
};
constexpr IgnoredField kEndpointIgnored[] = {
    {"hostname", "host rewriting by endpoint is refused on the route"},
};

// Deprecated spellings that Istio and Envoy still send are supported beside the new ones.
constexpr MessageFields kTable[] = {
    // Listeners
    {"envoy.config.listener.v3.Listener",
     "name address additional_addresses filter_chains default_filter_chain listener_filters "
     "traffic_direction udp_listener_config listener_filters_timeout "
     "continue_on_listener_filters_timeout",
     kListenerIgnored},
    {"envoy.config.listener.v3.AdditionalAddress", "address", {}},
    {"envoy.config.listener.v3.ListenerFilter", "name typed_config", {}},
    {"envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
     "allow_requests_without_proxy_protocol disallowed_versions", kProxyProtocolIgnored},
    {"envoy.config.listener.v3.FilterChain", "filter_chain_match filters transport_socket",
     kFilterChainIgnored},
    {"envoy.config.listener.v3.FilterChainMatch",
     "destination_port prefix_ranges server_names transport_protocol application_protocols "
     "direct_source_prefix_ranges source_type source_prefix_ranges source_ports",
     {}},
    {"envoy.config.listener.v3.Filter", "name typed_config", {}},
    {"envoy.config.core.v3.Address", "socket_address", {}},
    {"envoy.config.core.v3.SocketAddress", "protocol address port_value", kSocketAddressIgnored},
    {"envoy.config.core.v3.TransportSocket", "name typed_config", {}},
    {"envoy.config.core.v3.ConfigSource", "ads", kConfigSourceIgnored},
    {"envoy.config.core.v3.AggregatedConfigSource", "", {}},
    {"envoy.config.accesslog.v3.AccessLog", "typed_config", kAccessLogIgnored},
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog", "path format log_format", {}},
    {"envoy.config.core.v3.SubstitutionFormatString", "text_format text_format_source",
     kFormatIgnored},
    {"envoy.config.core.v3.DataSource", "filename inline_string inline_bytes", {}},
    {"envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
     "config transport_socket",
     {}},
    {"envoy.config.core.v3.ProxyProtocolConfig", "version", {}},
    // TLS
    {"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
     "common_tls_context require_client_certificate require_sni session_timeout "
     "disable_stateful_session_resumption",
     kDownstreamTlsIgnored},
    {"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
     "common_tls_context sni max_session_keys", kUpstreamTlsIgnored},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
     "tls_params tls_certificates tls_certificate_sds_secret_configs validation_context "
     "validation_context_sds_secret_config combined_validation_context alpn_protocols",
     {}},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext."
     "CombinedCertificateValidationContext",
     "default_validation_context validation_context_sds_secret_config",
     {}},
    {"envoy.extensions.transport_sockets.tls.v3.TlsParameters",
     "tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites",
     kTlsParametersIgnored},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "certificate_chain private_key",
     kTlsCertificateIgnored},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
     "trusted_ca match_typed_subject_alt_names match_subject_alt_names", kValidationIgnored},
    {"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", "san_type matcher", {}},
    {"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig", "name sds_config", {}},
    {"envoy.extensions.transport_sockets.tls.v3.Secret",
     "name tls_certificate validation_context",
     {}},
    // HTTP
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
     "codec_type stat_prefix rds route_config http_filters common_http_protocol_options "
     "http_protocol_options http2_protocol_options server_name max_request_headers_kb "
     "stream_idle_timeout "
     "request_timeout request_headers_timeout access_log use_remote_address "
     "generate_request_id normalize_path path_with_escaped_slashes_action "
     "forward_client_cert_details set_current_client_cert_details upgrade_configs",
     kHcmIgnored},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
     "UpgradeConfig",
     "upgrade_type enabled",
     {}},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
     "SetCurrentClientCertDetails",
     "subject cert chain dns uri",
     {}},
    {"envoy.extensions.filters.network.http_connection_manager.v3.Rds",
     "config_source route_config_name",
     {}},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
     "name typed_config is_optional",
     {}},
    {"envoy.config.core.v3.HttpProtocolOptions",
     "idle_timeout max_headers_count max_requests_per_connection max_stream_duration",
     {}},
    {"envoy.config.core.v3.Http1ProtocolOptions", "", kHttp1Ignored},
    {"envoy.config.core.v3.Http2ProtocolOptions",
     "max_concurrent_streams initial_stream_window_size initial_connection_window_size "
     "allow_connect",
     kHttp2Ignored},
    {"envoy.extensions.filters.http.router.v3.Router", "", kRouterIgnored},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault", "delay abort headers", kFaultIgnored},
    {"envoy.extensions.filters.http.cors.v3.Cors", "", {}},
    {"envoy.extensions.filters.http.cors.v3.CorsPolicy",
     "allow_origin_string_match allow_methods allow_headers expose_headers max_age "
     "allow_credentials filter_enabled forward_not_matching_preflights",
     {}},
    {"envoy.extensions.filters.http.rbac.v3.RBAC",
     "rules rules_stat_prefix shadow_rules shadow_rules_stat_prefix", kHttpRbacIgnored},
    {"envoy.extensions.filters.network.rbac.v3.RBAC",
     "rules shadow_rules shadow_rules_stat_prefix stat_prefix", kNetworkRbacIgnored},
    {"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
     "stat_prefix status token_bucket filter_enabled filter_enforced "
     "request_headers_to_add_when_not_enforced response_headers_to_add descriptors stage "
     "local_rate_limit_per_downstream_connection enable_x_ratelimit_headers vh_rate_limits "
     "always_consume_default_token_bucket rate_limited_as_resource_exhausted",
     {}},
    {"envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
     "stat_prefix token_bucket runtime_enabled share_key",
     {}},
    {"envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", "entries token_bucket", {}},
    {"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry", "key value", {}},
    {"envoy.type.v3.TokenBucket", "max_tokens tokens_per_fill fill_interval", {}},
    {"envoy.type.v3.HttpStatus", "code", {}},
    {"envoy.config.core.v3.RuntimeFeatureFlag", "default_value", kRuntimeFlagIgnored},
    {"envoy.config.rbac.v3.RBAC", "action policies", {}},
    {"envoy.config.rbac.v3.Policy", "permissions principals", {}},
    {"envoy.config.rbac.v3.Permission",
     "and_rules or_rules any header url_path destination_ip destination_port "
     "destination_port_range not_rule requested_server_name",
     {}},
    {"envoy.config.rbac.v3.Permission.Set", "rules", {}},
    {"envoy.config.rbac.v3.Principal",
     "and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path not_id",
     {}},
    {"envoy.config.rbac.v3.Principal.Set", "ids", {}},
    {"envoy.config.rbac.v3.Principal.Authenticated", "principal_name", {}},
    {"envoy.config.core.v3.CidrRange", "address_prefix prefix_len", {}},
    {"envoy.type.matcher.v3.PathMatcher", "path", {}},
    {"envoy.type.v3.Int32Range", "start end", {}},
    {"envoy.extensions.filters.common.fault.v3.FaultDelay", "fixed_delay percentage", {}},
    {"envoy.extensions.filters.http.fault.v3.FaultAbort", "http_status percentage", {}},
    // TCP
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
     "stat_prefix cluster weighted_clusters idle_timeout access_log max_connect_attempts "
     "hash_policy",
     {}},
    {"envoy.type.v3.HashPolicy", "source_ip", {}},
    {"envoy.type.v3.HashPolicy.SourceIp", "", {}},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster", "clusters", {}},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
     "name weight",
     {}},
    // UDP
    {"envoy.config.listener.v3.UdpListenerConfig", "", kUdpListenerIgnored},
    {"envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig", "stat_prefix cluster idle_timeout",
     kUdpProxyIgnored},
    // Routes
    {"envoy.config.route.v3.RouteConfiguration",
     "name virtual_hosts request_headers_to_add request_headers_to_remove "
     "response_headers_to_add response_headers_to_remove max_direct_response_body_size_bytes "
     "typed_per_filter_config",
     kRouteConfigIgnored},
    {"envoy.config.route.v3.VirtualHost",
     "name domains routes request_headers_to_add request_headers_to_remove "
     "response_headers_to_add response_headers_to_remove typed_per_filter_config retry_policy "
     "rate_limits",
     kVirtualHostIgnored},
    {"envoy.config.route.v3.Route",
     "name match route redirect direct_response typed_per_filter_config request_headers_to_add "
     "request_headers_to_remove response_headers_to_add response_headers_to_remove",
     kRouteIgnored},
    {"envoy.config.route.v3.RouteMatch",
     "prefix path safe_regex path_separated_prefix case_sensitive runtime_fraction headers "
     "query_parameters",
     {}},
    {"envoy.config.route.v3.HeaderMatcher",
     "name exact_match safe_regex_match range_match present_match prefix_match suffix_match "
     "contains_match string_match invert_match treat_missing_header_as_empty",
     {}},
    {"envoy.config.route.v3.QueryParameterMatcher", "name string_match present_match", {}},
    {"envoy.config.route.v3.RouteAction",
     "cluster weighted_clusters cluster_not_found_response_code prefix_rewrite regex_rewrite "
     "host_rewrite_literal timeout idle_timeout retry_policy max_stream_duration max_grpc_timeout "
     "hash_policy request_mirror_policies upgrade_configs rate_limits include_vh_rate_limits",
     {}},
    {"envoy.config.route.v3.RateLimit", "stage actions", kRateLimitRuleIgnored},
    {"envoy.config.route.v3.RateLimit.Action",
     "source_cluster destination_cluster request_headers remote_address generic_key "
     "header_value_match masked_remote_address",
     {}},
    {"envoy.config.route.v3.RateLimit.Action.SourceCluster", "", {}},
    {"envoy.config.route.v3.RateLimit.Action.DestinationCluster", "", {}},
    {"envoy.config.route.v3.RateLimit.Action.RequestHeaders",
     "header_name descriptor_key skip_if_absent",
     {}},
    {"envoy.config.route.v3.RateLimit.Action.RemoteAddress", "", {}},
    {"envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress",
     "v4_prefix_mask_len v6_prefix_mask_len",
     {}},
    {"envoy.config.route.v3.RateLimit.Action.GenericKey", "descriptor_value descriptor_key", {}},
    {"envoy.config.route.v3.RateLimit.Action.HeaderValueMatch",
     "descriptor_key descriptor_value expect_match headers",
     {}},
    {"envoy.config.route.v3.RouteAction.UpgradeConfig", "upgrade_type enabled", {}},
    {"envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
     "cluster runtime_fraction disable_shadow_host_suffix_append", kMirrorIgnored},
    {"envoy.config.route.v3.RouteAction.HashPolicy",
     "header cookie connection_properties query_parameter terminal",
     {}},
    {"envoy.config.route.v3.RouteAction.HashPolicy.Header", "header_name", {}},
    {"envoy.config.route.v3.RouteAction.HashPolicy.Cookie", "name ttl path", {}},
    {"envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties", "source_ip", {}},
    {"envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter", "name", {}},
    {"envoy.config.route.v3.RouteAction.MaxStreamDuration",
     "max_stream_duration grpc_timeout_header_max",
     {}},
    {"envoy.config.route.v3.WeightedCluster", "clusters total_weight", kWeightedIgnored},
    {"envoy.config.route.v3.WeightedCluster.ClusterWeight",
     "name weight request_headers_to_add request_headers_to_remove response_headers_to_add "
     "response_headers_to_remove",
     {}},
    {"envoy.config.route.v3.RetryPolicy",
     "retry_on num_retries per_try_timeout retry_host_predicate "
     "host_selection_retry_max_attempts retriable_status_codes retry_back_off",
     {}},
    {"envoy.config.route.v3.RetryPolicy.RetryHostPredicate", "name typed_config", {}},
    {"envoy.config.route.v3.RetryPolicy.RetryBackOff", "base_interval max_interval", {}},
    {"envoy.config.route.v3.RedirectAction",
     "https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite "
     "response_code strip_query",
     {}},
    {"envoy.config.route.v3.DirectResponseAction", "status body", {}},
    {"envoy.config.core.v3.HeaderValueOption", "header append append_action keep_empty_value", {}},
    {"envoy.config.core.v3.HeaderValue", "key value", {}},
    {"envoy.config.core.v3.RuntimeFractionalPercent", "default_value", kFractionIgnored},
    {"envoy.type.v3.FractionalPercent", "numerator denominator", {}},
    {"envoy.type.v3.Percent", "value", {}},
    {"envoy.type.v3.Int64Range", "start end", {}},
    {"envoy.type.matcher.v3.StringMatcher",
     "exact prefix suffix safe_regex contains ignore_case",
     {}},
    {"envoy.type.matcher.v3.RegexMatcher", "regex", kRegexIgnored},
    {"envoy.type.matcher.v3.RegexMatchAndSubstitute", "pattern substitution", {}},
    // Clusters and endpoints
    {"envoy.config.cluster.v3.Cluster",
     "name type eds_cluster_config connect_timeout lb_policy load_assignment "
     "max_requests_per_connection circuit_breakers common_http_protocol_options "
     "http_protocol_options http2_protocol_options typed_extension_protocol_options "
     "least_request_lb_config round_robin_lb_config original_dst_lb_config ring_hash_lb_config "
     "maglev_lb_config common_lb_config transport_socket transport_socket_matches "
     "outlier_detection dns_refresh_rate dns_lookup_family health_checks "
     "ignore_health_on_host_removal",
     kClusterIgnored},
    {"envoy.config.cluster.v3.Cluster.TransportSocketMatch", "name match transport_socket", {}},
    {"envoy.config.cluster.v3.Cluster.EdsClusterConfig", "eds_config service_name", {}},
    {"envoy.config.cluster.v3.Cluster.LeastRequestLbConfig", "choice_count", {}},
    {"envoy.config.cluster.v3.Cluster.RoundRobinLbConfig", "", {}},
    {"envoy.config.cluster.v3.Cluster.OriginalDstLbConfig", "", {}},
    {"envoy.config.cluster.v3.Cluster.RingHashLbConfig",
     "minimum_ring_size hash_function maximum_ring_size",
     {}},
    {"envoy.config.cluster.v3.Cluster.MaglevLbConfig", "table_size", {}},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig",
     "healthy_panic_threshold locality_weighted_lb_config", kCommonLbIgnored},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig", "", {}},
    {"envoy.config.cluster.v3.CircuitBreakers", "thresholds", {}},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds",
     "priority max_connections max_pending_requests max_requests max_retries retry_budget",
     kThresholdsIgnored},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget",
     "budget_percent min_retry_concurrency",
     {}},
    {"envoy.config.cluster.v3.OutlierDetection",
     "consecutive_5xx enforcing_consecutive_5xx consecutive_gateway_failure "
     "enforcing_consecutive_gateway_failure consecutive_local_origin_failure "
     "enforcing_consecutive_local_origin_failure split_external_local_origin_errors interval "
     "base_ejection_time max_ejection_time max_ejection_percent always_eject_one_host "
     "enforcing_success_rate enforcing_failure_percentage "
     "enforcing_failure_percentage_local_origin",
     kOutlierIgnored},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
     "common_http_protocol_options explicit_http_config use_downstream_protocol_config",
     {}},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
     "http_protocol_options http2_protocol_options",
     {}},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
     "http_protocol_options",
     {}},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name endpoints policy", {}},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy", "overprovisioning_factor", {}},
    {"envoy.config.endpoint.v3.LocalityLbEndpoints",
     "locality lb_endpoints priority load_balancing_weight", kLocalityEndpointsIgnored},
    {"envoy.config.core.v3.Locality", "region zone sub_zone", {}},
    {"envoy.config.endpoint.v3.LbEndpoint",
     "endpoint health_status metadata load_balancing_weight",
     {}},
    {"envoy.config.core.v3.Metadata", "filter_metadata typed_filter_metadata", {}},
    {"envoy.config.endpoint.v3.Endpoint", "address health_check_config", kEndpointIgnored},
    {"envoy.config.endpoint.v3.Endpoint.HealthCheckConfig",
     "port_value disable_active_health_check",
     {}},
    {"envoy.config.core.v3.HealthCheck",
     "timeout interval initial_jitter interval_jitter interval_jitter_percent unhealthy_threshold "
     "healthy_threshold reuse_connection http_health_check tcp_health_check grpc_health_check "
     "no_traffic_interval no_traffic_healthy_interval unhealthy_interval unhealthy_edge_interval "
     "healthy_edge_interval",
     kHealthCheckIgnored},
    {"envoy.config.core.v3.HealthCheck.Payload", "text binary", {}},
    {"envoy.config.core.v3.HealthCheck.HttpHealthCheck",
     "host path expected_statuses retriable_statuses codec_client_type method",
     {}},
    {"envoy.config.core.v3.HealthCheck.TcpHealthCheck", "send receive", {}},
    {"envoy.config.core.v3.HealthCheck.GrpcHealthCheck", "service_name authority", {}},
};

}  // namespace

std::span<const MessageFields> SupportedFields() { return kTable; }

}  // namespace meltemi::config
