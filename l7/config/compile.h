// Compiler: Envoy v3 resources in, one immutable Snapshot out, or an error that names the resource
// and the full path of the offending field.
//
// Owns: the registry of stable ids of the last snapshot, the table of supported fields. Must not
// know: where resources come from (xDS or a file), workers, atomics. Called by the node's agent and
// by Pilot before it serves, on their threads; not thread-safe. Bounds: limits::kConfig...Max.
//
// References are late-bound as in Envoy with validate_clusters off: a route to a cluster that is
// not among the resources compiles (kNoIndex, 503 NC at run time), so does a connection manager
// whose RouteConfiguration has not come (404 NR) and an EDS cluster without assignment (503 UH).
#ifndef MELTEMI_L7_CONFIG_COMPILE_H_
#define MELTEMI_L7_CONFIG_COMPILE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "google/protobuf/message.h"
#include "l7/config/field_table.h"
#include "l7/config/hash_table.h"
#include "l7/config/snapshot.h"

namespace meltemi::config {

// What the host names in DNS clusters stand for now.
using ResolvedNames = std::map<std::string, std::vector<IpAddr>>;

// Borrowed for the call. Names are unique within a list; the order decides indices in the snapshot.
struct Resources {
  std::vector<const envoy::config::listener::v3::Listener*> listeners;
  std::vector<const envoy::config::route::v3::RouteConfiguration*> routes;
  std::vector<const envoy::config::cluster::v3::Cluster*> clusters;
  std::vector<const envoy::config::endpoint::v3::ClusterLoadAssignment*> assignments;
  const ResolvedNames* resolved = nullptr;  // a name that is not there has no endpoints yet
  std::string version_text;                 // copied to the snapshot
};

struct CompilerOptions {
  // Access log of connection managers and TCP proxies that configure none; "": none.
  std::string default_access_log_path;
  // Refuses what no context can be made of; null: nothing more is checked. Errors with a path, as
  // the compiler's (field_error.h).
  std::function<absl::Status(const TlsSettings&)> check_tls;
  // Names of secrets that are there without a source (sds_config).
  std::set<std::string> static_secrets;
};

// A resource that Compile would refuse.
struct Refusal {
  const google::protobuf::Message* resource = nullptr;  // one of those given
  std::string why;                                      // "type: LOGICAL_DNS is not supported"
};

// Envoy's default format of access logs, for HTTP and TCP.
extern const char kDefaultAccessLogFormat[];

// Ids of names: the same name keeps its id as long as consecutive snapshots contain it; an id is
// never given to another name.
class StableIds {
 public:
  uint32_t Cluster(const std::string& name);
  uint32_t Endpoint(uint32_t cluster_id, const SockAddr& address);
  uint32_t Tls(const std::string& content);
  uint32_t Bucket(const std::string& place_and_content);
  // The names asked for since the last Commit or Rollback are the registry from now on.
  void Commit();
  void Rollback();

 private:
  using EndpointKey = std::pair<uint32_t, SockAddr>;
  absl::flat_hash_map<std::string, uint32_t> clusters_, next_clusters_;
  absl::flat_hash_map<EndpointKey, uint32_t> endpoints_, next_endpoints_;
  absl::flat_hash_map<std::string, uint32_t> tls_, next_tls_;
  absl::flat_hash_map<std::string, uint32_t> buckets_, next_buckets_;
  uint32_t cluster_id_last_ = 0;
  uint32_t tls_id_last_ = 0;
  uint32_t bucket_id_last_ = 0;
  uint32_t endpoint_id_last_ = 0;
};

class Compiler {
 public:
  explicit Compiler(CompilerOptions options) : options_(std::move(options)) {}

  // A failed call changes nothing: the next snapshot has the same ids and sequence as without it.
  absl::StatusOr<std::unique_ptr<Snapshot>> Compile(const Resources& resources);

  // Whether Compile would succeed, without a trace: any subset of the resources may be given.
  absl::Status Check(const Resources& resources) const;

  // Every resource that stands in the way, in order: without them the rest compiles, except where
  // the whole is too large (then the last ones are refused until it is not).
  std::vector<Refusal> CheckEach(const Resources& resources) const;

  // A secret, by itself: it changes without a new snapshot.
  absl::StatusOr<TlsSecret> CompileSecret(
      const envoy::extensions::transport_sockets::tls::v3::Secret& from) const;

 private:
  CompilerOptions options_;
  FieldTable fields_;
  StableIds ids_;
  HashTableCache hash_tables_;
  uint64_t sequence_last_ = 0;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_COMPILE_H_
