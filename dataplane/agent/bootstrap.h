// Bootstrap: what a node is started with. Envoy's bootstrap file (YAML or JSON: node, admin,
// static_resources, dynamic_resources) and a `meltemi` section for ports, addresses, routes,
// workers and workloads. Read once on the control thread. Strict: an unknown field or a bad value
// is an error that names the file and the field's path.
#ifndef MELTEMI_DATAPLANE_AGENT_BOOTSTRAP_H_
#define MELTEMI_DATAPLANE_AGENT_BOOTSTRAP_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "l7/base/ip_addr.h"
#include "l7/base/time.h"
#include "l7/config/snapshot.h"
#include "l7/policy/overload.h"

namespace meltemi::agent {

enum class PortRole : uint8_t { kPod, kUplink };

struct PortConfig {
  std::string name;
  std::string device;  // see dataplane/nic/make_port.h
  PortRole kind = PortRole::kPod;
  std::vector<std::pair<IpAddr, IpPrefix>>
      addresses;         // the plane's own address, its on-link prefix
  std::string workload;  // kPod: "name.namespace"
  uint16_t mtu = 1500;
  std::optional<std::array<uint8_t, 6>> mac;

  bool operator==(const PortConfig&) const = default;
};

struct RouteConfig {
  IpPrefix prefix;
  std::optional<IpAddr> via;
  std::string port;
};

struct WorkloadConfig {
  config::Workload workload;
  std::string port;
};

// Where the certificates of the node's identities come from, and how the node proves itself.
struct CaConfig {
  std::string address;      // "host:port"
  std::string server_name;  // that its certificate must have; empty: the host
  std::string roots_path;   // PEM
  std::string trust_domain;
  std::string node_account;  // "NAMESPACE/ACCOUNT" of the node plane
  std::string token_path;    // one of these two
  std::string join_token_path;
  Duration ttl;  // of certificates; zero: the CA's default

  bool operator==(const CaConfig&) const = default;
};

// How the control plane is called over TLS.
struct AdsTls {
  std::string server_name;  // that its certificate must have; empty: the host
  std::string roots_path;   // PEM; empty: what the CA is verified with
  std::string chain_path;   // PEM; both empty: the node's own certificate from its CA
  std::string key_path;

  bool operator==(const AdsTls&) const = default;
};

struct Bootstrap {
  envoy::config::core::v3::Node node;  // with metadata WORKLOADS filled in
  std::optional<SockAddr> admin;
  std::string ads_target;         // "host:port" of the ADS server; empty: static resources only
  std::optional<AdsTls> ads_tls;  // without: plain text
  std::vector<envoy::config::listener::v3::Listener> listeners;  // static_resources
  std::vector<envoy::config::cluster::v3::Cluster> clusters;
  std::vector<envoy::extensions::transport_sockets::tls::v3::Secret> secrets;

  std::optional<policy::OverloadSettings> overload;  // absent: nothing is watched

  int workers = 1;
  std::vector<int> cpus;  // one per worker; empty: not pinned
  Duration busy_poll_max = Duration::Micros(200);
  Duration idle_nap_max = Duration::Millis(4);
  uint32_t memory_mb = 128;
  bool hugepages = false;
  std::string access_log_path;
  uint32_t connections_max = 0;  // per worker; 0: limits::kTcpConnCountMax
  int handshake_threads = 1;     // that compute TLS handshakes, for all workers
  std::vector<PortConfig> ports;
  std::vector<RouteConfig> routes;
  std::vector<WorkloadConfig> workloads;
  std::optional<CaConfig> ca;
  std::string json;  // the whole file as JSON, for /config_dump
};

// "spiffe://cluster.local/ns/shop/sa/reviews"; of the node plane, and of all workloads.
std::string NodeIdentity(const CaConfig& ca);
std::set<std::string> LocalIdentities(const Bootstrap& bootstrap, const CaConfig& ca);

// `file` is only for messages.
absl::StatusOr<Bootstrap> ParseBootstrap(std::string_view text, std::string_view file);
absl::StatusOr<Bootstrap> LoadBootstrap(const std::string& path);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_BOOTSTRAP_H_
