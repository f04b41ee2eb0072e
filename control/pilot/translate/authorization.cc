#include "control/pilot/translate/authorization.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "l7/base/ip_addr.h"
#include "re2/re2.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::rbac::v3::Permission;
using envoy::config::rbac::v3::Principal;
using RbacPolicy = envoy::config::rbac::v3::Policy;
using RbacRules = envoy::config::rbac::v3::RBAC;
using envoy::type::matcher::v3::StringMatcher;
using model::AuthorizationPolicy;
using Action = AuthorizationPolicy::Action;

enum class RbacPort { kHttp, kTcp };

// Istio's patterns: "*", "*suffix", "prefix*", or the value itself.
StringMatcher Pattern(const std::string& value) {
  StringMatcher to;
  if (value == "*") {
    to.mutable_safe_regex()->set_regex(".+");
  } else if (value.front() == '*') {
    to.set_suffix(value.substr(1));
  } else if (value.back() == '*') {
    to.set_prefix(value.substr(0, value.size() - 1));
  } else {
    to.set_exact(value);
  }
  return to;
}

StringMatcher Regex(const std::string& regex) {
  StringMatcher to;
  to.mutable_safe_regex()->set_regex(regex);
  return to;
}

// "/a/{*}/b", "/a/{**}": one segment, any number of them.
StringMatcher PathPattern(const std::string& value) {
  if (!absl::StrContains(value, "{")) return Pattern(value);
  std::string regex;
  absl::string_view rest = value;
  while (!rest.empty()) {
    if (absl::ConsumePrefix(&rest, "{**}")) {
      regex += ".*";
    } else if (absl::ConsumePrefix(&rest, "{*}")) {
      regex += "[^/]+";
    } else {
      const absl::string_view plain = rest.substr(0, rest.find('{', 1));
      regex += RE2::QuoteMeta(re2::StringPiece(plain.data(), plain.size()));
      rest.remove_prefix(plain.size());
    }
  }
  return Regex(regex);
}

// "cluster.local/ns/a/sa/b", with a star at most at one end.
StringMatcher PrincipalPattern(const std::string& value) {
  if (value == "*") return Pattern(value);
  if (value.front() == '*') return Pattern(value);
  return Pattern("spiffe://" + value);
}

StringMatcher Contains(std::string part) {
  StringMatcher to;
  to.set_contains(std::move(part));
  return to;
}

// Of a SPIFFE identity: "/ns/" stands once in it.
StringMatcher NamespacePattern(const std::string& value) {
  if (value == "*") return Contains("/ns/");
  if (!absl::StrContains(value, "*")) return Contains(absl::StrCat("/ns/", value, "/"));
  const bool suffix = value.front() == '*';
  const std::string part = suffix ? value.substr(1) : value.substr(0, value.size() - 1);
  const std::string quoted = RE2::QuoteMeta(part);
  return Regex(absl::StrCat(".*/ns/", suffix ? "[^/]*" : "", quoted, suffix ? "" : "[^/]*", "/.*"));
}

StringMatcher AccountPattern(const std::string& value, const std::string& ns) {
  const size_t slash = value.find('/');
  const std::string account = slash == std::string::npos ? value : value.substr(slash + 1);
  StringMatcher to;
  to.set_suffix(absl::StrCat("/ns/", slash == std::string::npos ? ns : value.substr(0, slash),
                             "/sa/", account));
  return to;
}

void SetPrefix(const std::string& value, envoy::config::core::v3::CidrRange* to) {
  const IpPrefix prefix = *IpPrefix::Parse(value);  // the parser has seen to it
  to->set_address_prefix(prefix.address.ToString());
  to->mutable_prefix_len()->set_value(prefix.bits);
}

template <typename Message>
void SetHeader(const std::string& name, const std::string& value, Message* to) {
  to->mutable_header()->set_name(name);
  if (value == "*") {
    to->mutable_header()->set_present_match(true);
  } else {
    *to->mutable_header()->mutable_string_match() = Pattern(value);
  }
}

