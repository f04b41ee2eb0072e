#include "l7/config/describe_writer.h"

namespace meltemi::config {
namespace {

constexpr std::string_view kActions[] = {"allow", "deny", "log"};
constexpr std::string_view kNodeKinds[] = {"any",
                                           "and",
                                           "or",
                                           "not",
                                           "header",
                                           "path",
                                           "authenticated",
                                           "principal",
                                           "server_name",
                                           "destination_ip",
                                           "destination_port",
                                           "direct_remote_ip",
                                           "remote_ip"};

std::string NodeText(const RbacRules& rules, const RbacNode& node) {
  std::string text(kNodeKinds[static_cast<size_t>(node.kind)]);
  switch (node.kind) {
    case RbacNode::Kind::kAny:
    case RbacNode::Kind::kAnd:
    case RbacNode::Kind::kOr:
    case RbacNode::Kind::kNot:
    case RbacNode::Kind::kAuthenticated:
      break;
    case RbacNode::Kind::kHeader:
      return DescribeWriter::ToText(rules.headers[node.value]);
    case RbacNode::Kind::kPath:
    case RbacNode::Kind::kPrincipal:
    case RbacNode::Kind::kServerName:
      AppendTo(&text, " ", DescribeWriter::ToText(rules.strings[node.value]));
      break;
    case RbacNode::Kind::kDestinationPort:
      AppendTo(&text, " ", node.value);
      if (node.value_end != node.value + 1) AppendTo(&text, " to ", node.value_end - 1);
      break;
    case RbacNode::Kind::kDestinationIp:
    case RbacNode::Kind::kDirectRemoteIp:
    case RbacNode::Kind::kRemoteIp:
      AppendTo(&text, " ", rules.prefixes[node.value].ToString());
      break;
  }
  return text;
}

// The node and all below it, each level deeper.
void DescribeNodes(const RbacRules& rules, uint32_t at, DescribeWriter* to) {
  to->Line(NodeText(rules, rules.nodes[at]));
  to->In();
  for (uint32_t child = at + 1; child < rules.nodes[at].end; child = rules.nodes[child].end) {
    DescribeNodes(rules, child, to);
  }
  to->Out();
}

void DescribeRules(std::string_view name, const std::optional<RbacRules>& rules,
                   DescribeWriter* to) {
  if (!rules.has_value()) return;
  to->Line(name, " ", kActions[static_cast<size_t>(rules->action)]);
  to->In();
  for (const RbacPolicy& policy : rules->policies) {
    to->Line("policy \"", policy.name, "\"");
    to->In();
    for (const uint32_t node : policy.permissions) {
      to->Line("permission");
      to->In();
      DescribeNodes(*rules, node, to);
      to->Out();
    }
    for (const uint32_t node : policy.principals) {
      to->Line("by");
      to->In();
      DescribeNodes(*rules, node, to);
      to->Out();
    }
    to->Out();
  }
  to->Out();
}

}  // namespace

void DescribeRbac(const std::vector<Rbac>& filters, DescribeWriter* to) {
  for (const Rbac& rbac : filters) {
    std::string line = "rbac";
    for (const std::string* prefix : {&rbac.stat_prefix, &rbac.rules_prefix, &rbac.shadow_prefix}) {
      if (!prefix->empty()) AppendTo(&line, " \"", *prefix, "\"");
    }
    to->Line(line);
    to->In();
    DescribeRules("rules", rbac.rules, to);
    DescribeRules("shadow_rules", rbac.shadow_rules, to);
    to->Out();
  }
}

}  // namespace meltemi::config
