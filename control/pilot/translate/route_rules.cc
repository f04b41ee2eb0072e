// The routes a VirtualService makes: matches and actions.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/sources.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::core::v3::HeaderValueOption;
using envoy::config::route::v3::HeaderMatcher;
using envoy::config::route::v3::RedirectAction;
using envoy::config::route::v3::RetryPolicy;
using envoy::config::route::v3::Route;
using envoy::config::route::v3::RouteAction;
using envoy::config::route::v3::RouteMatch;
using model::StringMatch;
using StringMatcher = envoy::type::matcher::v3::StringMatcher;

constexpr char kDefaultRetryOn[] = "connect-failure,refused-stream,unavailable,cancelled";

void SetStringMatch(const StringMatch& from, StringMatcher* to) {
  switch (from.kind) {
    case StringMatch::Kind::kPresent:
      return;
    case StringMatch::Kind::kExact:
      to->set_exact(from.value);
      return;
    case StringMatch::Kind::kPrefix:
      to->set_prefix(from.value);
      return;
    case StringMatch::Kind::kRegex:
      to->mutable_safe_regex()->set_regex(from.value);
      return;
  }
}

enum class Wanted { kMatch, kNoMatch };

void AddHeader(const std::string& name, const StringMatch& match, Wanted wanted, RouteMatch* to) {
  HeaderMatcher* header = to->add_headers();
  header->set_name(name);
  const bool invert = wanted == Wanted::kNoMatch;
  header->set_invert_match(invert);
  if (match.kind == StringMatch::Kind::kPresent) {
    header->set_present_match(true);
    return;
  }
  SetStringMatch(match, header->mutable_string_match());
  // "Not this value" is true of a request without the header; Envoy needs to be told.
  if (invert) header->set_treat_missing_header_as_empty(true);
}

void SetUri(const model::HttpMatch& match, RouteMatch* to) {
  if (!match.uri) {
    to->set_prefix("/");
    return;
  }
  switch (match.uri->kind) {
    case StringMatch::Kind::kPresent:
      to->set_prefix("/");
      return;
    case StringMatch::Kind::kExact:
      to->set_path(match.uri->value);
      break;
    case StringMatch::Kind::kPrefix:
      to->set_prefix(match.uri->value);
      break;
    case StringMatch::Kind::kRegex:
      to->mutable_safe_regex()->set_regex(match.uri->value);
      return;
  }
  if (match.ignore_uri_case) to->mutable_case_sensitive()->set_value(false);
}

void SetMatch(const model::HttpMatch& match, RouteMatch* to) {
  SetUri(match, to);
  for (const auto& [name, value] : match.headers) AddHeader(name, value, Wanted::kMatch, to);
  for (const auto& [name, value] : match.without_headers) {
    AddHeader(name, value, Wanted::kNoMatch, to);
  }
  if (match.method) AddHeader(":method", *match.method, Wanted::kMatch, to);
  if (match.authority) AddHeader(":authority", *match.authority, Wanted::kMatch, to);
  if (match.scheme) AddHeader(":scheme", *match.scheme, Wanted::kMatch, to);
  for (const auto& [name, value] : match.query_params) {
    auto* parameter = to->add_query_parameters();
    parameter->set_name(name);
    if (value.kind == StringMatch::Kind::kPresent) {
      parameter->set_present_match(true);
    } else {
      SetStringMatch(value, parameter->mutable_string_match());
    }
  }
}

// Envoy reads % in header values as the start of a format; operators write plain text.
std::string EscapePercent(const std::string& value) {
  std::string out;
  for (const char c : value) out.append(c == '%' ? 2 : 1, c);
  return out;
}

template <typename To>
void SetHeaderOps(const model::HeaderOps& request, const model::HeaderOps& response, To* to) {
  const auto fill = [](const std::map<std::string, std::string>& headers,
                       HeaderValueOption::HeaderAppendAction action, auto* list) {
    for (const auto& [name, value] : headers) {
      HeaderValueOption* option = list->Add();
      option->mutable_header()->set_key(name);
      option->mutable_header()->set_value(EscapePercent(value));
      option->set_append_action(action);
    }
  };
  fill(request.set, HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD,
       to->mutable_request_headers_to_add());
  fill(request.add, HeaderValueOption::APPEND_IF_EXISTS_OR_ADD,
       to->mutable_request_headers_to_add());
  fill(response.set, HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD,
       to->mutable_response_headers_to_add());
  fill(response.add, HeaderValueOption::APPEND_IF_EXISTS_OR_ADD,
       to->mutable_response_headers_to_add());
  for (const std::string& name : request.remove) to->add_request_headers_to_remove(name);
  for (const std::string& name : response.remove) to->add_response_headers_to_remove(name);
}

// As Istio: a call's grpc-timeout holds instead, up to the rule's.
void SetTimeout(absl::Duration timeout, RouteAction* action) {
  SetDuration(timeout, action->mutable_timeout());
  SetDuration(timeout, action->mutable_max_grpc_timeout());
}

