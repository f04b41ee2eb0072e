// The parts of the compiler, one file per resource and shared message. Internal to l7/config.
//
// Each part first lets the FieldTable refuse what is not implemented, then translates what is left.
// Errors carry paths relative to the message given. Called by Compiler, on its thread.
#ifndef MELTEMI_L7_CONFIG_COMPILE_PARTS_H_
#define MELTEMI_L7_CONFIG_COMPILE_PARTS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "l7/config/compile.h"
#include "l7/config/field_error.h"
#include "l7/config/field_table.h"
#include "l7/config/snapshot.h"

namespace meltemi::config {

// What the parts of one compilation share.
struct CompileContext {
  const FieldTable& fields;
  const CompilerOptions& options;
  StableIds* ids;
  Snapshot* snapshot;  // its clusters are complete when routes and listeners are compiled
  const ResolvedNames* resolved = nullptr;
  absl::flat_hash_map<std::string, uint32_t> route_table_by_name;
  // Set: a resource that is wrong is noted here and left out. Not set: it ends the compilation.
  std::vector<Refusal>* refusals = nullptr;
  // The resource being compiled, and the part of it: what token buckets are known by.
  std::string place;
  size_t route_count = 0;
  size_t endpoint_count = 0;
  size_t hash_point_count = 0;
  HashTableCache* hash_tables = nullptr;  // not set: only checked, no tables are built
};

// The index of a cluster, or kNoIndex.
uint32_t FindCluster(const CompileContext& context, const std::string& name);

// compile_values.cc
absl::StatusOr<Duration> CompileDuration(const google::protobuf::Duration& from);
// A zero numerator is absence: it never happens.
absl::StatusOr<std::optional<Fraction>> CompileFraction(
    const envoy::type::v3::FractionalPercent& from);
// `port_min` 0: the port may be 0.
absl::StatusOr<SockAddr> CompileAddress(const envoy::config::core::v3::Address& from,
                                        envoy::config::core::v3::SocketAddress::Protocol wanted =
                                            envoy::config::core::v3::SocketAddress::TCP,
                                        uint32_t port_min = 1);
absl::StatusOr<IpPrefix> CompilePrefix(const envoy::config::core::v3::CidrRange& from);
absl::StatusOr<std::unique_ptr<const RE2>> CompileRegex(
    const envoy::type::matcher::v3::RegexMatcher& from);
absl::StatusOr<StringMatch> CompileString(const envoy::type::matcher::v3::StringMatcher& from);
absl::Status CompileHttp2(const envoy::config::core::v3::Http2ProtocolOptions& from,
                          Http2Options* to);  // compile_http2.cc
absl::Status CheckRawBuffer(const envoy::config::core::v3::TransportSocket& socket);
// The last part of an Any's type URL, "envoy.config...".
std::string_view TypeName(const google::protobuf::Any& any);

// Unpacks `any` into `to` and checks its fields. The message type must match.
absl::Status Unpack(const FieldTable& fields, const google::protobuf::Any& any,
                    google::protobuf::Message* to);

// compile_upgrades.cc
absl::Status AddUpgrade(const std::string& type, bool enabled, Upgrades* to);
// Works for both messages with that field.
template <typename Message>
absl::StatusOr<Upgrades> CompileUpgrades(const Message& from) {
  Upgrades to;
  for (int i = 0; i < from.upgrade_configs_size(); ++i) {
    const auto& entry = from.upgrade_configs(i);
    const bool enabled = !entry.has_enabled() || entry.enabled().value();
    RETURN_IF_ERROR_AT(Indexed("upgrade_configs", i),
                       AddUpgrade(entry.upgrade_type(), enabled, &to));
  }
  return to;
}

// compile_headers.cc
absl::Status CheckHeaderName(const std::string& name);
using HeaderMatchers = google::protobuf::RepeatedPtrField<envoy::config::route::v3::HeaderMatcher>;
absl::StatusOr<HeaderMatch> CompileHeaderMatch(const envoy::config::route::v3::HeaderMatcher& from);
absl::StatusOr<std::vector<HeaderMatch>> CompileHeaderMatches(const HeaderMatchers& from);

using HeaderOptions =
    google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>;
using HeaderNames = google::protobuf::RepeatedPtrField<std::string>;
absl::Status CompileHeaderAdds(std::string_view field, const HeaderOptions& from,
                               std::vector<HeaderAdd>* to);
absl::Status CompileHeaderRemoves(std::string_view field, const HeaderNames& from,
                                  std::vector<std::string>* to);
// Works for every message with the four standard fields.
template <typename Message>
absl::StatusOr<HeaderMutation> CompileHeaderMutation(const Message& from) {
  HeaderMutation to;
  RETURN_IF_ERROR(
      CompileHeaderAdds("request_headers_to_add", from.request_headers_to_add(), &to.request_add));
  RETURN_IF_ERROR(CompileHeaderRemoves("request_headers_to_remove",
                                       from.request_headers_to_remove(), &to.request_remove));
  RETURN_IF_ERROR(CompileHeaderAdds("response_headers_to_add", from.response_headers_to_add(),
                                    &to.response_add));
  RETURN_IF_ERROR(CompileHeaderRemoves("response_headers_to_remove",
                                       from.response_headers_to_remove(), &to.response_remove));
  return to;
}

// compile_fault.cc
absl::StatusOr<Fault> CompileFault(
    const envoy::extensions::filters::http::fault::v3::HTTPFault& from);
using PerFilterConfig = google::protobuf::Map<std::string, google::protobuf::Any>;

// compile_rate_limit.cc. `place`: of its buckets.
enum class RateLimitOf : uint8_t { kManager, kRoute };  // kRoute: it must have a bucket
absl::StatusOr<std::unique_ptr<const LocalRateLimit>> CompileLocalRateLimit(
    const CompileContext& context, const google::protobuf::Any& from, std::string_view place,
    RateLimitOf of);
// Absent: switched off.
absl::Status CompileConnectionRateLimit(const CompileContext& context,
                                        const google::protobuf::Any& from, std::string_view place,
                                        std::optional<ConnectionRateLimit>* to);
using RateLimits = google::protobuf::RepeatedPtrField<envoy::config::route::v3::RateLimit>;
absl::StatusOr<std::vector<RateLimitRule>> CompileRateLimitRules(const RateLimits& from);

// compile_cors.cc
inline constexpr char kFaultFilter[] = "envoy.filters.http.fault";
inline constexpr char kCorsFilter[] = "envoy.filters.http.cors";
inline constexpr char kRateLimitFilter[] = "envoy.filters.http.local_ratelimit";
// A route or a virtual host.
struct PerFilter {
  std::optional<Fault>* fault;
  std::optional<Cors>* cors;
  std::unique_ptr<const LocalRateLimit>* rate_limit;
};
template <typename Owner>
PerFilter PerFilterOf(Owner* owner) {
  return {.fault = &owner->fault, .cors = &owner->cors, .rate_limit = &owner->rate_limit};
}
// Sets what is not set yet: the more specific is compiled first.
absl::Status CompilePerFilter(const CompileContext& context, const PerFilterConfig& from,
                              const PerFilter& to);

// compile_rbac.cc
absl::StatusOr<Rbac> CompileHttpRbac(const CompileContext& context,
                                     const google::protobuf::Any& from);
absl::StatusOr<Rbac> CompileNetworkRbac(const CompileContext& context,
                                        const google::protobuf::Any& from);

// compile_access_log.cc
using AccessLogs = google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>;
absl::StatusOr<std::vector<AccessLog>> CompileAccessLogs(const CompileContext& context,
                                                         const AccessLogs& from);
bool NameThePeers(const std::vector<AccessLog>& logs);

// compile_listener.cc, compile_http_manager.cc
// First the listener that has the addresses, then one for each chain to choose among, in the order
// of its `chains`, whose indices are the caller's to set.
absl::StatusOr<std::vector<Listener>> CompileListener(
    CompileContext* context, const envoy::config::listener::v3::Listener& from);
// compile_chains.cc
absl::StatusOr<ChainMatch> CompileChainMatch(
    const envoy::config::listener::v3::FilterChainMatch& from);
// Two chains that the same client could take with equal right.
bool Clash(const ChainMatch& a, const ChainMatch& b);
// A name that the chain keeps when others come and go.
std::string NameOfChain(const envoy::config::listener::v3::FilterChain& from,
                        const ChainMatch& match);
size_t PrefixCountOf(const ChainMatch& match);
// compile_udp_listener.cc: listeners whose address is UDP's.
bool IsUdp(const envoy::config::listener::v3::Listener& from);
absl::StatusOr<UdpListener> CompileUdpListener(CompileContext* context,
                                               const envoy::config::listener::v3::Listener& from);
absl::StatusOr<std::vector<SockAddr>> CompileAddresses(
    const envoy::config::listener::v3::Listener& from,
    envoy::config::core::v3::SocketAddress::Protocol wanted);
absl::StatusOr<HttpManager> CompileHttpManager(CompileContext* context,
                                               const google::protobuf::Any& from);
absl::StatusOr<TcpProxy> CompileTcpProxy(CompileContext* context,
                                         const google::protobuf::Any& from);

// compile_tls.cc: the stable id of the settings, which are put into the snapshot; kNoTls for plain.
enum class PeerPem : uint8_t { kForget, kKeep };  // TlsSettings::keep_peer_pem
// Of a listener filter's configuration; an empty one has Envoy's defaults.
absl::StatusOr<ProxyProtocol> CompileProxyProtocol(const CompileContext& context,
                                                   const google::protobuf::Any& any);
// What a cluster's socket says of it; `socket` becomes the one inside.
absl::StatusOr<ProxyVersion> UnwrapProxyProtocol(const CompileContext& context,
                                                 envoy::config::core::v3::TransportSocket* socket);
absl::StatusOr<uint32_t> CompileServerTls(CompileContext* context,
                                          const envoy::config::core::v3::TransportSocket& from,
                                          PeerPem pem);
absl::StatusOr<uint32_t> CompileClientTls(CompileContext* context,
                                          const envoy::config::core::v3::TransportSocket& from);
absl::StatusOr<TlsSecret> CompileTlsSecret(
    const FieldTable& fields, const envoy::extensions::transport_sockets::tls::v3::Secret& from);

// compile_route_table.cc, compile_route.cc, compile_route_action.cc, compile_retry.cc
absl::StatusOr<RouteTable> CompileRouteTable(
    CompileContext* context, const envoy::config::route::v3::RouteConfiguration& from);
absl::StatusOr<RouteMatch> CompileRouteMatch(const envoy::config::route::v3::RouteMatch& from);
struct DirectResponseLimits {
  uint32_t body_bytes_max = 0;
};
absl::StatusOr<Route> CompileRoute(const CompileContext& context,  // whose place is the route's
                                   const envoy::config::route::v3::Route& from,
                                   DirectResponseLimits limits);
absl::StatusOr<Forward> CompileForward(const CompileContext& context,
                                       const envoy::config::route::v3::RouteAction& from);
absl::StatusOr<Redirect> CompileRedirect(const envoy::config::route::v3::RedirectAction& from);
absl::StatusOr<RetryPolicy> CompileRetryPolicy(const envoy::config::route::v3::RetryPolicy& from);

// compile_health_check.cc
absl::StatusOr<HealthCheck> CompileHealthCheck(const envoy::config::core::v3::HealthCheck& from);

// compile_outlier.cc
absl::Status CompileOutlierDetection(const envoy::config::cluster::v3::OutlierDetection& from,
                                     OutlierDetection* to);

// compile_cluster.cc, compile_endpoints.cc
absl::StatusOr<Cluster> CompileCluster(CompileContext* context,
                                       const envoy::config::cluster::v3::Cluster& from);
uint32_t OverprovisioningPercent(const envoy::config::endpoint::v3::ClusterLoadAssignment& from);
absl::StatusOr<std::vector<Endpoint>> CompileEndpoints(
    CompileContext* context, uint32_t cluster_id,
    const envoy::config::endpoint::v3::ClusterLoadAssignment& from);
// Of a DNS cluster: endpoints may be given by host name. STRICT_DNS has all of a name's addresses,
// LOGICAL_DNS one name and one address.
absl::StatusOr<std::vector<Endpoint>> CompileDnsEndpoints(
    CompileContext* context, const envoy::config::cluster::v3::Cluster& from, const Cluster& to);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_COMPILE_PARTS_H_
