// Snapshot: one immutable, complete configuration of the node. No protobuf inside.
//
// Built by l7/config/compile (agent thread), then shared read-only with all workers through
// dataplane/shared; an exchange keeps using the snapshot it began with. Everything is referred to
// by index within the snapshot. What outlives a snapshot (connection pools, balancer state,
// statistics) is keyed by the stable ids, which the compiler gives to names and never reuses for
// another name.
//
// Field meanings and defaults: Envoy's v3 API, field names where they differ are in the comments.
#ifndef MELTEMI_L7_CONFIG_SNAPSHOT_H_
#define MELTEMI_L7_CONFIG_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/ip_addr.h"
#include "l7/base/limits.h"
#include "l7/base/time.h"
#include "l7/config/chains.h"
#include "l7/config/health_check.h"
#include "l7/config/http2_options.h"
#include "l7/config/matchers.h"
#include "l7/config/outlier_detection.h"
#include "l7/config/rate_limit.h"
#include "l7/config/rbac.h"
#include "l7/config/route_index.h"
#include "l7/config/slow_start.h"
#include "l7/config/tcp_keepalive.h"
#include "l7/config/tls_settings.h"
#include "l7/config/values.h"
#include "re2/re2.h"

namespace meltemi::config {

struct RouteMatch {
  // kConnect: connect_matcher, any CONNECT; no other matches one, as it has no path.
  enum class Path : uint8_t { kPrefix, kExact, kSeparatedPrefix, kRegex, kConnect };
  Path path = Path::kPrefix;
  bool ignore_case = false;               // !case_sensitive; then path_value is lower case
  std::string path_value;                 // never contains a query
  std::unique_ptr<const RE2> path_regex;  // kRegex: full match of the path without query
  std::vector<HeaderMatch> headers;       // all must match
  std::vector<QueryMatch> queries;        // all must match
  std::optional<Fraction> fraction;       // runtime_fraction.default_value
};

struct RetryPolicy {
  // Bits of `on`.
  enum : uint32_t {
    k5xx = 1,
    kGatewayError = 2,
    kReset = 4,
    kConnectFailure = 8,
    kRefusedStream = 16,
    kRetriable4xx = 32,
    kRetriableStatusCodes = 64,
    kResetBeforeRequest = 128,
    kGrpcCancelled = 256,
    kGrpcDeadlineExceeded = 512,
    kGrpcInternal = 1024,
    kGrpcResourceExhausted = 2048,
    kGrpcUnavailable = 4096,
  };
  uint32_t on = 0;
  uint32_t retry_count_max = 1;                   // num_retries
  Duration per_try_timeout;                       // zero: the route's timeout only
  Duration backoff_base = Duration::Millis(25);   // retry_back_off.base_interval
  Duration backoff_max = Duration::Millis(250);   // .max_interval, default 10 x base
  std::vector<uint16_t> status_codes;             // retriable_status_codes, sorted
  bool previous_hosts = false;                    // retry_host_predicate previous_hosts
  uint32_t host_selection_attempt_count_max = 1;  // host_selection_retry_max_attempts
};

// envoy.extensions.filters.http.fault.v3.HTTPFault
struct Fault {
  std::optional<Fraction> delay_fraction;
  Duration delay;
  std::optional<Fraction> abort_fraction;
  uint16_t abort_status = 0;
  std::vector<HeaderMatch> headers;  // all must match, else the fault does not apply
};

struct WeightedCluster {
  uint32_t cluster = kNoIndex;  // index in Snapshot::clusters; kNoIndex: named but unknown (503 NC)
  uint32_t weight = 0;
  std::string name;  // as configured, for logs and dumps
  HeaderMutation headers;
};

// RouteAction.HashPolicy: what of a request a consistent balancer goes by.
struct HashPolicy {
  enum class Kind : uint8_t { kHeader, kCookie, kSourceIp, kQueryParameter };
  Kind kind = Kind::kHeader;
  bool terminal = false;        // when it has given a hash, those behind it are not asked
  std::string name;             // of the header (lower case), cookie or parameter
  std::optional<Duration> ttl;  // kCookie: one is made for whom has none; zero: of the session
  std::string path;             // kCookie: of the one that is made
};

// RouteAction.RequestMirrorPolicy: a copy of the request goes there, its response is thrown away.
struct Mirror {
  WeightedCluster target;  // unknown: no copy goes
  Fraction fraction{100, 100};
  bool host_suffix = true;  // "-shadow": !disable_shadow_host_suffix_append
};

// envoy.extensions.filters.http.cors.v3.CorsPolicy
struct Cors {
  std::vector<StringMatch> origins;                                   // one must match
  std::string allow_methods, allow_headers, expose_headers, max_age;  // as they are sent
  bool allow_credentials = false;
  bool forward_unmatched_preflights = true;              // forward_not_matching_preflights
  std::optional<Fraction> enabled = Fraction{100, 100};  // filter_enabled; absent: never
};

// upgrade_configs: by the value of Upgrade in lower case, whether it is enabled; "connect":
// CONNECT.
using Upgrades = std::vector<std::pair<std::string, bool>>;

struct Forward {                          // RouteAction
  std::vector<WeightedCluster> clusters;  // one or more
  uint64_t total_weight = 0;              // sum; > 0 unless there is one cluster
  uint16_t cluster_not_found_status = 503;
  Duration timeout = Duration::Seconds(15);  // zero: off
  std::optional<Duration> idle_timeout;      // overrides the connection manager's
  std::optional<Duration> max_grpc_timeout;  // calls say their own timeout, up to this; zero: any
  std::optional<Duration> stream_duration_max;      // max_stream_duration; zero: off
  std::optional<Duration> grpc_timeout_header_max;  // calls say their own duration, likewise
  std::optional<std::string> prefix_rewrite;
  std::unique_ptr<const RE2> regex_rewrite;  // with regex_substitution
  std::string regex_substitution;
  std::string host_rewrite;  // host_rewrite_literal; empty: none
  std::optional<RetryPolicy> retry;
  std::vector<HashPolicy> hash_policies;
  std::vector<Mirror> mirrors;             // request_mirror_policies
  std::vector<RateLimitRule> rate_limits;  // rate_limits
  bool include_host_rate_limits = false;   // include_vh_rate_limits
  Upgrades upgrades;                       // they count more than the connection manager's
  bool ends_connect = false;               // connect_config: CONNECT ends here, its bytes go on
};
struct Redirect {  // RedirectAction
  uint16_t status = 301;
  std::string scheme, host;  // empty: the request's
  uint16_t port = 0;         // 0: none
  std::optional<std::string> path, prefix_rewrite;
  bool strip_query = false;
};
struct DirectResponse {
  uint16_t status = 200;
  std::string body;
};

struct Route {
  std::string name;
  RouteMatch match;
  std::variant<Forward, Redirect, DirectResponse> action;
  HeaderMutation headers;
  std::optional<Fault> fault;  // typed_per_filter_config["envoy.filters.http.fault"]
  std::optional<Cors> cors;    // typed_per_filter_config["envoy.filters.http.cors"]
  // typed_per_filter_config["envoy.filters.http.local_ratelimit"]; null: none
  std::unique_ptr<const LocalRateLimit> rate_limit;
};

struct VirtualHost {
  std::string name;
  std::vector<std::string> domains;  // lower case
  std::vector<Route> routes;         // first match wins
  RouteIndex index;                  // of them
  HeaderMutation headers;
  std::optional<RetryPolicy> retry;  // for routes that have none
  std::optional<Fault> fault;
  std::optional<Cors> cors;
  std::unique_ptr<const LocalRateLimit> rate_limit;  // null: none
  std::vector<RateLimitRule> rate_limits;
};

// RouteConfiguration. Host lookup order: exact, longest "*.suffix", longest "prefix.*", "*".
struct RouteTable {
  std::string name;
  std::vector<VirtualHost> hosts;
  HeaderMutation headers;
  absl::flat_hash_map<std::string, uint32_t> exact;              // domain -> index in hosts
  std::vector<std::pair<std::string, uint32_t>> suffix, prefix;  // longest first, without '*'
  uint32_t any = kNoIndex;                                       // the host with domain "*"
};

struct AccessLog {
  std::string path;    // "/dev/stdout", a file
  std::string format;  // Envoy's command operators, text; ends with \n
};

// envoy.extensions.filters.network.http_connection_manager.v3
// codec_type of the HttpConnectionManager. kAuto: by the first bytes of a connection.
enum class HttpCodec : uint8_t { kAuto, kHttp1, kHttp2 };

// forward_client_cert_details: what becomes of x-forwarded-client-cert. All but kAlwaysForward take
// it from clients that have shown no certificate.
enum class ClientCertHeader : uint8_t {
  kSanitize,
  kForward,        // FORWARD_ONLY
  kAppend,         // APPEND_FORWARD
  kSet,            // SANITIZE_SET
  kAlwaysForward,  // ALWAYS_FORWARD_ONLY
};
// set_current_client_cert_details, for kAppend and kSet.
struct ClientCertDetails {
  bool cert = false, chain = false, subject = false, uri = false, dns = false;
  bool pem() const { return cert || chain; }
};

// Where envoy.filters.http.local_ratelimit stands in the chain of HTTP filters.
enum class RateLimitPlace : uint8_t { kNone, kFirst, kAfterCors, kLast };

struct HttpManager {
  std::string stat_prefix;
  uint32_t route_table =
      kNoIndex;  // kNoIndex: the named RouteConfiguration has not come yet: 404 NR
  std::string route_table_name;
  std::vector<AccessLog> access_logs;
  std::string server_name = "envoy";
  Duration stream_idle_timeout = Duration::Seconds(300);
  Duration request_timeout;                         // zero: off
  Duration request_headers_timeout;                 // zero: off
  Duration idle_timeout = Duration::Seconds(3600);  // common_http_protocol_options
  Duration stream_duration_max;                     // its max_stream_duration; zero: off
  uint32_t requests_per_connection_max = 0;         // its max_requests_per_connection; 0: no limit
  uint32_t header_bytes_max = 60 * 1024;
  uint32_t header_count_max = 100;
  HttpCodec codec = HttpCodec::kAuto;
  Http2Options http2;
  bool generate_request_id = true;
  bool use_remote_address = false;
  bool normalize_path = false;
  bool fault_filter = false;   // envoy.filters.http.fault is in the chain
  std::optional<Fault> fault;  // its own configuration; a route's overrides it
  bool cors_filter = false;    // envoy.filters.http.cors is in the chain
  RateLimitPlace rate_limit_place = RateLimitPlace::kNone;
  std::unique_ptr<const LocalRateLimit> rate_limit;  // its own; a host's and a route's override it
  ClientCertHeader client_cert_header = ClientCertHeader::kSanitize;
  ClientCertDetails client_cert_details;
  bool logs_peers = false;  // an access log has an operator about the peers (AccessRecord::peers)
  std::vector<Rbac> rbac;   // envoy.filters.http.rbac, before all other filters, in order
  Upgrades upgrades;
};

struct TcpProxy {
  std::string stat_prefix;
  std::vector<WeightedCluster> clusters;
  uint64_t total_weight = 0;
  Duration idle_timeout = Duration::Seconds(3600);
  uint32_t connect_attempt_count_max = 1;  // max_connect_attempts
  bool hash_source_ip = false;             // hash_policy.source_ip
  bool logs_peers = false;                 // as HttpManager's
  std::vector<Rbac> rbac;                  // envoy.filters.network.rbac, before the proxy, in order
  std::vector<AccessLog> access_logs;
};

enum class Direction : uint8_t { kUnspecified, kInbound, kOutbound };

// What a load balancer says of a client before the client's own bytes.
struct ProxyProtocol {
  bool required = true;       // false: allow_requests_without_proxy_protocol
  bool v1 = true, v2 = true;  // not among disallowed_versions
};

struct Listener {
  std::string name;
  std::vector<SockAddr> addresses;  // the address and its additional_addresses
  Direction direction = Direction::kUnspecified;
  uint32_t tls = kNoTls;                       // of the (one) filter chain: TlsSettings::stable_id
  std::variant<HttpManager, TcpProxy> filter;  // of the (one) filter chain
  // envoy.filters.network.local_ratelimit, before the filter.
  std::optional<ConnectionRateLimit> rate_limit;
  // Not empty: this listener has no `tls` and `filter` itself; a client's addresses and first bytes
  // choose among these, each a listener without addresses, named "<this>#<chain>".
  std::vector<ListenerChain> chains;
  uint32_t parent = kNoIndex;  // of a chain: whose it is
  // envoy.filters.listener.proxy_protocol: a header stands before those bytes.
  std::optional<ProxyProtocol> proxy_protocol;
  // listener_filters_timeout: how long those bytes may take; then the client is let go, or goes on
  // as one that has said nothing of TLS (continue_on_listener_filters_timeout: servers that speak
  // first).
  Duration sniff_timeout = limits::kSniffTimeout;
  bool plain_after_timeout = false;

