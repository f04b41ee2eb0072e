// AdsState: the xDS client as a pure state machine (state-of-the-world ADS, Envoy v3). Responses and time
// in; requests and snapshots out. xDS protocol: envoyproxy.io/docs "xDS REST and gRPC protocol".
//
// - LDS and CDS are subscribed as wildcards; EDS by the names that EDS clusters give, RDS by the names
//   that listeners give.
// - Each response is acknowledged, or refused with the compiler's message (field path) and the old
//   version; a refused response changes nothing.
// - A snapshot is made only from a whole configuration: every EDS cluster has its endpoints, every named
//   route table has come; after `initial_fetch_timeout` without them it is made all the same.
// - A cluster that CDS has dropped stays as long as a route or listener still names it.
// - A closed stream changes nothing; the next one asks for the same names again.
// Owns: the resources as received, the compiler. Thread: the agent's.
#ifndef MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_
#define MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "l7/base/time.h"
#include "l7/config/compile.h"

namespace meltemi::agent {

enum class Type : uint8_t { kCluster, kEndpoints, kListener, kRoutes };  // in the order of asking
inline constexpr int kTypes = 4;
const char* TypeUrl(Type type);
const char* TypeName(Type type);  // "cds", "eds", "lds", "rds"

using DiscoveryRequest = envoy::service::discovery::v3::DiscoveryRequest;
using DiscoveryResponse = envoy::service::discovery::v3::DiscoveryResponse;

struct TypeStatus {
  std::string version;  // accepted; "" before the first
  std::string nonce;    // of the last response, accepted or not
  uint64_t accepted_count = 0, rejected_count = 0;
  std::string last_error;  // of the last refusal; "" after an acceptance
};

class AdsState {
 public:
  struct Options {
    envoy::config::core::v3::Node node;
    config::CompilerOptions compiler;
    Duration initial_fetch_timeout = Duration::Seconds(15);
    bool dynamic = true;  // false: static resources only
  };
  // Static resources stand beside the dynamic ones for ever.
  AdsState(Options options, std::vector<envoy::config::listener::v3::Listener> listeners,
           std::vector<envoy::config::cluster::v3::Cluster> clusters);

  // The requests a new stream begins with.
  std::vector<DiscoveryRequest> OnStreamOpen();
  // The answer (ACK or NACK), and new subscriptions that follow from it.
  std::vector<DiscoveryRequest> OnResponse(const DiscoveryResponse& response, Instant now);
  void OnStreamClosed() { connected_ = false; }

  // A new snapshot when there is one to publish, else null. Call after OnResponse and at NextDeadline.
  // An error: the resources contradict each other; nothing is published.
  absl::StatusOr<std::unique_ptr<config::Snapshot>> TakeSnapshot(Instant now);
  // When TakeSnapshot should be called even if nothing came.
  Instant next_deadline() const { return warming_until_; }

  const TypeStatus& status(Type type) const { return types_[static_cast<int>(type)].status; }
  bool connected() const { return connected_; }
  // What is waited for before the next snapshot: "eds outbound|80||a", ...
  std::vector<std::string> Missing() const;
  // "name::address:port" of each listener, Envoy's /listeners.
  std::vector<std::string> ListenerNames() const;
  // Envoy's /config_dump: JSON of all resources.
  std::string ConfigDumpJson(const std::string& bootstrap_json) const;

 private:
  struct PerType {
    TypeStatus status;
    std::set<std::string> names;  // subscribed; empty: wildcard
  };
  PerType& of(Type type) { return types_[static_cast<int>(type)]; }
  DiscoveryRequest Request(Type type) const;
  // Unpacks, checks and stores. An error changes nothing.
  absl::Status Take(Type type, const DiscoveryResponse& response);
  template <typename Message>
  absl::StatusOr<std::map<std::string, Message>> Unpack(const DiscoveryResponse& response) const;
  absl::Status TakeClusters(const DiscoveryResponse& response);
  // Recomputes the names of EDS and RDS; true when `type`'s changed.
  bool UpdateNames(Type type);
  std::set<std::string> EndpointNames() const;
  std::set<std::string> RouteNames() const;
  std::set<std::string> ReferencedClusters() const;
  void DropUnreferenced();

  const Options options_;
  const std::vector<envoy::config::listener::v3::Listener> static_listeners_;
  const std::vector<envoy::config::cluster::v3::Cluster> static_clusters_;
  config::Compiler compiler_;
  std::array<PerType, kTypes> types_;
  std::map<std::string, envoy::config::cluster::v3::Cluster> clusters_;
  std::map<std::string, envoy::config::cluster::v3::Cluster> lingering_;
  std::map<std::string, envoy::config::endpoint::v3::ClusterLoadAssignment> endpoints_;
  std::map<std::string, envoy::config::listener::v3::Listener> listeners_;
  std::map<std::string, envoy::config::route::v3::RouteConfiguration> routes_;
  bool connected_ = false;
  bool changed_ = true;  // since the last snapshot
  Instant warming_until_ = Instant::Never();
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_