auto* Members(Permission* of) { return of->mutable_and_rules()->mutable_rules(); }
auto* Members(Principal* of) { return of->mutable_and_ids()->mutable_ids(); }
auto* Choices(Permission* of) { return of->mutable_or_rules()->mutable_rules(); }
auto* Choices(Principal* of) { return of->mutable_or_ids()->mutable_ids(); }
Permission* Negated(Permission* of) { return of->mutable_not_rule(); }
Principal* Negated(Principal* of) { return of->mutable_not_id(); }

enum class SeenOn { kEverywhere, kHttpOnly };

// All that one rule says at one place, as one message.
template <typename Message>
class Conjunction {
 public:
  using Set = std::function<void(const std::string& value, Message* to)>;

  Conjunction(RbacPort port, Action action) : port_(port), action_(action) {}

  void Add(const AuthorizationPolicy::Values& values, SeenOn seen, const Set& set) {
    if (values.empty()) return;
    if (seen == SeenOn::kHttpOnly && port_ == RbacPort::kTcp) {
      if (action_ != Action::kDeny) possible_ = false;
      return;
    }
    if (!values.in.empty()) AddOneOf(values.in, set, Members(&all_)->Add());
    if (!values.out.empty()) AddOneOf(values.out, set, Negated(Members(&all_)->Add()));
  }
  // Nothing: it cannot match.
  std::optional<Message> Take() {
    if (!possible_) return std::nullopt;
    if (Members(&all_)->empty()) all_.set_any(true);
    return std::move(all_);
  }

 private:
  static void AddOneOf(const std::vector<std::string>& values, const Set& set, Message* to) {
    if (values.size() == 1) return set(values.front(), to);
    for (const std::string& value : values) set(value, Choices(to)->Add());
  }

  const RbacPort port_;
  const Action action_;
  bool possible_ = true;
  Message all_;
};

// One policy's rules, for one kind of port.
class RbacRuleTranslator {
 public:
  RbacRuleTranslator(const AuthorizationPolicy& policy, RbacPort port,
                     const model::MeshConfig& mesh)
      : policy_(policy), port_(port), mesh_(mesh) {}

  // Nothing: it cannot match.
  std::optional<RbacPolicy> Translate(const AuthorizationPolicy::Rule& rule) const {
    static const AuthorizationPolicy::Source anyone;
    static const AuthorizationPolicy::Operation anything;
    RbacPolicy to;
    for (size_t i = 0; i < std::max<size_t>(rule.to.size(), 1); ++i) {
      auto permission = PermissionOf(rule.to.empty() ? anything : rule.to[i], rule);
      if (!permission) return std::nullopt;
      *to.add_permissions() = *std::move(permission);
    }
    for (size_t i = 0; i < std::max<size_t>(rule.from.size(), 1); ++i) {
      auto principal = PrincipalOf(rule.from.empty() ? anyone : rule.from[i], rule);
      if (!principal) return std::nullopt;
      *to.add_principals() = *std::move(principal);
    }
    return to;
  }

 private:
  std::optional<Permission> PermissionOf(const AuthorizationPolicy::Operation& operation,
                                         const AuthorizationPolicy::Rule& rule) const {
    Conjunction<Permission> all(port_, policy_.action);
    all.Add(operation.hosts, SeenOn::kHttpOnly, [](const std::string& value, Permission* to) {
      SetHeader(":authority", value, to);
      if (to->header().has_string_match()) {
        to->mutable_header()->mutable_string_match()->set_ignore_case(true);
      }
    });
    all.Add(operation.methods, SeenOn::kHttpOnly,
            [](const std::string& value, Permission* to) { SetHeader(":method", value, to); });
    all.Add(operation.paths, SeenOn::kHttpOnly, [](const std::string& value, Permission* to) {
      *to->mutable_url_path()->mutable_path() = PathPattern(value);
    });
    all.Add(operation.ports, SeenOn::kEverywhere, SetPort);
    for (const AuthorizationPolicy::Condition& when : rule.when) {
      if (when.key == "destination.port") all.Add(when.values, SeenOn::kEverywhere, SetPort);
      if (when.key == "destination.ip") {
        all.Add(when.values, SeenOn::kEverywhere, [](const std::string& value, Permission* to) {
          SetPrefix(value, to->mutable_destination_ip());
        });
      }
      if (when.key == "connection.sni") {
        all.Add(when.values, SeenOn::kEverywhere, [](const std::string& value, Permission* to) {
          *to->mutable_requested_server_name() = Pattern(value);
        });
      }
    }
    return all.Take();
  }

