// The server's side of one ADS stream (state of the world), as a state machine: requests in, the
// next response out. Owns what the node has subscribed to, was sent, has accepted and has refused.
// Knows no gRPC, no thread, no clock. Called by ads_server under the stream's lock. Bounded: at
// most kNamesMax names per type; the resources themselves are shared with the snapshots.
//
// Protocol (Envoy's xDS transport protocol, "four variants"):
// - a request without or with an unknown nonce on a fresh stream starts a subscription and is
//   always answered with the current state, whatever version the node says it has from another
//   Pilot;
// - a request whose nonce is not that of the last response of its type is stale: the answer to that
//   response will say what is subscribed to. But what it does not name the node has forgotten by
//   then, even if the answer names it again;
// - nonce matches and no error_detail: ACK. With error_detail: NACK; the refused content is not
//   sent again until it changes, or (EDS and RDS) something sent after it was accepted. One
//   response of a type is under way at a time.
// - LDS and CDS with no names, ever, or with "*": everything, and every response carries
//   everything. EDS and RDS: by name, and a response carries only what is new or changed.
//
// Make before break. Whatever the node accepts and refuses, and when, at no moment does it have a
// listener or route that names a cluster it has not (unless the configuration itself names one that
// does not exist):
// - a listener or route goes out when the node has accepted the clusters it names, and their
//   endpoints. Those whose clusters were refused stay as the node has them.
// - a cluster that is gone stays in the responses while the node has a listener or route that names
//   it, accepted or under way.
// The former holds for clients that take all clusters and then ask for their endpoints (Envoy,
// meltemi-node). One that names its clusters (gRPC) learns their names from the routes.
//
// A secret goes to a proven node that may have it, and to nobody else; a node that may not have a
// secret is not sent the listeners that serve with it.
#ifndef MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_
#define MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/pilot/ads_session/snapshot.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meltemi::control::pilot::ads_session {

inline constexpr int kNamesMax = 100'000;

enum class Event { kSubscribed, kAcked, kNacked, kStale, kUnknownType, kTooManyNames };

struct TypeStatus {
  bool subscribed = false;
  std::string version_sent;
  std::string version_acked;
  std::string version_nacked;
  std::string error;  // of the last response, when it was refused
  Resources acked;    // what the node has
};

// A listener that is kept from the node, and why.
struct Held {
  std::string listener;
  std::string why;
};

class AdsSession {
 public:
  using Request = envoy::service::discovery::v3::DiscoveryRequest;
  using Response = envoy::service::discovery::v3::DiscoveryResponse;

  // Before the first request: the node at the other end is proven to be this one.
  void Prove(std::string node) { node_ = std::move(node); }
  Event OnRequest(const Request& request);
  // What to send now, given what is in force; to be called again until it has nothing.
  std::optional<Response> Next(const Snapshot& snapshot);

  const TypeStatus& status(Type type) const { return types_[static_cast<size_t>(type)].status; }
  // Sent and accepted is what `snapshot` says.
  bool InSync(Type type, const Snapshot& snapshot) const;
  std::vector<Held> HeldBack(const Snapshot& snapshot) const;

 private:
  struct TypeState {
    TypeStatus status;
    bool wildcard = false;
    bool named_once = false;  // an empty list now means "nothing", not "everything"
    bool answer_due = false;  // something is to be sent even if nothing changed
    std::set<std::string> names;
    std::string nonce;              // of the last response
    bool waiting = false;           // for ACK or NACK of it
    Resources sent;                 // the node's state if it accepted everything
    Resources pending;              // what was sent and not yet answered
    std::set<std::string> refused;  // EDS and RDS: names that came with something refused
    std::string considered;  // snapshot version `sent` was last compared with, nothing having come
  };
  // Whether a listener or route that names a cluster may go out.
  enum class Readiness { kReady, kLater, kRefused };

  TypeState& of(Type type) { return types_[static_cast<size_t>(type)]; }
  const TypeState& of(Type type) const { return types_[static_cast<size_t>(type)]; }
  void ReadNode(const Request& request);
  void Subscribe(const Request& request, Type type, TypeState* state);
  static void ForgetUnnamed(const Request& request, TypeState* state);
  void Ack(Type type, TypeState* state);
  static void RetryRefused(TypeState* state);
  std::optional<Response> NextOf(Type type, const Snapshot& snapshot);
  // Fills the response with what differs from what was sent; false: nothing needs to be said.
  bool Compare(Type type, const Resources& wanted, TypeState* state, Response* response) const;
  // What the node is to have of a type: what it has subscribed to, without other nodes' listeners
  // and secrets; endpoints in this node's way.
  Resources Wanted(Type type, const Snapshot& snapshot) const;
  std::shared_ptr<const Resource> Here(const std::string& name,
                                       const std::shared_ptr<const Resource>& endpoints) const;
  bool IsFor(const Resource& resource) const;  // by its workload
  void Narrow(Resources* listeners) const;
  bool MayHaveSecrets(const Resource& listener, const Snapshot& snapshot) const;
  // Adds the clusters that are gone but in use.
  void KeepUsed(Resources* wanted) const;
  // Puts what the node has in the place of what it cannot have; false: to be tried again later.
  bool HoldUnready(Type type, const Snapshot& snapshot, Resources* wanted) const;
  Readiness ReadinessOf(const std::string& cluster, const Snapshot& snapshot) const;

  std::array<TypeState, kTypeCount> types_;
  std::set<std::string> workloads_;  // addresses of its workloads: Node.metadata.WORKLOADS
  // Where it is: Node.locality. Without one nothing is near, or far.
  std::optional<envoy::config::core::v3::Locality> locality_;
  // By name: a resource with a locality rule, and what this node gets of it.
  struct InPlace {
    std::shared_ptr<const Resource> of, here;
  };
  mutable std::map<std::string, InPlace> in_place_;  // of what is in force, remembered
  bool says_workloads_ = false;                      // it has that; others' sidecars have not
  // Of listeners by source, what became of them for those workloads; kept while they are served.
  using Narrowed =
      std::map<const Resource*,
               std::pair<std::shared_ptr<const Resource>, std::shared_ptr<const Resource>>>;
  mutable Narrowed narrowed_;
  std::string node_;  // empty: not proven
  uint64_t nonce_count_ = 0;
};

}  // namespace meltemi::control::pilot::ads_session

#endif  // MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_