  bool chooses_by_bytes() const;  // some chain asks for more than addresses
  // First bytes are looked at before the filter is told of a connection.
  bool sniffs() const { return proxy_protocol.has_value() || chooses_by_bytes(); }
};
// The listener whose chain takes such a client; without chains: the listener itself, `index`.
ChainChoice ChooseChain(const Listener& listener, uint32_t index, const Heard& heard);

const std::vector<Rbac>& RbacOf(const Listener& listener);

// A listener for datagrams. envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig
struct UdpListener {
  std::string name;
  std::vector<SockAddr> addresses;  // the address and its additional_addresses
  std::string stat_prefix;
  uint32_t cluster = kNoIndex;  // kNoIndex: named but unknown
  std::string cluster_name;
  Duration idle_timeout = Duration::Seconds(60);  // of a session
};

enum class Health : uint8_t { kHealthy, kDegraded, kUnhealthy, kDraining };

struct Endpoint {
  SockAddr address;
  uint32_t weight = 1;
  Health health = Health::kHealthy;
  uint32_t priority = 0;
  uint32_t stable_id = 0;        // of (cluster, address)
  std::string locality;          // "region/zone/sub_zone"
  uint32_t locality_weight = 0;  // of all its endpoints together; 0: none is given
  std::string workload;          // metadata "istio".workload, or ""
  bool mesh = false;             // metadata "envoy.transport_socket_match".tlsMode is "istio"
  // health_check_config: where to ask (0: at `address`), and whether.
  uint16_t check_port = 0;
  bool unchecked = false;
};

enum class LbPolicy : uint8_t {
  kRoundRobin,
  kLeastRequest,
  kRandom,
  kClusterProvided,
  kRingHash,
  kMaglev,
};
// The balancers that go by a hash of the request.
constexpr bool IsConsistent(LbPolicy lb) {
  return lb == LbPolicy::kRingHash || lb == LbPolicy::kMaglev;
}

// Where a consistent balancer looks hashes up: built with the snapshot (l7/config/hash_table.h),
// of all endpoints of one priority. Which of them may be used changes more often and is the
// worker's matter: it passes over the others.
struct HashTable {
  struct Point {
    uint64_t hash = 0;
    uint32_t endpoint = 0;  // index in Cluster::endpoints
  };
  uint32_t priority = 0;
  std::vector<Point> ring;       // RING_HASH: ascending hashes
  std::vector<uint32_t> maglev;  // MAGLEV: endpoints, by hash modulo its size
};
// kUnknown: as the cluster says.
enum class Spoken : uint8_t { kUnknown, kHttp1, kHttp2 };
enum class Discovery : uint8_t { kStatic, kEds, kOriginalDst, kStrictDns, kLogicalDns };

// Retries under way at a time, in percent of the requests under way, but at least so many.
struct RetryBudget {
  double percent = 20;
  uint32_t retries_min = 3;  // min_retry_concurrency
};
struct CircuitBreaker {  // Thresholds of priority DEFAULT
  uint32_t connections_max = 1024, pending_max = 1024, requests_max = 1024, retries_max = 3;
  std::optional<RetryBudget> retry_budget;  // instead of retries_max
};

// How connections to endpoints are secured.
// Of the PROXY header that a new connection to an endpoint begins with.
enum class ProxyVersion : uint8_t { kNone, kV1, kV2 };

struct ClusterTls {
  uint32_t settings = kNoTls;  // TlsSettings::stable_id
  bool by_source = false;      // TlsSettings::by_source
  bool operator==(const ClusterTls&) const = default;
};

struct Cluster {
  std::string name;
  uint32_t stable_id = 0;  // of the name
  Discovery discovery = Discovery::kStatic;
  LbPolicy lb = LbPolicy::kRoundRobin;
  uint32_t least_request_choice_count = 2;
  uint32_t ring_size_min = 1024, ring_size_max = 8 * 1024 * 1024;  // ring_hash_lb_config
  uint32_t maglev_size = 65537;                                    // maglev_lb_config.table_size
  uint32_t panic_percent = 50;                                     // healthy_panic_threshold
  Duration connect_timeout = Duration::Seconds(5);
  Duration idle_timeout = Duration::Seconds(3600);  // of pooled connections
  uint32_t requests_per_connection_max = 0;         // 0: no limit
  TcpKeepalive keepalive;                           // upstream_connection_options.tcp_keepalive
  std::optional<Http2Options> http2;                // to its endpoints; else HTTP/1.1
  bool follows_client = false;                      // use_downstream_protocol_config: only for
                                                    // requests that came by HTTP/2
  ClusterTls tls;                                   // transport_socket
  std::optional<ClusterTls> mesh_tls;               // transport_socket_matches: of `mesh` endpoints
  ProxyVersion proxy_protocol =
      ProxyVersion::kNone;  // envoy.transport_sockets.upstream_proxy_protocol
  CircuitBreaker breaker;
  std::optional<OutlierDetection> outlier;
  std::optional<SlowStart> slow_start;      // of kRoundRobin and kLeastRequest
  uint32_t overprovisioning_percent = 140;  // of the load assignment
  bool locality_weighted = false;           // locality_weighted_lb_config
  std::optional<HealthCheck> health_check;
  bool removal_ignores_health = false;  // ignore_health_on_host_removal
  std::vector<Endpoint> endpoints;      // all of them, in the order of the configuration
  std::vector<HashTable> hash_tables;   // IsConsistent(lb): by ascending priority
};

// A workload of this node, from the bootstrap: the source identity of its port.
struct Workload {
  std::string name, ns, service_account;
  std::string identity;  // "spiffe://..."; empty: the node has no CA
  std::vector<IpAddr> addresses;
  std::vector<std::pair<std::string, std::string>> labels;
};

struct Snapshot {
  uint64_t sequence = 0;     // grows by one with each snapshot of this process
  std::string version_text;  // "cds=... eds=... lds=... rds=..." for dumps
  std::vector<Listener> listeners;
  std::vector<UdpListener> udp_listeners;
  std::vector<RouteTable> route_tables;
  std::vector<Cluster> clusters;
  std::vector<TlsSettings> tls;      // ascending stable ids
  std::vector<TokenBucket> buckets;  // that the workers share, each once, by ascending ids
  absl::flat_hash_map<std::string, uint32_t> cluster_by_name;
  // Listener lookup: address and port -> index in listeners, per direction; the unspecified address
  // of a family is the wildcard of that family.
  absl::flat_hash_map<SockAddr, uint32_t> outbound;  // kOutbound and kUnspecified listeners
  absl::flat_hash_map<SockAddr, uint32_t> inbound;   // kInbound and kUnspecified listeners