  std::optional<Principal> PrincipalOf(const AuthorizationPolicy::Source& source,
                                       const AuthorizationPolicy::Rule& rule) const {
    Conjunction<Principal> all(port_, policy_.action);
    AddNames(source.principals, "source.principal", &all);
    AddNames(source.namespaces, "source.namespace", &all);
    AddNames(source.service_accounts, "source.serviceAccount", &all);
    all.Add(source.ip_blocks, SeenOn::kEverywhere, SetDirectIp);
    all.Add(source.remote_ip_blocks, SeenOn::kEverywhere, SetRemoteIp);
    for (const AuthorizationPolicy::Condition& when : rule.when) {
      if (when.key == "source.ip") all.Add(when.values, SeenOn::kEverywhere, SetDirectIp);
      if (when.key == "remote.ip") all.Add(when.values, SeenOn::kEverywhere, SetRemoteIp);
      if (when.key == "request.headers") {
        all.Add(when.values, SeenOn::kHttpOnly, [&](const std::string& value, Principal* to) {
          SetHeader(when.argument, value, to);
        });
      }
      AddNames(when.values, when.key, &all);
    }
    return all.Take();
  }

  // What is told by the peer's identity.
  void AddNames(const AuthorizationPolicy::Values& values, const std::string& key,
                Conjunction<Principal>* all) const {
    const auto add = [&](const std::function<StringMatcher(const std::string&)>& pattern) {
      all->Add(values, SeenOn::kEverywhere, [&](const std::string& value, Principal* to) {
        *to->mutable_authenticated()->mutable_principal_name() = pattern(value);
      });
    };
    if (key == "source.namespace") add(NamespacePattern);
    if (key == "source.serviceAccount") {
      add([&](const std::string& value) { return AccountPattern(value, policy_.meta.ns); });
    }
    if (key == "source.trustDomain") {
      all->Add(InAllDomains(values), SeenOn::kEverywhere, [](const std::string& v, Principal* to) {
        *to->mutable_authenticated()->mutable_principal_name() =
            Pattern(absl::StrCat("spiffe://", v, "/*"));
      });
    }
    if (key == "source.principal") {
      all->Add(InAllDomains(values), SeenOn::kEverywhere, [](const std::string& v, Principal* to) {
        *to->mutable_authenticated()->mutable_principal_name() = PrincipalPattern(v);
      });
    }
  }

  // As Istio: "cluster.local" means the mesh's own, whatever it is called, and one name of ours
  // means them all. A value is a domain, or begins with one.
  AuthorizationPolicy::Values InAllDomains(const AuthorizationPolicy::Values& values) const {
    const std::vector<std::string> ours = model::TrustDomains(mesh_);
    const auto expand = [&](const std::vector<std::string>& from) {
      std::vector<std::string> to;
      for (const std::string& value : from) {
        const size_t slash = std::min(value.find('/'), value.size());
        const std::string domain = value.substr(0, slash);
        if (domain != "cluster.local" &&
            std::find(ours.begin(), ours.end(), domain) == ours.end()) {
          to.push_back(value);
          continue;
        }
        for (const std::string& name : ours) to.push_back(name + value.substr(slash));
      }
      return to;
    };
    return {.in = expand(values.in), .out = expand(values.out)};
  }