void SetRetryPolicy(const std::optional<model::Retries>& retries, RouteAction* action) {
  const model::Retries from = retries.value_or(model::Retries{});
  if (from.attempts == 0) return;
  RetryPolicy* to = action->mutable_retry_policy();
  std::string retry_on = from.retry_on;
  if (retry_on.empty() && from.status_codes.empty()) retry_on = kDefaultRetryOn;
  if (!from.status_codes.empty() && retry_on.find("retriable-status-codes") == std::string::npos) {
    absl::StrAppend(&retry_on, retry_on.empty() ? "" : ",", "retriable-status-codes");
  }
  to->set_retry_on(retry_on);
  to->mutable_num_retries()->set_value(from.attempts);
  for (const uint32_t code : from.status_codes) to->add_retriable_status_codes(code);
  if (from.per_try_timeout) SetDuration(*from.per_try_timeout, to->mutable_per_try_timeout());
  if (from.backoff) {
    SetDuration(*from.backoff, to->mutable_retry_back_off()->mutable_base_interval());
  }
  if (from.ignore_previous_hosts) {
    to->add_retry_host_predicate()->set_name("envoy.retry_host_predicates.previous_hosts");
    to->set_host_selection_retry_max_attempts(5);
  }
}

void SetFault(const model::Fault& fault, Route* route) {
  envoy::extensions::filters::http::fault::v3::HTTPFault to;
  const auto share = [](uint32_t per_million, envoy::type::v3::FractionalPercent* percent) {
    percent->set_numerator(per_million);
    percent->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
  };
  if (fault.delay) {
    SetDuration(fault.delay->fixed, to.mutable_delay()->mutable_fixed_delay());
    share(fault.delay->per_million, to.mutable_delay()->mutable_percentage());
  }
  if (fault.abort) {
    to.mutable_abort()->set_http_status(fault.abort->http_status);
    share(fault.abort->per_million, to.mutable_abort()->mutable_percentage());
  }
  (*route->mutable_typed_per_filter_config())["envoy.filters.http.fault"] = Pack(to);
}

void SetCors(const model::CorsPolicy& cors, Route* route) {
  envoy::extensions::filters::http::cors::v3::CorsPolicy to;
  for (const StringMatch& origin : cors.allow_origins) {
    SetStringMatch(origin, to.add_allow_origin_string_match());
  }
  to.set_allow_methods(absl::StrJoin(cors.allow_methods, ","));
  to.set_allow_headers(absl::StrJoin(cors.allow_headers, ","));
  to.set_expose_headers(absl::StrJoin(cors.expose_headers, ","));
  if (cors.max_age) to.set_max_age(absl::StrCat(absl::ToInt64Seconds(*cors.max_age)));
  if (cors.allow_credentials) to.mutable_allow_credentials()->set_value(*cors.allow_credentials);
  if (cors.forward_unmatched_preflights) {
    to.mutable_forward_not_matching_preflights()->set_value(*cors.forward_unmatched_preflights);
  }
  to.mutable_filter_enabled()->mutable_default_value()->set_numerator(100);
  (*route->mutable_typed_per_filter_config())["envoy.filters.http.cors"] = Pack(to);
}

void SetMirrors(const model::Model& model, const model::Meta& meta, const model::HttpRoute& rule,
                uint32_t port, RouteAction* action) {
  for (const model::Mirror& mirror : rule.mirrors) {
    if (mirror.per_million == 0) continue;
    auto* to = action->add_request_mirror_policies();
    to->set_cluster(DestinationCluster(model, meta, mirror.destination, port));
    auto* share = to->mutable_runtime_fraction()->mutable_default_value();
    share->set_numerator(mirror.per_million);
    share->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
  }
}

void SetRedirect(const model::Redirect& from, uint32_t request_port, RedirectAction* to) {
  if (!from.uri.empty()) to->set_path_redirect(from.uri);
  if (!from.prefix_rewrite.empty()) to->set_prefix_rewrite(from.prefix_rewrite);
  if (!from.authority.empty()) to->set_host_redirect(from.authority);
  if (!from.scheme.empty()) to->set_scheme_redirect(from.scheme);
  if (from.port != 0) to->set_port_redirect(from.port);
  // Envoy cannot; but each route is made for one port.
  if (from.request_port) to->set_port_redirect(request_port);
  switch (from.code) {
    case 302:
      return to->set_response_code(RedirectAction::FOUND);
    case 303:
      return to->set_response_code(RedirectAction::SEE_OTHER);
    case 307:
      return to->set_response_code(RedirectAction::TEMPORARY_REDIRECT);
    case 308:
      return to->set_response_code(RedirectAction::PERMANENT_REDIRECT);
    default:
      return to->set_response_code(RedirectAction::MOVED_PERMANENTLY);
  }
}

