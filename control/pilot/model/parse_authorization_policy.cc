// Kind AuthorizationPolicy.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"
#include "l7/base/ip_addr.h"

namespace meltemi::control::pilot::model {
namespace {

using Policy = AuthorizationPolicy;

// What a value may look like.
enum class Pattern { kText, kPath, kPort, kAddress, kExact };

// Nothing: it is fine.
std::string WrongWith(Pattern pattern, const std::string& value) {
  if (value.empty()) return "must not be empty";
  const size_t star = value.find('*');
  switch (pattern) {
    case Pattern::kPath:
      if (absl::StrContains(value, "{")) {
        std::string rest = value;  // without what a template may have
        for (const char* part : {"{**}", "{*}"}) {
          for (size_t at; (at = rest.find(part)) != std::string::npos;) {
            rest.erase(at, std::string(part).size());
          }
        }
        if (rest.find_first_of("{}*") == std::string::npos) return "";
        return "in a template, {*} and {**} alone have a meaning";
      }
      [[fallthrough]];
    case Pattern::kText:
      if (star == std::string::npos || value == "*") return "";
      if (value.find('*', star + 1) == std::string::npos &&
          (star == 0 || star == value.size() - 1)) {
        return "";
      }
      return "a * may stand at the beginning or at the end, once";
    case Pattern::kPort: {
      uint32_t number = 0;
      if (absl::SimpleAtoi(value, &number) && number > 0 && number < 65536) return "";
      return "must be a port, 1 to 65535";
    }
    case Pattern::kAddress:
      return IpPrefix::Parse(value).has_value() ? "" : "must be an IP address or CIDR block";
    case Pattern::kExact:
      return star == std::string::npos ? "" : "must not have a *";
  }
  return "";
}

std::vector<std::string> ReadList(MapReader& map, const std::string& name, Pattern pattern) {
  std::vector<std::string> values = map.StringList(name);
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string wrong = WrongWith(pattern, values[i]);
    if (!wrong.empty()) map.report().Add(absl::StrCat(map.Path(name), "[", i, "]"), wrong);
  }
  return values;
}

void ReadValues(MapReader& map, const std::string& name, Pattern pattern, Policy::Values* out) {
  std::string negated = absl::StrCat("not", name);
  negated[3] = static_cast<char>(negated[3] - 'a' + 'A');
  out->in = ReadList(map, name, pattern);
  out->out = ReadList(map, negated, pattern);
}

void ReadSource(MapReader& source, Policy::Source* out) {
  ReadValues(source, "principals", Pattern::kText, &out->principals);
  ReadValues(source, "namespaces", Pattern::kText, &out->namespaces);
  ReadValues(source, "serviceAccounts", Pattern::kExact, &out->service_accounts);
  ReadValues(source, "ipBlocks", Pattern::kAddress, &out->ip_blocks);
  ReadValues(source, "remoteIpBlocks", Pattern::kAddress, &out->remote_ip_blocks);
  source.NotYet({"requestPrincipals", "notRequestPrincipals"});
  if (!out->service_accounts.empty() && !(out->principals.empty() && out->namespaces.empty())) {
    source.Problem("serviceAccounts", "must not stand beside principals or namespaces");
  }
  if (out->principals.empty() && out->namespaces.empty() && out->service_accounts.empty() &&
      out->ip_blocks.empty() && out->remote_ip_blocks.empty()) {
    source.report().Add(source.path(), "must say something");
  }
}

void ReadOperation(MapReader& operation, Policy::Operation* out) {
  ReadValues(operation, "hosts", Pattern::kText, &out->hosts);
  ReadValues(operation, "ports", Pattern::kPort, &out->ports);
  ReadValues(operation, "methods", Pattern::kText, &out->methods);
  ReadValues(operation, "paths", Pattern::kPath, &out->paths);
  if (out->hosts.empty() && out->ports.empty() && out->methods.empty() && out->paths.empty()) {
    operation.report().Add(operation.path(), "must say something");
  }
}

struct KnownKey {
  const char* name;
  Pattern pattern;
  bool argument = false;
};
constexpr KnownKey kKeys[] = {
    {"request.headers", Pattern::kText, true}, {"source.ip", Pattern::kAddress},
    {"remote.ip", Pattern::kAddress},          {"source.namespace", Pattern::kText},
    {"source.principal", Pattern::kText},      {"source.serviceAccount", Pattern::kExact},
    {"source.trustDomain", Pattern::kExact},   {"destination.ip", Pattern::kAddress},
    {"destination.port", Pattern::kPort},      {"connection.sni", Pattern::kText},
};

// RFC 9110 5.6.2; a node refuses others.
bool IsHeaderName(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string("!#$%&'*+-.^_`|~").find(c) != std::string::npos;
  });
}