  absl::flat_hash_map<SockAddr, uint32_t> udp;  // -> index in udp_listeners

  // Of `inbound`, those that take the mesh's mutual TLS: -> the listener (of a chain) that does. A
  // connection to such an address that does not leave the node is what that listener would have
  // taken, with both identities known and no TLS.
  struct MeshInbound {
    uint32_t listener = kNoIndex;
    std::string identity;  // whose certificate it shows, when that is a secret named by it
  };
  absl::flat_hash_map<SockAddr, MeshInbound> mesh_inbound;
  // What the HTTP servers behind kInbound listeners are spoken to with. Nobody translates for those
  // of this node, to which no listener is passed: an exchange speaks it to them itself.
  absl::flat_hash_map<SockAddr, Spoken> spoken;
  // Of kInbound listeners with RBAC: the one whose rules hold for what comes without TLS from
  // a pod of this node. An exchange that goes straight to such an address is subject to them. Port
  // 0: of every port without a listener of its own.
  absl::flat_hash_map<SockAddr, uint32_t> guarded;

  // The listener for a connection to `destination`, exact before wildcard; kNoIndex: none.
  uint32_t FindListener(Direction direction, const SockAddr& destination) const;
  uint32_t FindUdpListener(const SockAddr& destination) const;
  uint32_t FindGuard(const SockAddr& destination) const;               // kNoIndex: none
  const TlsSettings* FindTls(uint32_t stable_id) const;                // null: none
  const Listener* FindMeshInbound(const SockAddr& destination) const;  // null: none
  std::string MeshIdentityOf(const SockAddr& destination) const;       // empty: none
  Spoken SpokenAt(const SockAddr& destination) const;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_SNAPSHOT_H_