  static void SetPort(const std::string& value, Permission* to) {
    uint32_t port = 0;
    (void)absl::SimpleAtoi(value, &port);  // the parser has seen to it
    to->set_destination_port(port);
  }
  static void SetDirectIp(const std::string& value, Principal* to) {
    SetPrefix(value, to->mutable_direct_remote_ip());
  }
  static void SetRemoteIp(const std::string& value, Principal* to) {
    SetPrefix(value, to->mutable_remote_ip());
  }

  const AuthorizationPolicy& policy_;
  const RbacPort port_;
  const model::MeshConfig& mesh_;
};

// What enforces, and what is only counted, of all policies of one action.
struct RbacRulesPair {
  std::optional<RbacRules> rules, dry_run;
};

RbacRulesPair RulesOf(const Policies& policies, Action action, RbacPort port,
                      const model::MeshConfig& mesh) {
  constexpr RbacRules::Action kActions[] = {RbacRules::ALLOW, RbacRules::DENY, RbacRules::LOG};
  RbacRulesPair pair;
  for (const AuthorizationPolicy* policy : policies) {
    if (policy->action != action) continue;
    auto& rules = policy->dry_run ? pair.dry_run : pair.rules;
    if (!rules.has_value()) rules.emplace().set_action(kActions[static_cast<int>(action)]);
    const RbacRuleTranslator translator(*policy, port, mesh);
    for (size_t i = 0; i < policy->rules.size(); ++i) {
      std::optional<RbacPolicy> rule = translator.Translate(policy->rules[i]);
      if (!rule) continue;
      (*rules->mutable_policies())[absl::StrCat("ns[", policy->meta.ns, "]-policy[",
                                                policy->meta.name, "]-rule[", i, "]")] =
          *std::move(rule);
    }
  }
  return pair;
}

template <typename Filter>
void FillRbac(RbacRulesPair pair, Action action, Filter* to) {
  if (pair.rules) *to->mutable_rules() = *std::move(pair.rules);
  if (!pair.dry_run) return;
  *to->mutable_shadow_rules() = *std::move(pair.dry_run);
  to->set_shadow_rules_stat_prefix(action == Action::kAllow  ? "istio_dry_run_allow_"
                                   : action == Action::kDeny ? "istio_dry_run_deny_"
                                                             : "istio_dry_run_audit_");
}

constexpr Action kRbacOrder[] = {Action::kAudit, Action::kDeny, Action::kAllow};

}  // namespace

void AddHttpRbac(
    const Policies& policies, const model::MeshConfig& mesh,
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager* to) {
  for (const Action action : kRbacOrder) {
    RbacRulesPair pair = RulesOf(policies, action, RbacPort::kHttp, mesh);
    if (!pair.rules && !pair.dry_run) continue;
    envoy::extensions::filters::http::rbac::v3::RBAC rbac;
    FillRbac(std::move(pair), action, &rbac);
    auto* filter = to->add_http_filters();
    filter->set_name("envoy.filters.http.rbac");
    *filter->mutable_typed_config() = Pack(rbac);
  }
}

void AddTcpRbac(const Policies& policies, const model::MeshConfig& mesh,
                envoy::config::listener::v3::FilterChain* to) {
  for (const Action action : kRbacOrder) {
    RbacRulesPair pair = RulesOf(policies, action, RbacPort::kTcp, mesh);
    if (!pair.rules && !pair.dry_run) continue;
    envoy::extensions::filters::network::rbac::v3::RBAC rbac;
    rbac.set_stat_prefix("tcp.");
    FillRbac(std::move(pair), action, &rbac);
    auto* filter = to->add_filters();
    filter->set_name("envoy.filters.network.rbac");
    *filter->mutable_typed_config() = Pack(rbac);
  }
}

}  // namespace meltemi::control::pilot::translate
