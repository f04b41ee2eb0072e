#include "absl/strings/ascii.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromRoute = envoy::config::route::v3::Route;
using FromMatch = envoy::config::route::v3::RouteMatch;

absl::Status CheckPathText(std::string_view text) {
  if (text.find_first_of("?#") != std::string_view::npos) {
    return Invalid("", "must not hold '?' or '#': the query is matched by query_parameters");
  }
  return absl::OkStatus();
}

absl::Status CompilePath(const FromMatch& from, RouteMatch* to) {
  switch (from.path_specifier_case()) {
    case FromMatch::kPrefix:
      RETURN_IF_ERROR_AT("prefix", CheckPathText(from.prefix()));
      to->path = RouteMatch::Path::kPrefix;
      to->path_value = from.prefix();
      break;
    case FromMatch::kPath:
      RETURN_IF_ERROR_AT("path", CheckPathText(from.path()));
      to->path = RouteMatch::Path::kExact;
      to->path_value = from.path();
      break;
    case FromMatch::kPathSeparatedPrefix:
      RETURN_IF_ERROR_AT("path_separated_prefix", CheckPathText(from.path_separated_prefix()));
      to->path = RouteMatch::Path::kSeparatedPrefix;
      to->path_value = from.path_separated_prefix();
      if (to->path_value.size() < 2 || to->path_value.back() == '/') {
        return Invalid("path_separated_prefix", "must be a path that does not end with '/'");
      }
      break;
    case FromMatch::kSafeRegex: {
      to->path = RouteMatch::Path::kRegex;
      to->path_value = from.safe_regex().regex();
      ASSIGN_OR_RETURN_AT(to->path_regex, "safe_regex", CompileRegex(from.safe_regex()));
      return absl::OkStatus();  // case_sensitive does not apply to it
    }
    case FromMatch::kConnectMatcher:
      to->path = RouteMatch::Path::kConnect;
      break;
    case FromMatch::kPathMatchPolicy:
      return Invalid("", "this kind of path match is not supported");
    case FromMatch::PATH_SPECIFIER_NOT_SET:
      return Invalid(
          "",
          "one of prefix, path, safe_regex, path_separated_prefix, connect_matcher must be set");
  }
  if (from.has_case_sensitive() && !from.case_sensitive().value()) {
    to->ignore_case = true;
    to->path_value = absl::AsciiStrToLower(to->path_value);
  }
  return absl::OkStatus();
}

absl::StatusOr<QueryMatch> CompileQuery(
    const envoy::config::route::v3::QueryParameterMatcher& from) {
  using From = envoy::config::route::v3::QueryParameterMatcher;
  if (from.name().empty()) return Invalid("name", "must not be empty");
  QueryMatch to;
  to.name = from.name();
  switch (from.query_parameter_match_specifier_case()) {
    case From::kStringMatch: {
      ASSIGN_OR_RETURN_AT(to.value, "string_match", CompileString(from.string_match()));
      break;
    }
    case From::kPresentMatch:
      if (!from.present_match()) return Invalid("present_match", "false is not supported");
      break;
    case From::QUERY_PARAMETER_MATCH_SPECIFIER_NOT_SET:
      break;  // presence
  }
  return to;
}

absl::StatusOr<DirectResponse> CompileDirectResponse(
    const envoy::config::route::v3::DirectResponseAction& from, DirectResponseLimits limits) {
  DirectResponse to;
  if (from.status() < 200 || from.status() > 599) {
    return Invalid("status", Cat(from.status(), " is not in 200..599"));
  }
  to.status = static_cast<uint16_t>(from.status());
  if (from.body().has_filename()) return Invalid("body.filename", "not supported");
  to.body =
      from.body().has_inline_bytes() ? from.body().inline_bytes() : from.body().inline_string();
  if (to.body.size() > limits.body_bytes_max) {
    return Invalid("body", Cat(to.body.size(), " bytes are more than ", limits.body_bytes_max));
  }
  return to;
}

absl::Status CompileAction(const CompileContext& context, const FromRoute& from,
                           DirectResponseLimits limits, Route* to) {
  switch (from.action_case()) {
    case FromRoute::kRoute: {
      ASSIGN_OR_RETURN_AT(to->action, "route", CompileForward(context, from.route()));
      return absl::OkStatus();
    }
    case FromRoute::kRedirect: {
      ASSIGN_OR_RETURN_AT(to->action, "redirect", CompileRedirect(from.redirect()));
      return absl::OkStatus();
    }
    case FromRoute::kDirectResponse: {
      ASSIGN_OR_RETURN_AT(to->action, "direct_response",
                          CompileDirectResponse(from.direct_response(), limits));
      return absl::OkStatus();
    }
    case FromRoute::kFilterAction:
    case FromRoute::kNonForwardingAction:
      return Invalid("", "this kind of action is not supported");
    case FromRoute::ACTION_NOT_SET:
      return Invalid("", "one of route, redirect, direct_response must be set");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RouteMatch> CompileRouteMatch(const FromMatch& from) {
  RouteMatch to;
  RETURN_IF_ERROR(CompilePath(from, &to));
  auto headers = CompileHeaderMatches(from.headers());
  if (!headers.ok()) return headers.status();
  to.headers = *std::move(headers);
  for (int i = 0; i < from.query_parameters_size(); ++i) {
    ASSIGN_OR_RETURN_AT(to.queries.emplace_back(), Indexed("query_parameters", i),
                        CompileQuery(from.query_parameters(i)));
  }
  if (from.has_runtime_fraction()) {
    ASSIGN_OR_RETURN_AT(to.fraction, "runtime_fraction.default_value",
                        CompileFraction(from.runtime_fraction().default_value()));
  }
  return to;
}

absl::StatusOr<Route> CompileRoute(const CompileContext& context, const FromRoute& from,
                                   DirectResponseLimits limits) {
  Route to;
  to.name = from.name();
  if (!from.has_match()) return Invalid("match", "must be set");
  ASSIGN_OR_RETURN_AT(to.match, "match", CompileRouteMatch(from.match()));
  RETURN_IF_ERROR(CompileAction(context, from, limits, &to));
  auto headers = CompileHeaderMutation(from);
  if (!headers.ok()) return headers.status();
  to.headers = *std::move(headers);
  RETURN_IF_ERROR(CompilePerFilter(context, from.typed_per_filter_config(), PerFilterOf(&to)));
  return to;
}

}  // namespace meltemi::config
