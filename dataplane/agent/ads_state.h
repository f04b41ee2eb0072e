// AdsState: the xDS client as a pure state machine (state-of-the-world ADS, Envoy v3). Responses
// and time in; requests and snapshots out. xDS protocol: envoyproxy.io/docs "xDS REST and gRPC
// protocol".
//
// - LDS and CDS are subscribed as wildcards; EDS by the names that EDS clusters give, RDS by the
//   names that listeners give.
// - A response is accepted whole, after it compiled, or refused whole: the compiler's message
//   (field path) goes back with the old version, and what was there before stays in force.
// - A snapshot is made only from a whole configuration: CDS and LDS have come, every EDS cluster
//   has its endpoints, every named route table has come. What is missing is waited for until
//   `initial_fetch_timeout` after it was first needed, and not again until it has come.
// - A cluster that CDS has dropped stays while a route or listener still names it, for `linger_max`
//   at most. On a stream of its own our Pilot never drops one too early; but the first responses of
//   a new stream come from a Pilot that does not know what the node still has, and other control
//   planes (Istio's) send clusters first, removals and all.
// - A closed stream changes nothing; the next one asks for the same names again.
// - Host names of DNS clusters are asked for (dns_cache.h); the first answers are waited for like
//   endpoints.
//
// Owns: the resources as received, the compiler. Must not know: gRPC, threads, clocks. Thread: the
// agent's. Bounds: limits::kConfig...Max, by the compiler.
#ifndef MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_
#define MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/agent/dns_cache.h"
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
  std::string nonce;    // of the last response of this stream, accepted or not
  uint64_t accepted_count = 0, rejected_count = 0;
  uint64_t fetch_timeout_count = 0;  // names that were waited for in vain
  std::string last_error;            // of the last refusal; "" after an acceptance
};

// A resource as it was accepted.
template <typename Message>
struct Accepted {
  Message message;
  std::string version;
  Instant updated;  // when this content came
};
template <typename Message>
using AcceptedMap = std::map<std::string, Accepted<Message>>;

// All that is in force or waits for what is missing.
struct AcceptedResources {
  AcceptedMap<envoy::config::cluster::v3::Cluster> clusters;
  AcceptedMap<envoy::config::endpoint::v3::ClusterLoadAssignment> endpoints;
  AcceptedMap<envoy::config::listener::v3::Listener> listeners;
  AcceptedMap<envoy::config::route::v3::RouteConfiguration> routes;
};

class AdsState {
 public:
  using Cluster = envoy::config::cluster::v3::Cluster;
  using Listener = envoy::config::listener::v3::Listener;

  struct Options {
    envoy::config::core::v3::Node node;
    config::CompilerOptions compiler;
    Duration initial_fetch_timeout = Duration::Seconds(15);
    Duration linger_max = Duration::Seconds(5);
    bool dynamic = true;  // false: static resources only
  };
  // Static resources stand beside the dynamic ones for ever. They are the first snapshot, unless
  // there are none and the rest comes from a control plane.
  AdsState(Options options, std::vector<Listener> listeners, std::vector<Cluster> clusters);

  // What the next stream says of this node; true when it differs from what was said.
  bool UseNode(const envoy::config::core::v3::Node& node);
  // The requests a new stream begins with.
  std::vector<DiscoveryRequest> OnStreamOpen();
  // The answer (ACK or NACK), and new subscriptions that follow from it.
  std::vector<DiscoveryRequest> OnResponse(const DiscoveryResponse& response, Instant now);
  void OnStreamClosed() { connected_ = false; }

  // A new snapshot when there is one to publish, else null. Call first at the start, then after
  // each OnResponse and at next_deadline. An error: the resources contradict each other; nothing is
  // published.
  absl::StatusOr<std::unique_ptr<config::Snapshot>> TakeSnapshot(Instant now);
  // When TakeSnapshot should be called even if nothing came.
  Instant next_deadline() const;

  const TypeStatus& status(Type type) const { return types_[static_cast<int>(type)].status; }
  // A response has come on the stream that is open.
  bool connected() const { return connected_; }
  // The first whole configuration is in force, or waiting for it has ended.
  bool ready() const { return ready_; }
  uint64_t unknown_type_count() const { return unknown_type_count_; }
  const AcceptedResources& resources() const { return resources_; }
  const std::vector<Listener>& static_listeners() const { return static_listeners_; }
  const std::vector<Cluster>& static_clusters() const { return static_clusters_; }
  // Host names of DNS clusters: which to ask for now, and what came of it.
  std::vector<std::string> NamesToAsk(Instant now) { return dns_.Due(now); }
  void OnDnsAnswer(const DnsAnswer& answer, Instant now);
  bool has_names() const { return !dns_.empty(); }

  // What is waited for before the next snapshot, and what was waited for in vain: "eds name", ...
  std::vector<std::string> Missing() const;
  // "name::address:port" of each listener, Envoy's /listeners.
  std::vector<std::string> ListenerNames() const;

 private:
  struct PerType {
    TypeStatus status;
    std::set<std::string> names;  // subscribed; unused by the wildcard types
    bool received = false;        // a response was accepted, on whatever stream
    bool asked = false;           // on this stream
    bool names_changed = false;   // since the last request
  };
  struct Lingering {
    Cluster message;
    Instant until;
  };
  using Name = std::pair<Type, std::string>;

  PerType& of(Type type) { return types_[static_cast<int>(type)]; }
  DiscoveryRequest Request(Type type);
  absl::Status Take(Type type, const DiscoveryResponse& response, Instant now);
  template <typename Message>
  absl::Status TakeInto(Type type, const DiscoveryResponse& response, Instant now,
                        AcceptedMap<Message>* map);
  // What follows from the resources: names to subscribe, what is missing, which clusters linger.
  void Derive(Instant now);
  void DeriveMissing(Instant now);
  void WantNames();
  void Linger(const AcceptedMap<Cluster>& before, Instant now);
  void DropLingering(Instant now);
  void ForgetUnsubscribed();
  std::set<std::string> EndpointNames() const;
  std::set<std::string> RouteNames() const;
  std::set<std::string> ReferencedClusters() const;
  bool Whole(Instant now) const;
  // Compiles when something changed and nothing is waited for.
  absl::Status Build(Instant now);
  config::Resources All() const;

  Options options_;
  const std::vector<Listener> static_listeners_;
  const std::vector<Cluster> static_clusters_;
  config::Compiler compiler_;
  std::array<PerType, kTypes> types_;
  AcceptedResources resources_;
  std::map<std::string, Lingering> lingering_;
  std::map<Name, Instant> missing_;  // until when it is waited for
  DnsCache dns_;
  std::unique_ptr<config::Snapshot> snapshot_;
  uint64_t unknown_type_count_ = 0;
  Instant wildcards_until_ = Instant::Never();  // CDS and LDS are waited for
  Instant last_looked_ = Instant::FromNanos(INT64_MIN);
  bool started_ = false;  // TakeSnapshot has been called
  bool connected_ = false;
  bool changed_ = false;  // since the last snapshot
  bool ready_ = false;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_ADS_STATE_H_
