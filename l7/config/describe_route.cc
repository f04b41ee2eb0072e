#include "l7/config/describe_writer.h"

namespace meltemi::config {
namespace {

constexpr std::string_view kStringKinds[] = {"exact", "prefix", "suffix", "contains", "regex"};
constexpr std::string_view kPathKinds[] = {"prefix", "exact", "separated_prefix", "regex",
                                           "connect"};
constexpr std::string_view kModes[] = {"append_or_add", "add_if_absent", "overwrite_or_add",
                                       "overwrite_if_exists"};

void DescribeHeaders(const std::vector<HeaderMatch>& headers, DescribeWriter* to) {
  for (const HeaderMatch& m : headers) to->Line(DescribeWriter::ToText(m));
}

void DescribeMatch(const RouteMatch& m, DescribeWriter* to) {
  to->Line("path ", kPathKinds[static_cast<size_t>(m.path)], " \"", m.path_value, "\"",
           m.ignore_case ? " ignore_case" : "");
  DescribeHeaders(m.headers, to);
  for (const QueryMatch& q : m.queries) {
    to->Line("query ", q.name, " ",
             q.value.has_value() ? DescribeWriter::ToText(*q.value) : "present");
  }
  if (m.fraction.has_value()) to->Line("fraction ", DescribeWriter::ToText(*m.fraction));
}

void DescribeAdds(std::string_view name, const std::vector<HeaderAdd>& adds, DescribeWriter* to) {
  for (const HeaderAdd& add : adds) {
    to->Line(name, " ", kModes[static_cast<size_t>(add.mode)], " ", add.name, ": ", add.value);
  }
}

void DescribeMutation(const HeaderMutation& m, DescribeWriter* to) {
  DescribeAdds("request", m.request_add, to);
  for (const std::string& name : m.request_remove) to->Line("request remove ", name);
  DescribeAdds("response", m.response_add, to);
  for (const std::string& name : m.response_remove) to->Line("response remove ", name);
}

void DescribeRetry(const std::optional<RetryPolicy>& retry, DescribeWriter* to) {
  if (!retry.has_value()) return;
  const RetryPolicy fallback;
  to->Line("retry on ", retry->on, " count ", retry->retry_count_max);
  to->In();
  to->IfNot(fallback.per_try_timeout, "per_try_timeout", retry->per_try_timeout);
  to->IfNot(fallback.backoff_base, "backoff_base", retry->backoff_base);
  to->IfNot(fallback.backoff_max, "backoff_max", retry->backoff_max);
  for (uint16_t status : retry->status_codes) to->Line("status ", status);
  to->IfNot(fallback.previous_hosts, "previous_hosts", retry->previous_hosts);
  to->IfNot(fallback.host_selection_attempt_count_max, "host_selection_attempt_count_max",
            retry->host_selection_attempt_count_max);
  to->Out();
}

void DescribeHashPolicies(const std::vector<HashPolicy>& policies, DescribeWriter* to) {
  constexpr std::string_view kKinds[] = {"header", "cookie", "source_ip", "query_parameter"};
  for (const HashPolicy& p : policies) {
    std::string line = Cat("hash ", kKinds[static_cast<size_t>(p.kind)]);
    if (!p.name.empty()) AppendTo(&line, " ", p.name);
    if (p.ttl.has_value()) AppendTo(&line, " made for ", DescribeWriter::ToText(*p.ttl));
    if (!p.path.empty()) AppendTo(&line, " path ", p.path);
    to->Line(line, p.terminal ? " terminal" : "");
  }
}

void DescribeForward(const Forward& f, const Snapshot& snapshot, DescribeWriter* to) {
  const Forward fallback;
  to->Line("forward");
  to->In();
  DescribeTargets(f.clusters, snapshot, to);
  to->IfNot(fallback.cluster_not_found_status, "cluster_not_found_status",
            f.cluster_not_found_status);
  to->IfNot(fallback.timeout, "timeout", f.timeout);
  const auto optional = [to](std::string_view name, const std::optional<Duration>& value) {
    if (value.has_value()) to->Line(name, ": ", DescribeWriter::ToText(*value));
  };
  optional("idle_timeout", f.idle_timeout);
  optional("max_grpc_timeout", f.max_grpc_timeout);
  optional("stream_duration_max", f.stream_duration_max);
  optional("grpc_timeout_header_max", f.grpc_timeout_header_max);
  if (f.prefix_rewrite.has_value()) to->Line("prefix_rewrite \"", *f.prefix_rewrite, "\"");
  if (f.regex_rewrite != nullptr) {
    to->Line("regex_rewrite \"", f.regex_rewrite->pattern(), "\" to \"", f.regex_substitution,
             "\"");
  }
  to->IfNot(fallback.host_rewrite, "host_rewrite", f.host_rewrite);
  DescribeHashPolicies(f.hash_policies, to);
  for (const Mirror& mirror : f.mirrors) {
    to->Line("mirror \"", mirror.target.name, "\" ", DescribeWriter::ToText(mirror.fraction),
             mirror.target.cluster == kNoIndex ? " (unknown)" : "",
             mirror.host_suffix ? "" : " same host");
  }
  DescribeRateLimits(f.rate_limits, to);
  to->IfNot(fallback.include_host_rate_limits, "include_vh_rate_limits",
            f.include_host_rate_limits);
  DescribeUpgrades(f.upgrades, to);
  to->IfNot(fallback.ends_connect, "ends_connect", f.ends_connect);
  DescribeRetry(f.retry, to);
  to->Out();
}

void DescribeRedirect(const Redirect& r, DescribeWriter* to) {
  const Redirect fallback;
  to->Line("redirect ", r.status);
  to->In();
  to->IfNot(fallback.scheme, "scheme", r.scheme);
  to->IfNot(fallback.host, "host", r.host);
  to->IfNot(fallback.port, "port", r.port);
  if (r.path.has_value()) to->Line("path: \"", *r.path, "\"");
  if (r.prefix_rewrite.has_value()) to->Line("prefix_rewrite: \"", *r.prefix_rewrite, "\"");
  to->IfNot(fallback.strip_query, "strip_query", r.strip_query);
  to->Out();
}

void DescribeCors(const std::optional<Cors>& cors, DescribeWriter* to) {
  if (!cors.has_value()) return;
  const Cors fallback;
  to->Line("cors", cors->enabled.has_value() ? Cat(" of ", DescribeWriter::ToText(*cors->enabled))
                                             : " never");
  to->In();
  for (const StringMatch& origin : cors->origins)
    to->Line("origin ", DescribeWriter::ToText(origin));
  to->IfNot(fallback.allow_methods, "allow_methods", cors->allow_methods);
  to->IfNot(fallback.allow_headers, "allow_headers", cors->allow_headers);
  to->IfNot(fallback.expose_headers, "expose_headers", cors->expose_headers);
  to->IfNot(fallback.max_age, "max_age", cors->max_age);
  to->IfNot(fallback.allow_credentials, "allow_credentials", cors->allow_credentials);
  to->IfNot(fallback.forward_unmatched_preflights, "forward_unmatched_preflights",
            cors->forward_unmatched_preflights);
  to->Out();
}

void DescribeRoute(const Route& r, const Snapshot& snapshot, DescribeWriter* to) {
  to->Line("route \"", r.name, "\"");
  to->In();
  DescribeMatch(r.match, to);
  if (const auto* forward = std::get_if<Forward>(&r.action)) {
    DescribeForward(*forward, snapshot, to);
  } else if (const auto* redirect = std::get_if<Redirect>(&r.action)) {
    DescribeRedirect(*redirect, to);
  } else if (const auto* direct = std::get_if<DirectResponse>(&r.action)) {
    to->Line("direct ", direct->status, " \"", direct->body, "\"");
  }
  DescribeMutation(r.headers, to);
  DescribeFault("fault", r.fault, to);
  DescribeCors(r.cors, to);
  DescribeRateLimit(r.rate_limit.get(), to);
  to->Out();
}

}  // namespace

std::string DescribeWriter::ToText(const StringMatch& m) {
  return Cat(kStringKinds[static_cast<size_t>(m.kind)], " \"", m.value, "\"",
             m.ignore_case ? " ignore_case" : "");
}

std::string DescribeWriter::ToText(const HeaderMatch& m) {
  std::string text = Cat("header ", m.name, m.invert ? " not " : " ");
  switch (m.kind) {
    case HeaderMatch::Kind::kPresent:
      text += "present";
      break;
    case HeaderMatch::Kind::kString:
      text += ToText(m.string);
      break;
    case HeaderMatch::Kind::kRange:
      AppendTo(&text, "range [", m.range_begin, ", ", m.range_end, ")");
      break;
  }
  return Cat(text, m.missing_is_empty ? " missing_is_empty" : "");
}

void DescribeUpgrades(const Upgrades& upgrades, DescribeWriter* to) {
  for (const auto& [protocol, enabled] : upgrades) {
    to->Line("upgrade ", protocol, enabled ? "" : " disabled");
  }
}

void DescribeTargets(const std::vector<WeightedCluster>& targets, const Snapshot& snapshot,
                     DescribeWriter* to) {
  for (const WeightedCluster& target : targets) {
    const bool known = target.cluster < snapshot.clusters.size() &&
                       snapshot.clusters[target.cluster].name == target.name;
    to->Line("to \"", target.name, "\" weight ", target.weight, known ? "" : " (unknown)");
    to->In();
    DescribeMutation(target.headers, to);
    to->Out();
  }
}

void DescribeFault(std::string_view name, const std::optional<Fault>& fault, DescribeWriter* to) {
  if (!fault.has_value()) return;
  to->Line(name);
  to->In();
  if (fault->delay_fraction.has_value()) {
    to->Line("delay ", DescribeWriter::ToText(fault->delay), " of ",
             DescribeWriter::ToText(*fault->delay_fraction));
  }
  if (fault->abort_fraction.has_value()) {
    to->Line("abort ", fault->abort_status, " of ", DescribeWriter::ToText(*fault->abort_fraction));
  }
  DescribeHeaders(fault->headers, to);
  to->Out();
}

void DescribeRouteTable(const RouteTable& table, const Snapshot& snapshot, DescribeWriter* to) {
  to->Line("routes \"", table.name, "\"");
  to->In();
  DescribeMutation(table.headers, to);
  // In the order in which the kinds are tried; exact names are listed with their hosts.
  for (const auto& [text, host] : table.suffix) to->Line("suffix \"", text, "\" host ", host);
  for (const auto& [text, host] : table.prefix) to->Line("prefix \"", text, "\" host ", host);
  if (table.any != kNoIndex) to->Line("any host ", table.any);
  for (const VirtualHost& host : table.hosts) {
    to->Line("host \"", host.name, "\"");
    to->In();
    for (const std::string& domain : host.domains) {
      const auto exact = table.exact.find(domain);
      to->Line("domain ", domain, exact == table.exact.end() ? "" : " exact");
    }
    DescribeMutation(host.headers, to);
    DescribeRetry(host.retry, to);
    DescribeFault("fault", host.fault, to);
    DescribeCors(host.cors, to);
    DescribeRateLimit(host.rate_limit.get(), to);
    DescribeRateLimits(host.rate_limits, to);
    for (const Route& route : host.routes) DescribeRoute(route, snapshot, to);
    to->Out();
  }
  to->Out();
}

}  // namespace meltemi::config
