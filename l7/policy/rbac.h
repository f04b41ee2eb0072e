// Access control by RBAC rules (l7/config/rbac.h): does a request, or an opaque connection, match?
// Pure functions over a snapshot; no memory is taken, but by regular expressions and for headers
// that come in several lines. Called by l7/engine on the worker's thread.
//
// Bounded by limits::kRbacNodesMax conditions, in one pass, each looked at once at most.
#ifndef MELTEMI_L7_POLICY_RBAC_H_
#define MELTEMI_L7_POLICY_RBAC_H_

#include <span>
#include <string>
#include <string_view>

#include "l7/base/ip_addr.h"
#include "l7/config/rbac.h"
#include "l7/route/match.h"

namespace meltemi::policy {

// Who asks, as far as it is proven: by a certificate that was verified, or by the pod port that the
// packets come from.
struct RbacPeer {
  bool authenticated = false;
  std::string_view principal;          // its first name; empty: it has none
  std::span<const std::string> names;  // all of them, where there are several
};

// What rules can see. Borrows all of it for the call.
struct RbacRequest {
  const route::RequestView* http = nullptr;  // null: opaque TCP, which no rule about HTTP matches
  RbacPeer peer;
  SockAddr local;         // what the client dialled
  IpAddr direct_remote;   // the other end of the connection
  bool forwarded = true;  // the client is who x-forwarded-for says, by HTTP
  std::string_view sni;   // that the client's TLS asked for; empty: none
};

// The first policy that matches, by name; null: none does.
const config::RbacPolicy* FindPolicy(const config::RbacRules& rules, const RbacRequest& request);

// What a match, or its absence, means under the rules' action.
bool Allows(config::RbacRules::Action action, const config::RbacPolicy* matched);

// Envoy's response code details of a denial: "rbac_access_denied_matched_policy[name]".
void AppendDenialDetails(const config::RbacPolicy* matched, std::string* out);

// The client's address by x-forwarded-for (its last entry), as Envoy takes it where it is not told
// to put its own there; without a good one, `direct`.
IpAddr TrustedRemote(std::string_view forwarded_for, const IpAddr& direct);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_RBAC_H_