void ReadCondition(MapReader& when, Policy::Condition* out) {
  const std::string key = when.RequiredString("key");
  const size_t bracket = key.find('[');
  out->key = key.substr(0, bracket);
  const bool argument =
      bracket != std::string::npos && bracket + 2 < key.size() && absl::EndsWith(key, "]");
  if (argument) out->argument = key.substr(bracket + 1, key.size() - bracket - 2);
  const KnownKey* known = nullptr;
  for (const KnownKey& k : kKeys) {
    if (out->key == k.name && k.argument == argument &&
        (argument || bracket == std::string::npos)) {
      known = &k;
    }
  }
  if (known == nullptr && !key.empty()) {
    when.Problem("key",
                 absl::StartsWith(key, "request.auth.") || absl::StartsWith(key, "experimental.")
                     ? absl::StrCat("\"", key, "\" is not supported yet")
                     : absl::StrCat("\"", key, "\" is not known"));
  }
  if (!IsHeaderName(out->argument)) when.Problem("key", "has no header's name in its brackets");
  const Pattern pattern = known == nullptr ? Pattern::kText : known->pattern;
  out->values.in = ReadList(when, "values", pattern);
  out->values.out = ReadList(when, "notValues", pattern);
  if (out->values.empty()) when.Problem("values", "values or notValues must be given");
}

void ReadRule(MapReader& rule, Policy::Rule* out) {
  rule.Each("from", [&](MapReader& from) {
    if (!from.In("source",
                 [&](MapReader& source) { ReadSource(source, &out->from.emplace_back()); })) {
      from.Problem("source", "required");
    }
  });
  rule.Each("to", [&](MapReader& to) {
    if (!to.In("operation",
               [&](MapReader& operation) { ReadOperation(operation, &out->to.emplace_back()); })) {
      to.Problem("operation", "required");
    }
  });
  rule.Each("when", [&](MapReader& when) { ReadCondition(when, &out->when.emplace_back()); });
}

void ReadSpec(MapReader& spec, Policy* out) {
  spec.In("selector",
          [&](MapReader& selector) { out->selector = selector.StringMap("matchLabels"); });
  spec.NotYet({"targetRef", "targetRefs", "provider"});
  const auto action = spec.Enum("action", {"ALLOW", "DENY", "AUDIT", "CUSTOM"});
  if (action == 3) {
    spec.Problem("action", "CUSTOM is not supported yet");
  } else if (action) {
    out->action = static_cast<Policy::Action>(*action);
  }
  spec.Each("rules", [&](MapReader& rule) { ReadRule(rule, &out->rules.emplace_back()); });
}

bool ReadDryRun(MapReader& root) {
  bool dry_run = false;
  root.In("metadata", [&](MapReader& metadata) {
    metadata.In("annotations", [&](MapReader& annotations) {
      const std::string value = annotations.StringOr("istio.io/dry-run", "false");
      dry_run = value == "true";
      if (!dry_run && value != "false") {
        annotations.Problem("istio.io/dry-run", "must be \"true\" or \"false\"");
      }
      annotations.AcceptRest();
    });
    metadata.AcceptRest();
  });
  return dry_run;
}

}  // namespace

void ParseAuthorizationPolicy(MapReader& root, const Meta& meta, Objects* objects) {
  AuthorizationPolicy out{.meta = meta};
  out.dry_run = ReadDryRun(root);
  root.In("spec", [&](MapReader& spec) { ReadSpec(spec, &out); });
  root.Accept({"status"});
  objects->authorization_policies.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
