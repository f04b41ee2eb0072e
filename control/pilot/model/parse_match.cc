// What rules ask of requests and connections.
#include "control/pilot/model/parse_match.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "l7/base/ip_addr.h"
#include "re2/re2.h"

namespace meltemi::control::pilot::model {

namespace {

// "namespace/name" of a Gateway, written so, "./name", "name" of the rule's namespace, or as
// Istio's first users did: "name.namespace.svc.cluster.local".
std::string GatewayName(const std::string& written, const std::string& ns) {
  if (written == kMeshGateway) return written;
  if (written.starts_with("./")) return absl::StrCat(ns, written.substr(1));
  if (written.find('/') != std::string::npos) return written;
  const std::vector<std::string> parts = absl::StrSplit(written, '.');
  return absl::StrCat(parts.size() > 1 ? parts[1] : ns, "/", parts[0]);
}

// Who the client is: an empty list of labels asks nothing.
SourceMatch ReadSource(MapReader& map) {
  SourceMatch source;
  source.labels = map.StringMap("sourceLabels");
  if (source.labels.contains("")) map.Problem("sourceLabels", "a label must not be empty");
  source.ns = map.StringOr("sourceNamespace", "");
  return source;
}

std::vector<std::string> ReadSubnets(MapReader& map, const char* name) {
  std::vector<std::string> out;
  int index = 0;
  for (const std::string& text : map.StringList(name)) {
    const auto subnet = IpPrefix::Parse(text);
    if (subnet.has_value()) {
      out.push_back(subnet->ToString());
    } else {
      map.report().Add(absl::StrCat(map.Path(name), "[", index, "]"),
                       absl::StrCat("\"", text, "\" is not an address or a subnet"));
    }
    ++index;
  }
  return out;
}

// A match on something every request has: a present-match would say nothing.
std::optional<StringMatch> ReadValueMatch(MapReader& map, const char* name) {
  std::optional<StringMatch> match;
  map.In(name, [&](MapReader& field) { match = ReadStringMatch(field); });
  if (match && match->kind == StringMatch::Kind::kPresent) {
    map.Problem(name, "needs exact, prefix or regex");
    return std::nullopt;
  }
  if (match && match->value.empty()) map.Problem(name, "must not be empty");
  return match;
}

std::map<std::string, StringMatch> ReadMatchMap(MapReader& map, const char* name, bool headers) {
  std::map<std::string, StringMatch> out;
  map.EachEntry(name,
                [&](const std::string& key, const YAML::Node& value, const std::string& path) {
                  MapReader field(value, path, &map.report());
                  const StringMatch match = ReadStringMatch(field);
                  if (headers && !ValidHeaderName(key)) map.report().Add(path, "not a header name");
                  if (key.empty()) map.report().Add(path, "must not be empty");
                  out[headers ? absl::AsciiStrToLower(key) : key] = match;
                });
  return out;
}

}  // namespace

bool ValidRegex(const std::string& regex, std::string* error) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 re(regex, options);
  *error = re.error();
  return re.ok();
}

StringMatch ReadStringMatch(MapReader& map) {
  StringMatch match;
  int given = 0;
  const auto read = [&](const char* name, StringMatch::Kind kind) {
    if (const auto value = map.String(name)) {
      ++given;
      match = {kind, *value};
    }
  };
  read("exact", StringMatch::Kind::kExact);
  read("prefix", StringMatch::Kind::kPrefix);
  read("regex", StringMatch::Kind::kRegex);
  if (given > 1) map.report().Add(map.path(), "give only one of exact, prefix, regex");
  std::string error;
  if (match.kind == StringMatch::Kind::kRegex && !ValidRegex(match.value, &error)) {
    map.Problem("regex", absl::StrCat("not a valid RE2 expression: ", error));
  }
  return match;
}

bool ValidHeaderName(const std::string& name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && std::string("!#$%&'*+-.^_`|~").find(c) == std::string::npos) {
      return false;
    }
  }
  return !name.empty();
}

std::vector<std::string> ReadGateways(MapReader& map, const std::string& ns) {
  std::vector<std::string> out;
  for (const std::string& name : map.StringList("gateways")) out.push_back(GatewayName(name, ns));
  return out;
}

HttpMatch ReadHttpMatch(MapReader& map, const std::string& ns) {
  HttpMatch match;
  match.name = map.StringOr("name", "");
  match.uri = ReadValueMatch(map, "uri");
  match.scheme = ReadValueMatch(map, "scheme");
  match.method = ReadValueMatch(map, "method");
  match.authority = ReadValueMatch(map, "authority");
  match.headers = ReadMatchMap(map, "headers", true);
  match.without_headers = ReadMatchMap(map, "withoutHeaders", true);
  match.query_params = ReadMatchMap(map, "queryParams", false);
  match.port = ReadPort(map, "port");
  match.ignore_uri_case = map.Bool("ignoreUriCase").value_or(false);
  match.gateways = ReadGateways(map, ns);
  match.source = ReadSource(map);
  map.NotYet({"statPrefix"});
  return match;
}

L4Match ReadL4Match(MapReader& map, const std::string& ns, bool tls) {
  L4Match match{.port = ReadPort(map, "port"), .gateways = ReadGateways(map, ns)};
  if (tls) {
    match.sni_hosts = map.StringList("sniHosts");
    if (match.sni_hosts.empty()) map.Problem("sniHosts", "required");
    for (const std::string& sni : match.sni_hosts) {
      if (IsHostPattern(sni)) continue;
      map.Problem("sniHosts", absl::StrCat("\"", sni, "\" is not a host name, *, or *.suffix"));
    }
  }
  match.subnets = ReadSubnets(map, "destinationSubnets");
  match.source = ReadSource(map);
  map.NotYet({"sourceSubnet"});
  return match;
}

}  // namespace meltemi::control::pilot::model