void SetClusters(const model::Model& model, const model::Meta& meta, const model::HttpRoute& rule,
                 uint32_t port, Route* route) {
  RouteAction* action = route->mutable_route();
  for (const model::RouteDestination& to : rule.route) {
    if (rule.route.size() > 1 && to.weight.value_or(0) == 0) continue;
    SetHashPolicy(DestinationBlocks(model, meta, to.destination, port), action);
  }
  if (rule.route.size() == 1) {
    action->set_cluster(DestinationCluster(model, meta, rule.route[0].destination, port));
    SetHeaderOps(rule.route[0].request, rule.route[0].response, route);
    return;
  }
  for (const model::RouteDestination& to : rule.route) {
    if (to.weight.value_or(0) == 0) continue;
    auto* weighted = action->mutable_weighted_clusters()->add_clusters();
    weighted->set_name(DestinationCluster(model, meta, to.destination, port));
    weighted->mutable_weight()->set_value(*to.weight);
    SetHeaderOps(to.request, to.response, weighted);
  }
}

void SetAction(const model::Model& model, const model::Meta& meta, const model::HttpRoute& rule,
               uint32_t port, Route* route) {
  SetHeaderOps(rule.request, rule.response, route);
  if (rule.fault) SetFault(*rule.fault, route);
  if (rule.cors) SetCors(*rule.cors, route);
  if (rule.redirect) return SetRedirect(*rule.redirect, port, route->mutable_redirect());
  if (rule.direct_response) {
    route->mutable_direct_response()->set_status(rule.direct_response->status);
    if (!rule.direct_response->body.empty()) {
      auto* body = route->mutable_direct_response()->mutable_body();
      if (rule.direct_response->text) {
        body->set_inline_string(rule.direct_response->body);
      } else {
        body->set_inline_bytes(rule.direct_response->body);
      }
    }
    return;
  }
  SetClusters(model, meta, rule, port, route);
  RouteAction* action = route->mutable_route();
  if (rule.rewrite) {
    if (!rule.rewrite->uri.empty()) action->set_prefix_rewrite(rule.rewrite->uri);
    if (!rule.rewrite->authority.empty()) action->set_host_rewrite_literal(rule.rewrite->authority);
    if (!rule.rewrite->regex.empty()) {
      action->mutable_regex_rewrite()->mutable_pattern()->set_regex(rule.rewrite->regex);
      action->mutable_regex_rewrite()->set_substitution(rule.rewrite->regex_rewrite);
    }
  }
  SetMirrors(model, meta, rule, port, action);
  // As Istio documents: with a fault on the route, timeouts and retries are off.
  const absl::Duration timeout =
      rule.fault ? absl::ZeroDuration() : rule.timeout.value_or(absl::ZeroDuration());
  SetTimeout(timeout, action);
  if (!rule.fault) SetRetryPolicy(rule.retries, action);
}

Route DefaultRoute(const model::Model& model, const model::MeshService& service, uint32_t port) {
  Route route;
  route.set_name("default");
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(ClusterName(port, "", service.hostname));
  SetTimeout(absl::ZeroDuration(), route.mutable_route());
  SetRetryPolicy(std::nullopt, route.mutable_route());
  SetHashPolicy(BlocksFor(model.DestinationRuleFor(service.hostname), nullptr, port),
                route.mutable_route());
  return route;
}

}  // namespace

std::string RulePath(const RuleRoute& made) {
  return made.match < 0 ? made.path : absl::StrCat(made.path, ".match[", made.match, "]");
}

bool CatchAll(const RouteMatch& match) {
  return match.prefix() == "/" && match.headers_size() == 0 && match.query_parameters_size() == 0;
}

std::vector<RuleRoute> RuleRoutes(const model::Model& model, const model::VirtualService& rule,
                                  const std::string& gateway, uint32_t port,
                                  const model::Endpoint* client) {
  std::vector<RuleRoute> out;
  const std::vector<model::HttpMatch> everything(1);
  for (const model::HttpRoute& http : rule.http) {
    const std::vector<model::HttpMatch>& matches = http.match.empty() ? everything : http.match;
    for (size_t m = 0; m < matches.size(); ++m) {
      const model::HttpMatch& match = matches[m];
      if (match.port != 0 && match.port != port) continue;
      if (!OfGateway(match.gateways, gateway)) continue;
      if (!Applies(match.source, match.gateways, gateway, client)) continue;
      const bool known = !http.match.empty() && http.delegate.empty();
      RuleRoute made{.path = http.path, .match = known ? static_cast<int>(m) : -1};
      const bool both = !http.name.empty() && !match.name.empty();
      made.route.set_name(absl::StrCat(http.name, both ? "." : "", match.name));
      SetMatch(match, made.route.mutable_match());
      SetAction(model, rule.meta, http, port, &made.route);
      const bool last = CatchAll(made.route.match());
      out.push_back(std::move(made));
      if (last) return out;
    }
  }
  return out;
}

std::vector<RuleRoute> RoutesFor(const model::Model& model, const model::VirtualService* rule,
                                 const model::MeshService& service, uint32_t port,
                                 const model::Endpoint* client) {
  if (rule != nullptr && !rule->http.empty()) {
    std::vector<RuleRoute> made = RuleRoutes(model, *rule, model::kMeshGateway, port, client);
    // As in Istio: a rule that has nothing to say on the port, or of the client, is none.
    if (!made.empty()) return made;
  }
  return {{.route = DefaultRoute(model, service, port)}};
}

}  // namespace meltemi::control::pilot::translate
