#include "l7/policy/rbac.h"

#include <optional>

#include "l7/base/text.h"

namespace meltemi::policy {
namespace {

using config::RbacNode;
using config::RbacRules;

bool MatchesPeer(const config::StringMatch& match, const RbacPeer& peer) {
  if (!peer.authenticated) return false;
  if (peer.names.empty()) return route::Matches(match, peer.principal);
  for (const std::string& name : peer.names) {
    if (route::Matches(match, name)) return true;
  }
  return false;
}

IpAddr ClientOf(const RbacRequest& request) {
  if (request.http == nullptr || !request.forwarded) return request.direct_remote;
  const auto value = request.http->header("x-forwarded-for");
  return value.has_value() ? TrustedRemote(*value, request.direct_remote) : request.direct_remote;
}

bool MatchesNode(const RbacRules& rules, uint32_t at, const RbacRequest& request) {
  using Kind = RbacNode::Kind;
  const RbacNode& node = rules.nodes[at];
  switch (node.kind) {
    case Kind::kAny:
      return true;
    case Kind::kAnd:
      for (uint32_t child = at + 1; child < node.end; child = rules.nodes[child].end) {
        if (!MatchesNode(rules, child, request)) return false;
      }
      return true;
    case Kind::kOr:
      for (uint32_t child = at + 1; child < node.end; child = rules.nodes[child].end) {
        if (MatchesNode(rules, child, request)) return true;
      }
      return false;
    case Kind::kNot:
      return !MatchesNode(rules, at + 1, request);
    case Kind::kHeader:
      return request.http != nullptr && route::Matches(rules.headers[node.value], *request.http);
    case Kind::kPath:
      return request.http != nullptr &&
             route::Matches(rules.strings[node.value], route::PathOnly(request.http->path));
    case Kind::kAuthenticated:
      return request.peer.authenticated;
    case Kind::kPrincipal:
      return MatchesPeer(rules.strings[node.value], request.peer);
    case Kind::kServerName:
      return route::Matches(rules.strings[node.value], request.sni);
    case Kind::kDestinationIp:
      return rules.prefixes[node.value].Contains(request.local.ip);
    case Kind::kDestinationPort:
      return request.local.port >= node.value && request.local.port < node.value_end;
    case Kind::kDirectRemoteIp:
      return rules.prefixes[node.value].Contains(request.direct_remote);
    case Kind::kRemoteIp:
      return rules.prefixes[node.value].Contains(ClientOf(request));
  }
  return false;
}

bool MatchesAny(const RbacRules& rules, const std::vector<uint32_t>& nodes,
                const RbacRequest& request) {
  for (const uint32_t node : nodes) {
    if (MatchesNode(rules, node, request)) return true;
  }
  return false;
}

}  // namespace

const config::RbacPolicy* FindPolicy(const RbacRules& rules, const RbacRequest& request) {
  for (const config::RbacPolicy& policy : rules.policies) {
    if (MatchesAny(rules, policy.permissions, request) &&
        MatchesAny(rules, policy.principals, request)) {
      return &policy;
    }
  }
  return nullptr;
}

bool Allows(RbacRules::Action action, const config::RbacPolicy* matched) {
  switch (action) {
    case RbacRules::Action::kAllow:
      return matched != nullptr;
    case RbacRules::Action::kDeny:
      return matched == nullptr;
    case RbacRules::Action::kLog:
      return true;
  }
  return false;
}

void AppendDenialDetails(const config::RbacPolicy* matched, std::string* out) {
  const size_t begin = out->size();
  AppendTo(out, "rbac_access_denied_matched_policy[",
           matched == nullptr ? std::string_view("none") : matched->name, "]");
  // A word of the access log.
  for (size_t i = begin; i < out->size(); ++i) {
    char& c = (*out)[i];
    if (c == ' ' || (c >= '\t' && c <= '\r')) c = '_';
  }
}

IpAddr TrustedRemote(std::string_view forwarded_for, const IpAddr& direct) {
  std::string_view last = forwarded_for.substr(forwarded_for.rfind(',') + 1);  // npos + 1 is 0
  while (!last.empty() && (last.front() == ' ' || last.front() == '\t')) last.remove_prefix(1);
  while (!last.empty() && (last.back() == ' ' || last.back() == '\t')) last.remove_suffix(1);
  return IpAddr::Parse(last).value_or(direct);
}

}  // namespace meltemi::policy
