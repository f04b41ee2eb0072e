// Envoy's RBAC filters: trees of messages become one array of nodes, see l7/config/rbac.h.
#include <map>
#include <utility>

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using envoy::config::rbac::v3::Permission;
using envoy::config::rbac::v3::Policy;
using envoy::config::rbac::v3::Principal;
using FromRbacRules = envoy::config::rbac::v3::RBAC;

// What the filter sees of a client: an opaque connection has no headers.
enum class RbacSight : uint8_t { kHttp, kConnection };

// Appends to one RbacRules. Each Add... leaves the subtree of its message, complete, at the end of
// the nodes. Recursive as the messages are, which protobuf's parser bounds.
class RbacBuilder {
 public:
  RbacBuilder(RbacSight sight, RbacRules* to) : sight_(sight), to_(*to) {}

  absl::Status AddPermission(const Permission& from);
  absl::Status AddPrincipal(const Principal& from);

 private:
  using Kind = RbacNode::Kind;

  absl::Status Add(Kind kind, size_t value, size_t value_end = 0);
  absl::Status AddInner(Kind kind, uint32_t* node);
  void Close(uint32_t node) { to_.nodes[node].end = static_cast<uint32_t>(to_.nodes.size()); }
  absl::Status AddString(Kind kind, const envoy::type::matcher::v3::StringMatcher& from);
  absl::Status AddHeader(const envoy::config::route::v3::HeaderMatcher& from);
  absl::Status AddPath(const envoy::type::matcher::v3::PathMatcher& from);
  absl::Status AddPrefix(Kind kind, const envoy::config::core::v3::CidrRange& from);
  absl::Status AddPorts(int64_t begin, int64_t end);
  absl::Status NeedHttp() const {
    if (sight_ == RbacSight::kHttp) return absl::OkStatus();
    return Invalid("", "is of HTTP, which a network filter does not see");
  }

  template <typename Message>
  absl::Status AddSet(Kind kind, std::string_view field, const Message& from,
                      absl::Status (RbacBuilder::*add)(const typename Message::value_type&));

  const RbacSight sight_;
  RbacRules& to_;
};

absl::Status RbacBuilder::Add(Kind kind, size_t value, size_t value_end) {
  uint32_t node = 0;
  RETURN_IF_ERROR(AddInner(kind, &node));
  to_.nodes[node].value = static_cast<uint32_t>(value);
  to_.nodes[node].value_end = static_cast<uint32_t>(value_end);
  Close(node);
  return absl::OkStatus();
}

absl::Status RbacBuilder::AddInner(Kind kind, uint32_t* node) {
  *node = static_cast<uint32_t>(to_.nodes.size());
  if (*node >= limits::kRbacNodesMax) {
    return Invalid("", Cat("more than ", limits::kRbacNodesMax, " conditions in all policies"));
  }
  to_.nodes.push_back({.kind = kind});
  return absl::OkStatus();
}

template <typename Message>
absl::Status RbacBuilder::AddSet(
    Kind kind, std::string_view field, const Message& from,
    absl::Status (RbacBuilder::*add)(const typename Message::value_type&)) {
  if (from.empty()) return Invalid(field, "must not be empty");
  uint32_t node = 0;
  RETURN_IF_ERROR(AddInner(kind, &node));
  for (int i = 0; i < from.size(); ++i) {
    RETURN_IF_ERROR_AT(Indexed(field, i), (this->*add)(from[i]));
  }
  Close(node);
  return absl::OkStatus();
}

absl::Status RbacBuilder::AddString(Kind kind,
                                    const envoy::type::matcher::v3::StringMatcher& from) {
  absl::StatusOr<StringMatch> string = CompileString(from);
  if (!string.ok()) return string.status();
  to_.strings.push_back(*std::move(string));
  return Add(kind, to_.strings.size() - 1);
}

absl::Status RbacBuilder::AddHeader(const envoy::config::route::v3::HeaderMatcher& from) {
  RETURN_IF_ERROR(NeedHttp());
  absl::StatusOr<HeaderMatch> header = CompileHeaderMatch(from);
  if (!header.ok()) return header.status();
  to_.headers.push_back(*std::move(header));
  return Add(Kind::kHeader, to_.headers.size() - 1);
}

absl::Status RbacBuilder::AddPath(const envoy::type::matcher::v3::PathMatcher& from) {
  RETURN_IF_ERROR(NeedHttp());
  if (!from.has_path()) return Invalid("path", "must be set");
  RETURN_IF_ERROR_AT("path", AddString(Kind::kPath, from.path()));
  return absl::OkStatus();
}

