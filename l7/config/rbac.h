// Rbac: who may do what, as Envoy's RBAC filters say it (envoy.extensions.filters.http.rbac.v3 and
// .network.rbac.v3), in a form that is evaluated without memory or protobuf: l7/policy/rbac.h.
//
// The trees of permissions and principals of all policies stand in one array in prefix order:
//
//   and(any, not(port 80))      index  0    1    2    3
//                               node   and  any  not  port
//                               end    4    2    4    4        one past the node's subtree
//
// so children of a node begin behind it, and the next sibling at a child's end. Built by
// l7/config/compile_rbac.cc; part of the Snapshot. Bounded by limits::kRbacNodesMax per rules.
#ifndef MELTEMI_L7_CONFIG_RBAC_H_
#define MELTEMI_L7_CONFIG_RBAC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "l7/base/ip_addr.h"
#include "l7/config/matchers.h"

namespace meltemi::config {

struct RbacNode {
  enum class Kind : uint8_t {
    kAny,
    kAnd,              // and_rules, and_ids
    kOr,               // or_rules, or_ids
    kNot,              // not_rule, not_id: of the one below
    kHeader,           // `value` is an index in headers
    kPath,             // url_path, without query: in strings
    kAuthenticated,    // some principal
    kPrincipal,        // authenticated.principal_name: in strings
    kServerName,       // requested_server_name: in strings
    kDestinationIp,    // in prefixes
    kDestinationPort,  // `value` is begin, `value_end` one past the last
    kDirectRemoteIp,   // source_ip, direct_remote_ip: in prefixes
    kRemoteIp,         // the trusted client's: in prefixes
  };
  Kind kind = Kind::kAny;
  uint32_t end = 0;  // index, one past the subtree
  uint32_t value = 0, value_end = 0;
};

struct RbacPolicy {
  std::string name;
  // One of each must match.
  std::vector<uint32_t> permissions, principals;  // indices in nodes
};

struct RbacRules {
  enum class Action : uint8_t { kAllow, kDeny, kLog };
  Action action = Action::kAllow;
  std::vector<RbacPolicy> policies;  // by name
  std::vector<RbacNode> nodes;
  std::vector<StringMatch> strings;
  std::vector<HeaderMatch> headers;
  std::vector<IpPrefix> prefixes;
};

struct Rbac {
  std::string stat_prefix;                // of the network filter; HTTP has its manager's
  std::string rules_prefix;               // rules_stat_prefix
  std::string shadow_prefix;              // shadow_rules_stat_prefix
  std::optional<RbacRules> rules;         // absent: everything is allowed, nothing counted
  std::optional<RbacRules> shadow_rules;  // evaluated and counted only
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_RBAC_H_
