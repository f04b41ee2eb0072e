// Kind VirtualService.
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "control/pilot/model/parse.h"
#include "control/pilot/model/parse_match.h"

namespace meltemi::control::pilot::model {
namespace {

void ReadOneHeaderOps(MapReader& map, const char* name, HeaderOps* ops) {
  map.In(name, [&](MapReader& direction) {
    ops->set = direction.StringMap("set");
    ops->add = direction.StringMap("add");
    ops->remove = direction.StringList("remove");
    for (const auto* fields : {&ops->set, &ops->add}) {
      for (const auto& [header, value] : *fields) {
        if (!ValidHeaderName(header) || value.find_first_of("\r\n") != std::string::npos) {
          direction.report().Add(direction.path(), absl::StrCat("bad header \"", header, "\""));
        }
      }
    }
    for (const std::string& header : ops->remove) {
      if (!ValidHeaderName(header)) {
        direction.Problem("remove", absl::StrCat("bad header \"", header, "\""));
      }
    }
  });
}

void ReadHeaderOps(MapReader& map, HeaderOps* request, HeaderOps* response) {
  map.In("headers", [&](MapReader& headers) {
    ReadOneHeaderOps(headers, "request", request);
    ReadOneHeaderOps(headers, "response", response);
  });
}

Destination ReadTarget(MapReader& destination) {
  Destination out;
  out.host = destination.RequiredString("host");
  out.subset = destination.StringOr("subset", "");
  destination.In("port", [&](MapReader& port) {
    out.port = ReadPort(port, "number");
    if (!port.Has("number")) port.Problem("number", "required");
  });
  return out;
}

RouteDestination ReadDestination(MapReader& map, bool http) {
  RouteDestination out;
  const bool given = map.In(
      "destination", [&](MapReader& destination) { out.destination = ReadTarget(destination); });
  if (!given) map.Problem("destination", "required");
  if (const auto weight = map.Int("weight", 0, UINT32_MAX)) {
    out.weight = static_cast<uint32_t>(*weight);
  }
  if (http) ReadHeaderOps(map, &out.request, &out.response);
  return out;
}

void CheckWeights(MapReader& map, const std::vector<RouteDestination>& route) {
  uint64_t sum = 0;
  for (const RouteDestination& destination : route) {
    sum += destination.weight.value_or(route.size() == 1 ? 1 : 0);
  }
  if (!route.empty() && sum == 0) map.Problem("route", "the weights add up to 0");
  if (sum > UINT32_MAX) map.Problem("route", "the weights add up to more than 4294967295");
}

Redirect ReadRedirect(MapReader& map) {
  Redirect out;
  out.uri = map.StringOr("uri", "");
  out.prefix_rewrite = map.StringOr("prefixRewrite", "");
  out.authority = map.StringOr("authority", "");
  out.scheme = map.StringOr("scheme", "");
  out.port = ReadPort(map, "port");
  if (!out.uri.empty() && !out.prefix_rewrite.empty()) {
    map.Problem("prefixRewrite", "give only one of uri, prefixRewrite");
  }
  if (!out.scheme.empty() && out.scheme != "http" && out.scheme != "https") {
    map.Problem("scheme", "must be http or https");
  }
  if (const auto code = map.Int("redirectCode", 301, 308)) {
    out.code = static_cast<uint32_t>(*code);
    if (out.code > 303 && out.code < 307) {
      map.Problem("redirectCode", "must be one of 301, 302, 303, 307, 308");
    }
  }
  // From the protocol's default: the proxy leaves the port out, as it does without the field.
  const auto derive = map.Enum("derivePort", {"FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"});
  out.request_port = derive == 1;
  if (derive && map.Has("port")) map.Problem("derivePort", "give only one of port, derivePort");
  return out;
}

Rewrite ReadRewrite(MapReader& map) {
  Rewrite out;
  out.uri = map.StringOr("uri", "");
  out.authority = map.StringOr("authority", "");
  map.In("uriRegexRewrite", [&](MapReader& regex) {
    out.regex = regex.RequiredString("match");
    out.regex_rewrite = regex.StringOr("rewrite", "");
    std::string error;
    if (!ValidRegex(out.regex, &error)) {
      regex.Problem("match", absl::StrCat("not a valid RE2 expression: ", error));
    }
  });
  if (!out.uri.empty() && !out.regex.empty()) {
    map.Problem("uriRegexRewrite", "give only one of uri, uriRegexRewrite");
  }
  return out;
}

DirectResponse ReadDirectResponse(MapReader& map) {
  DirectResponse out;
  out.status = static_cast<uint32_t>(map.Int("status", 200, 599).value_or(0));
  if (!map.Has("status")) map.Problem("status", "required");
  map.In("body", [&](MapReader& body) {
    out.body = body.StringOr("string", "");
    if (const auto bytes = body.String("bytes")) {
      if (body.Has("string")) body.Problem("bytes", "give only one of string, bytes");
      out.text = false;
      if (!absl::Base64Unescape(*bytes, &out.body)) body.Problem("bytes", "is not base64");
    }
  });
  if (out.body.size() > 4096) map.Problem("body", "longer than 4096 bytes");
  return out;
}

// retryOn mixes Envoy's policies with plain status codes.
void ReadRetryOn(MapReader& map, Retries* retries) {
  static constexpr const char* kPolicies[] = {"5xx",
                                              "gateway-error",
                                              "reset",
                                              "reset-before-request",
                                              "connect-failure",
                                              "envoy-ratelimited",
                                              "retriable-4xx",
                                              "refused-stream",
                                              "retriable-status-codes",
                                              "retriable-headers",
                                              "http3-post-connect-failure",
                                              "cancelled",
                                              "deadline-exceeded",
                                              "internal",
                                              "resource-exhausted",
                                              "unavailable"};
  std::vector<std::string> policies;
  for (const auto& part :
       absl::StrSplit(map.StringOr("retryOn", ""), ',', absl::SkipWhitespace())) {
    const std::string word(absl::StripAsciiWhitespace(part));
    uint32_t code = 0;
    bool known = false;
    for (const char* policy : kPolicies) known |= word == policy;
    if (known) {
      policies.push_back(word);
    } else if (absl::SimpleAtoi(word, &code) && code >= 100 && code <= 599) {
      retries->status_codes.push_back(code);
    } else {
      map.Problem("retryOn", absl::StrCat("\"", word, "\" is not a retry policy or status code"));
    }
  }
  retries->retry_on = absl::StrJoin(policies, ",");
}

Retries ReadRetries(MapReader& map) {
  Retries out;
  out.attempts = static_cast<uint32_t>(map.Int("attempts", 0, 100).value_or(0));
  out.per_try_timeout = map.Duration("perTryTimeout", absl::Milliseconds(1));
  out.backoff = map.Duration("backoff", absl::Milliseconds(1));
  out.ignore_previous_hosts = map.Bool("retryIgnorePreviousHosts").value_or(true);
  ReadRetryOn(map, &out);
  map.NotYet({"retryRemoteLocalities"});
  return out;
}

uint32_t ReadPercentage(MapReader& map) {
  uint32_t per_million = 0;
  map.In("percentage", [&](MapReader& percentage) {
    per_million =
        static_cast<uint32_t>(std::lround(percentage.Double("value", 0, 100).value_or(0) * 10'000));
  });
  return per_million;
}

Fault ReadFault(MapReader& map) {
  Fault out;
  map.In("delay", [&](MapReader& delay) {
    Fault::Delay d;
    const auto fixed = delay.Duration("fixedDelay", absl::Milliseconds(1));
    if (!delay.Has("fixedDelay")) delay.Problem("fixedDelay", "required");
    d.fixed = fixed.value_or(absl::ZeroDuration());
    d.per_million = ReadPercentage(delay);
    // The deprecated whole-number form.
    if (const auto percent = delay.Int("percent", 0, 100)) {
      d.per_million = static_cast<uint32_t>(*percent) * 10'000;
    }
    delay.NotYet({"exponentialDelay"});
    out.delay = d;
  });
  map.In("abort", [&](MapReader& abort) {
    Fault::Abort a;
    a.http_status = static_cast<uint32_t>(abort.Int("httpStatus", 200, 599).value_or(0));
    if (!abort.Has("httpStatus") && !abort.Has("grpcStatus")) {
      abort.Problem("httpStatus", "required");
    }
    a.per_million = ReadPercentage(abort);
    abort.NotYet({"grpcStatus", "http2Error"});
    out.abort = a;
  });
  if (!out.delay && !out.abort) map.report().Add(map.path(), "needs delay or abort");
  return out;
}

CorsPolicy ReadCors(MapReader& map) {
  CorsPolicy out;
  map.Each("allowOrigins", [&](MapReader& origin) {
    out.allow_origins.push_back(ReadStringMatch(origin));
    if (out.allow_origins.back().kind == StringMatch::Kind::kPresent) {
      origin.report().Add(origin.path(), "needs exact, prefix or regex");
    }
  });
  // The deprecated form: exact names.
  for (std::string& origin : map.StringList("allowOrigin")) {
    out.allow_origins.push_back({StringMatch::Kind::kExact, std::move(origin)});
  }
  const struct {
    const char* name;
    std::vector<std::string>* to;
  } kLists[] = {{"allowMethods", &out.allow_methods},
                {"allowHeaders", &out.allow_headers},
                {"exposeHeaders", &out.expose_headers}};
  for (const auto& list : kLists) {
    *list.to = map.StringList(list.name);
    for (const std::string& name : *list.to) {
      if (name != "*" && !ValidHeaderName(name)) {
        map.Problem(list.name, absl::StrCat("bad name \"", name, "\""));
      }
    }
  }
  out.max_age = map.Duration("maxAge", absl::ZeroDuration());
  if (out.max_age && *out.max_age != absl::Floor(*out.max_age, absl::Seconds(1))) {
    map.Problem("maxAge", "must be whole seconds");
  }
  out.allow_credentials = map.Bool("allowCredentials");
  const auto unmatched = map.Enum("unmatchedPreflights", {"UNSPECIFIED", "FORWARD", "IGNORE"});
  if (unmatched && *unmatched != 0) out.forward_unmatched_preflights = *unmatched == 1;
  return out;
}

uint32_t ToPerMillion(double percent) {
  return static_cast<uint32_t>(std::lround(percent * 10'000));
}

// `mirror` with its percentage, or the list `mirrors`.
std::vector<Mirror> ReadMirrors(MapReader& map) {
  std::vector<Mirror> out;
  map.In("mirror", [&](MapReader& mirror) {
    out.push_back({.path = "mirror", .destination = ReadTarget(mirror)});
  });
  const auto percentage = [](MapReader& from, const char* name, Mirror* to) {
    from.In(name, [&](MapReader& value) {
      // An empty one is 0, as everywhere.
      const double percent = value.Double("value", 0, 100).value_or(0);
      if (to != nullptr) to->per_million = ToPerMillion(percent);
    });
  };
  Mirror* const first = out.empty() ? nullptr : &out[0];
  // Two deprecated forms first: the newest holds.
  for (const char* name : {"mirror_percent", "mirrorPercent"}) {
    const auto percent = map.Int(name, 0, 100);
    if (percent && first != nullptr) first->per_million = static_cast<uint32_t>(*percent) * 10'000;
  }
  percentage(map, "mirrorPercentage", first);
  for (const char* name : {"mirrorPercentage", "mirror_percent", "mirrorPercent"}) {
    if (first == nullptr && map.Has(name)) map.Problem(name, "only possible with mirror");
  }
  if (map.Has("mirror") && map.Has("mirrors")) {
    map.Problem("mirrors", "give only one of mirror, mirrors");
  }
  map.Each("mirrors", [&](MapReader& entry) {
    Mirror mirror;
    if (!entry.In("destination", [&](MapReader& d) { mirror.destination = ReadTarget(d); })) {
      entry.Problem("destination", "required");
    }
    percentage(entry, "percentage", &mirror);
    mirror.path = absl::StrCat("mirrors[", out.size(), "].destination");
    out.push_back(std::move(mirror));
  });
  return out;
}

HttpRoute ReadHttpRoute(MapReader& map, const std::string& ns) {
  HttpRoute out{.path = map.path()};
  out.name = map.StringOr("name", "");
  map.In("delegate", [&](MapReader& other) {
    out.delegate = absl::StrCat(other.StringOr("namespace", ns), "/", other.RequiredString("name"));
  });
  map.Each("match", [&](MapReader& match) { out.match.push_back(ReadHttpMatch(match, ns)); });
  map.Each("route", [&](MapReader& d) { out.route.push_back(ReadDestination(d, true)); });
  CheckWeights(map, out.route);
  map.In("redirect", [&](MapReader& redirect) { out.redirect = ReadRedirect(redirect); });
  map.In("rewrite", [&](MapReader& rewrite) { out.rewrite = ReadRewrite(rewrite); });
  map.In("directResponse",
         [&](MapReader& direct) { out.direct_response = ReadDirectResponse(direct); });
  out.timeout = map.Duration("timeout", absl::ZeroDuration());
  map.In("retries", [&](MapReader& retries) { out.retries = ReadRetries(retries); });
  map.In("fault", [&](MapReader& fault) { out.fault = ReadFault(fault); });
  ReadHeaderOps(map, &out.request, &out.response);
  out.mirrors = ReadMirrors(map);
  const bool sends = !out.route.empty() || !out.delegate.empty();
  if (!out.mirrors.empty() && !sends) map.Problem("mirror", "only possible with route");
  map.In("corsPolicy", [&](MapReader& cors) { out.cors = ReadCors(cors); });
  const int actions =
      !out.route.empty() + out.redirect.has_value() + out.direct_response.has_value();
  if (!out.delegate.empty() && actions != 0) {
    map.Problem("delegate", "only possible without route, redirect and directResponse");
  } else if (out.delegate.empty() && actions != 1) {
    map.report().Add(map.path(), "needs exactly one of route, redirect, directResponse");
  }
  if (out.rewrite && !sends) map.Problem("rewrite", "only possible with route");
  return out;
}

// Of `tcp`, and of `tls`, which goes by SNI.
TcpRoute ReadTcpRoute(MapReader& map, const std::string& ns, bool tls) {
  TcpRoute out;
  map.Each("match", [&](MapReader& match) { out.match.push_back(ReadL4Match(match, ns, tls)); });
  if (tls && out.match.empty()) map.Problem("match", "required");
  map.Each("route", [&](MapReader& d) { out.route.push_back(ReadDestination(d, false)); });
  if (out.route.empty()) map.Problem("route", "required");
  CheckWeights(map, out.route);
  return out;
}

void CheckHost(MapReader& spec, const std::string& host, int index) {
  if (IsHostPattern(host)) return;
  spec.report().Add(absl::StrCat(spec.Path("hosts"), "[", index, "]"),
                    absl::StrCat("\"", host, "\" is not a host name, *, or *.suffix"));
}

void ReadSpec(MapReader& spec, VirtualService* out) {
  const std::string& ns = out->meta.ns;
  out->hosts = spec.StringList("hosts");
  int index = 0;
  for (const std::string& host : out->hosts) CheckHost(spec, host, index++);
  out->gateways = ReadGateways(spec, ns);
  if (out->gateways.empty() && !out->hosts.empty()) out->gateways = {kMeshGateway};
  index = 0;
  for (const std::string& target : spec.StringList("exportTo")) {
    if (target != "*") {
      spec.report().Add(absl::StrCat(spec.Path("exportTo"), "[", index, "]"),
                        "not supported yet: only \"*\"");
    }
    ++index;
  }
  spec.Each("http", [&](MapReader& http) { out->http.push_back(ReadHttpRoute(http, ns)); });
  spec.Each("tls", [&](MapReader& tls) { out->tls.push_back(ReadTcpRoute(tls, ns, true)); });
  spec.Each("tcp", [&](MapReader& tcp) { out->tcp.push_back(ReadTcpRoute(tcp, ns, false)); });
  if (out->http.empty() && out->tls.empty() && out->tcp.empty()) {
    spec.Problem("http", "needs at least one http, tls or tcp route");
  }
}

}  // namespace

void ParseVirtualService(MapReader& root, const Meta& meta, Objects* objects) {
  VirtualService out{.meta = meta};
  if (!root.In("spec", [&](MapReader& spec) { ReadSpec(spec, &out); })) {
    root.Problem("spec", "required");
  }
  root.Accept({"status"});
  objects->virtual_services.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
