// AuthorizationPolicies of a workload -> Envoy's RBAC rules, by Istio's names and meaning. Private
// to control/pilot/translate. Pure.
//
// Where a port is opaque, what a rule says of HTTP cannot be seen; as Istio, and always towards
// less being allowed: an ALLOW or AUDIT rule that says something of it matches nothing, a DENY rule
// matches by what else it says.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_AUTHORIZATION_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_AUTHORIZATION_H_

#include <string>
#include <vector>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/types.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meltemi::control::pilot::translate {

using Policies = std::vector<const model::AuthorizationPolicy*>;

// A filter for each action that some policy has: AUDIT, DENY, ALLOW.
void AddHttpRbac(
    const Policies& policies, const model::MeshConfig& mesh,
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager* to);
void AddTcpRbac(const Policies& policies, const model::MeshConfig& mesh,
                envoy::config::listener::v3::FilterChain* to);

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_AUTHORIZATION_H_
