// The objects operators write, as plain typed values: what a parsed and locally valid Service, Pod,
// WorkloadEntry, VirtualService, DestinationRule or ServiceEntry says. References between objects
// are still names here; model.h resolves them. Pure; knows no YAML and no protobuf.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_TYPES_H_
#define MELTEMI_CONTROL_PILOT_MODEL_TYPES_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "control/pilot/model/authorization.h"
#include "control/pilot/model/meta.h"

namespace meltemi::control::pilot::model {

// How the bytes of a port are understood.
enum class Protocol { kTcp, kTls, kHttp, kHttp2, kGrpc, kUdp };

constexpr bool IsHttp(Protocol protocol) {
  return protocol == Protocol::kHttp || protocol == Protocol::kHttp2 || protocol == Protocol::kGrpc;
}

struct ServicePort {
  std::string name;
  uint32_t number = 0;
  uint32_t target_number = 0;  // 0: target_name, or the same number when that is empty too
  std::string target_name;
  Protocol protocol = Protocol::kTcp;
};

struct Service {
  Meta meta;
  Labels selector;
  std::vector<ServicePort> ports;
  std::vector<std::string> cluster_ips;
  bool headless = false;
  bool publish_not_ready = false;
};

struct Pod {
  Meta meta;
  std::vector<std::string> ips;
  std::map<std::string, uint32_t> named_ports;
  std::string workload;  // the ReplicaSet's name without its hash, or the pod's own
  std::string node;
  std::string service_account;
  bool ended = false;  // its address may be another's by now
  bool ready = true;   // then it is running
};

// v1 Endpoints or discovery.k8s.io/v1 EndpointSlice: addresses given explicitly.
struct EndpointGroup {
  struct Address {
    std::vector<std::string> ips;
    std::string pod;  // targetRef of kind Pod
    std::string zone;
    bool ready = true;
  };
  struct Port {
    std::string name;
    uint32_t number = 0;
  };
  Meta meta;
  std::string service;
  bool slice = false;
  std::vector<Address> addresses;
  std::vector<Port> ports;
};

// Kind WorkloadEntry, and the endpoints of a ServiceEntry.
struct WorkloadEntry {
  Meta meta;
  std::string address;
  std::map<std::string, uint32_t> ports;
  Labels labels;
  std::string locality;
  std::string service_account;
  uint32_t weight = 1;
};

enum class Resolution { kStatic, kDns, kDnsRoundRobin, kNone };

struct ServiceEntry {
  Meta meta;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<ServicePort> ports;
  bool external = true;
  Resolution resolution = Resolution::kNone;
  std::vector<WorkloadEntry> endpoints;
  std::optional<Labels> workload_selector;
};

struct StringMatch {
  enum class Kind { kPresent, kExact, kPrefix, kRegex };
  Kind kind = Kind::kPresent;
  std::string value;
};

struct Destination {
  std::string host;  // as written
  std::string subset;
  uint32_t port = 0;  // 0: not given
};

struct HeaderOps {
  std::map<std::string, std::string> set;
  std::map<std::string, std::string> add;
  std::vector<std::string> remove;
};

struct RouteDestination {
  Destination destination;
  std::optional<uint32_t> weight;
  HeaderOps request;
  HeaderOps response;
};

// Who a client is, by what its workload's Pod or WorkloadEntry says.
struct SourceMatch {
  Labels labels;   // it has them all
  std::string ns;  // empty: any

