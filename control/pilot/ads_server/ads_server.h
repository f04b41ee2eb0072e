// The gRPC service AggregatedDiscoveryService: one AdsSession per stream, fed with requests,
// drained into the stream one response at a time (so a slow node costs one response of memory), and
// pushed to when a new snapshot is published. Knows no YAML and no model. gRPC's threads call the
// streams; any thread may call Publish, Nodes and Accepted. Lock order: streams, then one stream.
//
// Over TLS a stream is for the node that its certificate names, and ends when that does; without
// TLS a node is who it says it is, which is for listeners that only friends reach.
#ifndef MELTEMI_CONTROL_PILOT_ADS_SERVER_ADS_SERVER_H_
#define MELTEMI_CONTROL_PILOT_ADS_SERVER_ADS_SERVER_H_

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "control/common/metrics.h"
#include "control/pilot/ads_session/session.h"
#include "control/pilot/node_auth/node_auth.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

namespace meltemi::control::pilot::ads_server {

struct TypeView {
  ads_session::Type type;
  ads_session::TypeStatus status;
  bool in_sync = false;
};

struct NodeView {
  std::string id;
  std::string address;
  bool proven = false;  // by its certificate
  absl::Time connected;
  std::vector<TypeView> types;  // those subscribed to
  std::vector<ads_session::Held> held;
};

class AdsServer final
    : public envoy::service::discovery::v3::AggregatedDiscoveryService::CallbackService {
 public:
  // Both outlive the server. `auth` may be null: then nobody is served over TLS.
  explicit AdsServer(common::Metrics* metrics, const node_auth::NodeAuth* auth = nullptr);

  void Publish(std::shared_ptr<const ads_session::Snapshot> snapshot);
  // Null until something was published.
  std::shared_ptr<const ads_session::Snapshot> snapshot() const;
  // By id, then by age; a node that reconnects before its old stream is found dead is there twice.
  std::vector<NodeView> Nodes() const;

  grpc::ServerBidiReactor<ads_session::AdsSession::Request, ads_session::AdsSession::Response>*
  StreamAggregatedResources(grpc::CallbackServerContext* context) override;

 private:
  class Stream;
  struct Published {
    std::shared_ptr<const ads_session::Snapshot> snapshot;
    absl::Time at = absl::InfinitePast();
  };
  Published published() const;
  void Remove(Stream* stream);

  // Who calls over TLS; nothing of who does not.
  absl::StatusOr<std::optional<node_auth::ProvenNode>> Prove(
      const grpc::CallbackServerContext& context) const;

  common::Metrics* metrics_;
  const node_auth::NodeAuth* const auth_;
  mutable absl::Mutex streams_mutex_;
  std::list<Stream*> streams_ ABSL_GUARDED_BY(streams_mutex_);  // each deletes itself when done
  mutable absl::Mutex published_mutex_;
  Published published_ ABSL_GUARDED_BY(published_mutex_);
};

}  // namespace meltemi::control::pilot::ads_server

#endif  // MELTEMI_CONTROL_PILOT_ADS_SERVER_ADS_SERVER_H_
