// The server's side of one ADS stream (state of the world), as a state machine: requests in, the
// next response out. Owns what the node has subscribed to, was sent, has accepted and has refused.
// Knows no gRPC, no thread, no clock. Called by ads_server under the stream's lock. Bounded: at
// most kNamesMax names per type; the resources themselves are shared with the snapshots.
//
// Protocol (Envoy's xDS transport protocol, "four variants"):
// - a request without or with an unknown nonce on a fresh stream starts a subscription and is
//   always answered with the current state, whatever version the node has from another Pilot;
// - a request whose nonce is not that of the last response of its type is stale and ignored;
// - nonce matches and no error_detail: ACK. With error_detail: NACK; the refused content is not
//   sent again until it changes, or (EDS and RDS) something sent after it was accepted.
// - LDS and CDS with no names, ever, or with "*": everything, and every response carries all.
//   EDS and RDS: by name, and a response carries only what is new or changed.
#ifndef MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_
#define MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

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
  std::map<std::string, std::shared_ptr<const Resource>> acked;
};

class AdsSession {
 public:
  using Request = envoy::service::discovery::v3::DiscoveryRequest;
  using Response = envoy::service::discovery::v3::DiscoveryResponse;

  Event OnRequest(const Request& request);
  // What to send now, given what is in force; to be called again until it has nothing.
  std::optional<Response> Next(const Snapshot& snapshot);

  const TypeStatus& status(Type type) const { return types_[static_cast<size_t>(type)].status; }
  // Sent and accepted is what `snapshot` says.
  bool InSync(Type type, const Snapshot& snapshot) const;

 private:
  using Resources = std::map<std::string, std::shared_ptr<const Resource>>;
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
    std::string considered;         // type version `sent` was last compared with
  };

  void Subscribe(const Request& request, Type type, TypeState* state);
  void Ack(Type type, TypeState* state);
  static void RetryRefused(TypeState* state);
  std::optional<Response> NextOf(Type type, const Snapshot& snapshot);
  static Resources Wanted(const TypeState& state, const TypeSnapshot& snapshot);

  std::array<TypeState, kTypeCount> types_;
  uint64_t nonce_count_ = 0;
};

}  // namespace meltemi::control::pilot::ads_session

#endif  // MELTEMI_CONTROL_PILOT_ADS_SESSION_SESSION_H_