absl::Status RbacBuilder::AddPrefix(Kind kind, const envoy::config::core::v3::CidrRange& from) {
  const absl::StatusOr<IpPrefix> prefix = CompilePrefix(from);
  if (!prefix.ok()) return prefix.status();
  to_.prefixes.push_back(*prefix);
  return Add(kind, to_.prefixes.size() - 1);
}

absl::Status RbacBuilder::AddPorts(int64_t begin, int64_t end) {
  if (begin < 0 || begin >= end || end > 65536) return Invalid("", "must be ports, 0 to 65535");
  return Add(Kind::kDestinationPort, static_cast<size_t>(begin), static_cast<size_t>(end));
}

absl::Status RbacBuilder::AddPermission(const Permission& from) {
  switch (from.rule_case()) {
    case Permission::kAndRules:
      RETURN_IF_ERROR_AT("and_rules", AddSet(Kind::kAnd, "rules", from.and_rules().rules(),
                                             &RbacBuilder::AddPermission));
      return absl::OkStatus();
    case Permission::kOrRules:
      RETURN_IF_ERROR_AT("or_rules", AddSet(Kind::kOr, "rules", from.or_rules().rules(),
                                            &RbacBuilder::AddPermission));
      return absl::OkStatus();
    case Permission::kAny:
      if (!from.any()) return Invalid("any", "must be true");
      return Add(Kind::kAny, 0);
    case Permission::kHeader:
      RETURN_IF_ERROR_AT("header", AddHeader(from.header()));
      return absl::OkStatus();
    case Permission::kUrlPath:
      RETURN_IF_ERROR_AT("url_path", AddPath(from.url_path()));
      return absl::OkStatus();
    case Permission::kDestinationIp:
      RETURN_IF_ERROR_AT("destination_ip", AddPrefix(Kind::kDestinationIp, from.destination_ip()));
      return absl::OkStatus();
    case Permission::kDestinationPort:
      RETURN_IF_ERROR_AT("destination_port",
                         AddPorts(from.destination_port(), int64_t{from.destination_port()} + 1));
      return absl::OkStatus();
    case Permission::kDestinationPortRange:
      RETURN_IF_ERROR_AT("destination_port_range", AddPorts(from.destination_port_range().start(),
                                                            from.destination_port_range().end()));
      return absl::OkStatus();
    case Permission::kNotRule: {
      uint32_t node = 0;
      RETURN_IF_ERROR(AddInner(Kind::kNot, &node));
      RETURN_IF_ERROR_AT("not_rule", AddPermission(from.not_rule()));
      Close(node);
      return absl::OkStatus();
    }
    case Permission::kRequestedServerName:
      RETURN_IF_ERROR_AT("requested_server_name",
                         AddString(Kind::kServerName, from.requested_server_name()));
      return absl::OkStatus();
    case Permission::kMetadata:
    case Permission::kMatcher:
    case Permission::kUriTemplate:
      return Invalid("", "is of a kind that is not supported");
    case Permission::RULE_NOT_SET:
      return Invalid("", "must say something");
  }
  return Invalid("", "is of a kind that is not known");
}

absl::Status RbacBuilder::AddPrincipal(const Principal& from) {
  switch (from.identifier_case()) {
    case Principal::kAndIds:
      RETURN_IF_ERROR_AT(
          "and_ids", AddSet(Kind::kAnd, "ids", from.and_ids().ids(), &RbacBuilder::AddPrincipal));
      return absl::OkStatus();
    case Principal::kOrIds:
      RETURN_IF_ERROR_AT("or_ids",
                         AddSet(Kind::kOr, "ids", from.or_ids().ids(), &RbacBuilder::AddPrincipal));
      return absl::OkStatus();
    case Principal::kAny:
      if (!from.any()) return Invalid("any", "must be true");
      return Add(Kind::kAny, 0);
    case Principal::kAuthenticated:
      if (!from.authenticated().has_principal_name()) return Add(Kind::kAuthenticated, 0);
      RETURN_IF_ERROR_AT("authenticated.principal_name",
                         AddString(Kind::kPrincipal, from.authenticated().principal_name()));
      return absl::OkStatus();
    case Principal::kSourceIp:
      RETURN_IF_ERROR_AT("source_ip", AddPrefix(Kind::kDirectRemoteIp, from.source_ip()));
      return absl::OkStatus();
    case Principal::kDirectRemoteIp:
      RETURN_IF_ERROR_AT("direct_remote_ip",
                         AddPrefix(Kind::kDirectRemoteIp, from.direct_remote_ip()));
      return absl::OkStatus();
    case Principal::kRemoteIp:
      RETURN_IF_ERROR_AT("remote_ip", AddPrefix(Kind::kRemoteIp, from.remote_ip()));
      return absl::OkStatus();
    case Principal::kHeader:
      RETURN_IF_ERROR_AT("header", AddHeader(from.header()));
      return absl::OkStatus();
    case Principal::kUrlPath:
      RETURN_IF_ERROR_AT("url_path", AddPath(from.url_path()));
      return absl::OkStatus();
    case Principal::kNotId: {
      uint32_t node = 0;
      RETURN_IF_ERROR(AddInner(Kind::kNot, &node));
      RETURN_IF_ERROR_AT("not_id", AddPrincipal(from.not_id()));
      Close(node);
      return absl::OkStatus();
    }
    case Principal::kMetadata:
    case Principal::kFilterState:
      return Invalid("", "is of a kind that is not supported");
    case Principal::IDENTIFIER_NOT_SET:
      return Invalid("", "must say something");
  }
  return Invalid("", "is of a kind that is not known");
}