  bool any() const { return labels.empty() && ns.empty(); }
  bool operator==(const SourceMatch&) const = default;
  auto operator<=>(const SourceMatch&) const = default;
};

struct HttpMatch {
  std::string name;
  std::optional<StringMatch> uri;
  std::optional<StringMatch> scheme;
  std::optional<StringMatch> method;
  std::optional<StringMatch> authority;
  std::map<std::string, StringMatch> headers;
  std::map<std::string, StringMatch> without_headers;
  std::map<std::string, StringMatch> query_params;
  uint32_t port = 0;
  bool ignore_uri_case = false;
  std::vector<std::string> gateways;  // as the rule's; empty: all of the rule's
  SourceMatch source;
};

struct Redirect {
  std::string uri;
  std::string prefix_rewrite;
  std::string authority;
  std::string scheme;
  uint32_t port = 0;
  bool request_port = false;  // derivePort: the one the request came in on
  uint32_t code = 301;
};

struct Rewrite {
  std::string uri;
  std::string authority;
  std::string regex;
  std::string regex_rewrite;
};

struct DirectResponse {
  uint32_t status = 0;
  std::string body;
  bool text = true;  // body.string, not body.bytes
};

struct Retries {
  uint32_t attempts = 2;
  std::optional<absl::Duration> per_try_timeout;
  std::optional<absl::Duration> backoff;
  std::string retry_on;  // policies, comma separated; empty: the default
  std::vector<uint32_t> status_codes;
  bool ignore_previous_hosts = true;
};

// Share of requests in millionths.
struct Fault {
  struct Delay {
    absl::Duration fixed;
    uint32_t per_million = 0;
  };
  struct Abort {
    uint32_t http_status = 0;
    uint32_t per_million = 0;
  };
  std::optional<Delay> delay;
  std::optional<Abort> abort;
};

// corsPolicy. unmatched_preflights absent: forwarded, as the proxy's default.
struct CorsPolicy {
  std::vector<StringMatch> allow_origins;
  std::vector<std::string> allow_methods, allow_headers, expose_headers;
  std::optional<absl::Duration> max_age;
  std::optional<bool> allow_credentials;
  std::optional<bool> forward_unmatched_preflights;
};

struct Mirror {
  std::string path;  // where the route says it: "mirror", "mirrors[1].destination"
  Destination destination;
  uint32_t per_million = 1'000'000;
};

struct HttpRoute {
  std::string path;  // where its rule says it: "spec.http[3]"
  std::string name;
  std::vector<HttpMatch> match;
  std::vector<RouteDestination> route;
  std::optional<Redirect> redirect;
  std::optional<Rewrite> rewrite;
  std::optional<DirectResponse> direct_response;
  std::optional<absl::Duration> timeout;
  std::optional<Retries> retries;
  std::optional<Fault> fault;
  std::optional<CorsPolicy> cors;
  std::vector<Mirror> mirrors;
  HeaderOps request;
  HeaderOps response;
  // "namespace/name" of the rule that takes its place; of a model's route: that it comes from.
  std::string delegate;
};

// One entry of match of a tcp or tls route.
struct L4Match {
  uint32_t port = 0;                   // 0: every port
  std::vector<std::string> gateways;   // as HttpMatch's
  std::vector<std::string> sni_hosts;  // of tls routes
  std::vector<std::string> subnets;    // destinationSubnets, "10.0.0.0/8"; empty: every address
  SourceMatch source;
};

struct TcpRoute {
  std::vector<L4Match> match;  // empty: everything
  std::vector<RouteDestination> route;
};

struct VirtualService {
  Meta meta;
  std::vector<std::string> hosts;  // as written; none: others delegate to it
  // "mesh", or a Gateway's "namespace/name"; where nothing is written: "mesh".
  std::vector<std::string> gateways;
  std::vector<HttpRoute> http;
  std::vector<TcpRoute> tls;  // by SNI
  std::vector<TcpRoute> tcp;

  bool AppliesTo(const std::string& gateway) const {
    return std::find(gateways.begin(), gateways.end(), gateway) != gateways.end();
  }
};
inline constexpr char kMeshGateway[] = "mesh";

// What a port of a gateway shows its clients, and asks of them.
enum class ServerTlsMode { kPassthrough, kSimple, kMutual, kOptionalMutual, kIstioMutual };
struct ServerTls {
  ServerTlsMode mode = ServerTlsMode::kPassthrough;
  std::vector<std::pair<std::string, std::string>> certificates;  // files of the node: chain, key
  std::string ca_certificates;                                    // a file
  // Instead of files: a Secret of the namespace of the workload that the Gateway runs on.
  std::string credential_name;
  std::vector<std::string> subject_alt_names;
  int version_min = 0, version_max = 0;  // 12, 13; 0: the default
  std::vector<std::string> cipher_suites;
};

// How a gateway's port is understood: kTls is passed on by SNI, or unwrapped to TCP.
enum class ServerProtocol { kHttp, kHttps, kTls, kTcp };
struct GatewayServer {
  uint32_t port = 0;
  std::string port_name;
  ServerProtocol protocol = ServerProtocol::kTcp;
  // The namespace whose rules may use it ("*": all) and a host name, "*" or "*.suffix".
  std::vector<std::pair<std::string, std::string>> hosts;
  bool https_redirect = false;
  std::optional<ServerTls> tls;  // kHttps, kTls
};

struct Gateway {
  Meta meta;
  Labels selector;  // of the workloads it runs on
  std::vector<GatewayServer> servers;

