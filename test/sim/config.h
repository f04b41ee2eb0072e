// Configurations of the simulated plane, built as l7/config's compiler would: one HTTP listener on
// a port of any address, routes by path prefix, clusters of fixed endpoints, and listeners that
// pass opaque TCP through. Built by
// hand so that a simulation needs no protobuf; what the compiler makes of protos has its own tests.
#ifndef MELTEMI_TEST_SIM_CONFIG_H_
#define MELTEMI_TEST_SIM_CONFIG_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "l7/base/ip_addr.h"
#include "l7/base/time.h"
#include "l7/config/snapshot.h"

namespace meltemi::sim {

struct ClusterSpec {
  std::string name;
  std::vector<SockAddr> endpoints;
  config::LbPolicy lb = config::LbPolicy::kRoundRobin;
  Duration connect_timeout = Duration::Seconds(10);
  Duration idle_timeout = Duration::Seconds(5);  // of pooled connections
  uint32_t tls = config::kNoTls;
  bool original_destination = false;  // instead of endpoints: whatever the client has dialled
  std::optional<config::OutlierDetection> outlier = {};
};

struct RouteSpec {
  std::string prefix = "/";
  std::string cluster;
  Duration timeout;             // zero: none
  uint32_t retry_count = 0;     // on connect failure, reset and gateway errors
  std::string response_header;  // value of x-config on every response; empty: not added
};

// A listener of opaque TCP.
struct TcpSpec {
  uint16_t port = 90;
  std::string cluster;
  Duration idle_timeout = Duration::Seconds(30);
  uint32_t connect_attempt_count_max = 1;
};

// A listener for datagrams.
struct UdpSpec {
  std::vector<SockAddr> addresses;
  std::string cluster;
  Duration idle_timeout = Duration::Seconds(60);
};

struct ConfigSpec {
  std::vector<ClusterSpec> clusters;
  std::vector<RouteSpec> routes;  // first match wins
  bool access_log = true;
  uint32_t tls = config::kNoTls;  // of the listener
  bool chains = false;  // the listener has two: what comes with TLS, by `tls`, and what comes plain
  config::Direction direction = config::Direction::kOutbound;  // of all listeners
  uint16_t http_port = 80;
  Duration http_idle_timeout = Duration::Seconds(3600);
  std::vector<TcpSpec> tcp;
  std::vector<UdpSpec> udp;
};

// Gives the snapshots their growing sequence, and names their stable ids.
class ConfigMaker {
 public:
  std::unique_ptr<config::Snapshot> Make(const ConfigSpec& spec);

 private:
  config::Cluster MakeCluster(const ClusterSpec& spec);

  uint64_t sequence_ = 0;
  std::map<std::string, uint32_t> cluster_ids_;
  std::map<std::pair<uint32_t, SockAddr>, uint32_t> endpoint_ids_;
};

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_CONFIG_H_