absl::Status AddRbacPolicy(const Policy& from, const std::string& name, RbacBuilder* builder,
                           RbacRules* to) {
  RbacPolicy policy{.name = name};
  if (from.permissions().empty()) return Invalid("permissions", "must not be empty");
  if (from.principals().empty()) return Invalid("principals", "must not be empty");
  for (int i = 0; i < from.permissions_size(); ++i) {
    policy.permissions.push_back(static_cast<uint32_t>(to->nodes.size()));
    RETURN_IF_ERROR_AT(Indexed("permissions", i), builder->AddPermission(from.permissions(i)));
  }
  for (int i = 0; i < from.principals_size(); ++i) {
    policy.principals.push_back(static_cast<uint32_t>(to->nodes.size()));
    RETURN_IF_ERROR_AT(Indexed("principals", i), builder->AddPrincipal(from.principals(i)));
  }
  to->policies.push_back(std::move(policy));
  return absl::OkStatus();
}

absl::StatusOr<RbacRules> CompileRbacRules(const FieldTable& fields, RbacSight sight,
                                           const FromRbacRules& from) {
  RbacRules to;
  switch (from.action()) {
    case FromRbacRules::ALLOW:
      to.action = RbacRules::Action::kAllow;
      break;
    case FromRbacRules::DENY:
      to.action = RbacRules::Action::kDeny;
      break;
    case FromRbacRules::LOG:
      to.action = RbacRules::Action::kLog;
      break;
    default:  // open enum of proto3
      return Invalid("action", Cat(from.action(), " is not known"));
  }
  // By name, as Envoy evaluates them: a protobuf map has no order.
  const std::map<std::string, Policy> policies(from.policies().begin(), from.policies().end());
  RbacBuilder builder(sight, &to);
  for (const auto& [name, policy] : policies) {
    const std::string step = Cat("policies[\"", name, "\"]");
    RETURN_IF_ERROR_AT(step, fields.Check(policy));  // a map is a leaf for whoever has it
    RETURN_IF_ERROR_AT(step, AddRbacPolicy(policy, name, &builder, &to));
  }
  return to;
}

// Works for both filters.
template <typename Message>
absl::Status CompileRbacParts(const CompileContext& context, RbacSight sight, const Message& from,
                              Rbac* to) {
  to->shadow_prefix = from.shadow_rules_stat_prefix();
  if (from.has_rules()) {
    ASSIGN_OR_RETURN_AT(to->rules, "rules", CompileRbacRules(context.fields, sight, from.rules()));
  }
  if (from.has_shadow_rules()) {
    ASSIGN_OR_RETURN_AT(to->shadow_rules, "shadow_rules",
                        CompileRbacRules(context.fields, sight, from.shadow_rules()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Rbac> CompileHttpRbac(const CompileContext& context,
                                     const google::protobuf::Any& any) {
  envoy::extensions::filters::http::rbac::v3::RBAC from;
  RETURN_IF_ERROR(Unpack(context.fields, any, &from));
  Rbac to{.rules_prefix = from.rules_stat_prefix()};
  RETURN_IF_ERROR(CompileRbacParts(context, RbacSight::kHttp, from, &to));
  return to;
}

absl::StatusOr<Rbac> CompileNetworkRbac(const CompileContext& context,
                                        const google::protobuf::Any& any) {
  envoy::extensions::filters::network::rbac::v3::RBAC from;
  RETURN_IF_ERROR(Unpack(context.fields, any, &from));
  if (from.stat_prefix().empty()) return Invalid("stat_prefix", "must not be empty");
  Rbac to{.stat_prefix = from.stat_prefix()};
  RETURN_IF_ERROR(CompileRbacParts(context, RbacSight::kConnection, from, &to));
  return to;
}

}  // namespace meltemi::config