  std::string Name() const { return absl::StrCat(meta.ns, "/", meta.name); }
};

// kind Secret: its values, decoded. Never to be shown.
struct Secret {
  Meta meta;
  std::map<std::string, std::string> data;
};

enum class Balancer {
  kUnspecified,
  kLeastRequest,
  kRoundRobin,
  kRandom,
  kPassthrough,
  kRingHash,
  kMaglev,
};

// What of a request decides its endpoint: consistentHash of a DestinationRule. Exactly one is set.
struct ConsistentHash {
  std::string header, query_parameter;
  bool source_ip = false;
  std::string cookie, cookie_path;
  std::optional<absl::Duration> cookie_ttl;
  std::optional<uint64_t> ring_size_min, table_size;
};

// Slow start of endpoints that are new, by these two balancers: kRoundRobin, kLeastRequest.
struct Warmup {
  absl::Duration duration;
  // Of warmup, which has these, and not of the deprecated warmupDurationSecs.
  std::optional<double> minimum_percent, aggression;
};

// localityLbSetting: where requests go first, by how near endpoints are. One of the three at most,
// but that failover may add to failoverPriority.
struct LocalityLb {
  struct Distribution {
    std::string from;                    // "region/zone/subzone", with "*"
    std::map<std::string, uint32_t> to;  // percent by place
  };
  struct Failover {
    std::string from, to;  // regions
  };
  enum class Part { kRegion, kZone, kSubzone };
  std::optional<bool> enabled;
  std::vector<Distribution> distribute;
  std::vector<Failover> failover;
  std::vector<Part> failover_priority;
};

struct TcpKeepalive {
  std::optional<uint32_t> probes;
  std::optional<absl::Duration> time;
  std::optional<absl::Duration> interval;
};

enum class H2Upgrade { kDefault, kDoNotUpgrade, kUpgrade };
struct Http2Keepalive {
  absl::Duration interval, timeout;
};
struct ConnectionPool {
  std::optional<uint32_t> max_connections;
  std::optional<absl::Duration> connect_timeout;
  std::optional<TcpKeepalive> keepalive;
  std::optional<absl::Duration> tcp_idle_timeout;
  std::optional<uint32_t> max_pending_requests;
  std::optional<uint32_t> max_requests;
  std::optional<uint32_t> max_requests_per_connection;
  std::optional<uint32_t> max_retries;
  std::optional<absl::Duration> http_idle_timeout;
  H2Upgrade h2_upgrade = H2Upgrade::kDefault;
  bool use_client_protocol = false;
  std::optional<uint32_t> max_concurrent_streams;
  std::optional<Http2Keepalive> http2_keepalive;
};

struct OutlierDetection {
  std::optional<uint32_t> consecutive_5xx;
  std::optional<uint32_t> consecutive_gateway;
  std::optional<uint32_t> consecutive_local_origin;
  bool split_local_origin = false;
  std::optional<absl::Duration> interval;
  std::optional<absl::Duration> base_ejection_time;
  std::optional<uint32_t> max_ejection_percent;
  uint32_t min_health_percent = 0;
};

// How to speak to the destination. ISTIO_MUTUAL: with the mesh's own identities.
enum class TlsMode { kDisable, kSimple, kMutual, kIstioMutual };
struct ClientTls {
  TlsMode mode = TlsMode::kDisable;
  // Files of the node. Without ca_certificates the system's authorities are trusted.
  std::string client_certificate, private_key, ca_certificates;
  std::vector<std::string> subject_alt_names;  // empty: the server's name
  std::string sni;                             // empty: the service's host name
  bool insecure_skip_verify = false;
};

struct RetryBudget {
  double percent = 20;
  uint32_t min_concurrency = 3;
};

enum class ProxyVersion { kV1, kV2 };

struct TrafficBlocks {
  std::optional<Balancer> balancer;
  ConsistentHash hash;  // the balancer is kRingHash or kMaglev
  std::optional<Warmup> warmup;
  std::optional<LocalityLb> locality;
  std::optional<ConnectionPool> pool;
  std::optional<OutlierDetection> outlier;
  std::optional<ClientTls> tls;
  std::optional<RetryBudget> retry_budget;     // of all ports
  std::optional<ProxyVersion> proxy_protocol;  // of all ports
  // Where the rule says it: "spec.subsets[1].trafficPolicy.connectionPool"; empty: nowhere.
  std::string balancer_path, pool_path, outlier_path, tls_path;
};

struct TrafficPolicy {
  TrafficBlocks all;
  std::map<uint32_t, TrafficBlocks> ports;  // portLevelSettings
};

struct Subset {
  std::string name;
  Labels labels;
  TrafficPolicy policy;
};

struct DestinationRule {
  Meta meta;
  std::string host;  // as written
  TrafficPolicy policy;
  std::vector<Subset> subsets;
};

// What a workload takes from its peers.
enum class PeerMode { kUnset, kDisable, kPermissive, kStrict };
struct PeerAuthentication {
  Meta meta;
  Labels selector;  // empty: of the namespace, or of the mesh where that is the root namespace
  PeerMode mode = PeerMode::kUnset;    // kUnset: what stands above it says
  std::map<uint32_t, PeerMode> ports;  // portLevelMtls, by the workload's port
};

// One object as it was written, to show, to compare and to write back.
struct Document {
  Meta meta;
  std::string api_version;
  std::string yaml;
  std::string shown = {};  // to whoever asks, where that is less: a Secret without its values

  const std::string& Shown() const { return shown.empty() ? yaml : shown; }
};

// Everything a set of files says.
struct Objects {
  std::vector<Document> documents;
  std::vector<Service> services;
  std::vector<Pod> pods;
  std::vector<EndpointGroup> endpoint_groups;
  std::vector<WorkloadEntry> workload_entries;
  std::vector<ServiceEntry> service_entries;
  std::vector<VirtualService> virtual_services;
  std::vector<DestinationRule> destination_rules;
  std::vector<PeerAuthentication> peer_authentications;
  std::vector<Gateway> gateways;
  std::vector<Secret> secrets;
  std::vector<AuthorizationPolicy> authorization_policies;
};

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_TYPES_H_
