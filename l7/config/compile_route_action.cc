#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromAction = envoy::config::route::v3::RouteAction;
using FromRedirect = envoy::config::route::v3::RedirectAction;

absl::Status CompileWeighted(const CompileContext& context,
                             const envoy::config::route::v3::WeightedCluster& from, Forward* to) {
  if (from.clusters().empty()) return Invalid("clusters", "must not be empty");
  for (int i = 0; i < from.clusters_size(); ++i) {
    const std::string step = Indexed("clusters", i);
    const auto& entry = from.clusters(i);
    if (entry.name().empty()) return Invalid(step + ".name", "must not be empty");
    if (!entry.has_weight()) return Invalid(step + ".weight", "must be set");
    WeightedCluster& cluster = to->clusters.emplace_back();
    cluster.name = entry.name();
    cluster.cluster = FindCluster(context, entry.name());
    cluster.weight = entry.weight().value();
    to->total_weight += cluster.weight;
    ASSIGN_OR_RETURN_AT(cluster.headers, step, CompileHeaderMutation(entry));
  }
  if (to->total_weight == 0) return Invalid("clusters", "the sum of weights must be above 0");
  if (to->total_weight > UINT32_MAX) return Invalid("clusters", "the sum of weights is too large");
  if (from.has_total_weight() && from.total_weight().value() != to->total_weight) {
    return Invalid("total_weight", Cat(from.total_weight().value(), " is not the sum of weights ",
                                       to->total_weight));
  }
  return absl::OkStatus();
}

absl::Status CompileTargets(const CompileContext& context, const FromAction& from, Forward* to) {
  if (from.has_weighted_clusters()) {
    RETURN_IF_ERROR_AT("weighted_clusters", CompileWeighted(context, from.weighted_clusters(), to));
    return absl::OkStatus();
  }
  if (from.cluster().empty()) return Invalid("cluster", "must not be empty");
  WeightedCluster& cluster = to->clusters.emplace_back();
  cluster.name = from.cluster();
  cluster.cluster = FindCluster(context, from.cluster());
  cluster.weight = 1;
  to->total_weight = 1;
  return absl::OkStatus();
}

absl::StatusOr<uint16_t> CompileNotFoundStatus(const FromAction& from) {
  switch (from.cluster_not_found_response_code()) {
    case FromAction::SERVICE_UNAVAILABLE:
      return 503;
    case FromAction::NOT_FOUND:
      return 404;
    case FromAction::INTERNAL_SERVER_ERROR:
      return 500;
    default:  // open enum of proto3
      return Invalid("cluster_not_found_response_code",
                     Cat(from.cluster_not_found_response_code(), " is not known"));
  }
}

absl::Status CompileRewrites(const FromAction& from, Forward* to) {
  if (!from.prefix_rewrite().empty()) {
    if (from.has_regex_rewrite()) {
      return Invalid("regex_rewrite", "must not be set together with prefix_rewrite");
    }
    to->prefix_rewrite = from.prefix_rewrite();
  }
  if (from.has_regex_rewrite()) {
    ASSIGN_OR_RETURN_AT(to->regex_rewrite, "regex_rewrite.pattern",
                        CompileRegex(from.regex_rewrite().pattern()));
    to->regex_substitution = from.regex_rewrite().substitution();
    std::string error;
    if (!to->regex_rewrite->CheckRewriteString(to->regex_substitution, &error)) {
      return Invalid("regex_rewrite.substitution", error);
    }
  }
  to->host_rewrite = from.host_rewrite_literal();
  for (char c : to->host_rewrite) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return Invalid("host_rewrite_literal", "is not a host");
    }
  }
  return absl::OkStatus();
}

absl::Status CompileTimeouts(const FromAction& from, Forward* to) {
  if (from.has_timeout()) {
    ASSIGN_OR_RETURN_AT(to->timeout, "timeout", CompileDuration(from.timeout()));
  }
  if (from.has_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to->idle_timeout, "idle_timeout", CompileDuration(from.idle_timeout()));
  }
  if (!from.has_max_stream_duration()) {
    if (from.has_max_grpc_timeout()) {
      ASSIGN_OR_RETURN_AT(to->max_grpc_timeout, "max_grpc_timeout",
                          CompileDuration(from.max_grpc_timeout()));
    }
    return absl::OkStatus();
  }
  // As in Envoy, whoever sets it, even to nothing, has no use for the other two.
  to->timeout = Duration();
  const auto& stream = from.max_stream_duration();
  if (stream.has_max_stream_duration()) {
    ASSIGN_OR_RETURN_AT(to->stream_duration_max, "max_stream_duration.max_stream_duration",
                        CompileDuration(stream.max_stream_duration()));
  }
  if (stream.has_grpc_timeout_header_max()) {
    ASSIGN_OR_RETURN_AT(to->grpc_timeout_header_max, "max_stream_duration.grpc_timeout_header_max",
                        CompileDuration(stream.grpc_timeout_header_max()));
  }
  return absl::OkStatus();
}

// What goes into a Set-Cookie line must not end it or its value.
absl::Status CheckCookieText(std::string_view field, const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ';') {
      return Invalid(field, "has a character that no cookie may hold");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<HashPolicy> CompileHashPolicy(const FromAction::HashPolicy& from) {
  HashPolicy to;
  to.terminal = from.terminal();
  switch (from.policy_specifier_case()) {
    case FromAction::HashPolicy::kHeader:
      to.kind = HashPolicy::Kind::kHeader;
      RETURN_IF_ERROR_AT("header.header_name", CheckHeaderName(from.header().header_name()));
      to.name = absl::AsciiStrToLower(from.header().header_name());
      return to;
    case FromAction::HashPolicy::kCookie:
      to.kind = HashPolicy::Kind::kCookie;
      to.name = from.cookie().name();
      to.path = from.cookie().path();
      if (to.name.empty() || to.name.find('=') != std::string::npos) {
        return Invalid("cookie.name", "is not the name of a cookie");
      }
      RETURN_IF_ERROR(CheckCookieText("cookie.name", to.name));
      RETURN_IF_ERROR(CheckCookieText("cookie.path", to.path));
      if (from.cookie().has_ttl()) {
        ASSIGN_OR_RETURN_AT(to.ttl, "cookie.ttl", CompileDuration(from.cookie().ttl()));
      }
      return to;
    case FromAction::HashPolicy::kConnectionProperties:
      to.kind = HashPolicy::Kind::kSourceIp;
      if (!from.connection_properties().source_ip()) {
        return Invalid("connection_properties.source_ip", "must be true");
      }
      return to;
    case FromAction::HashPolicy::kQueryParameter:
      to.kind = HashPolicy::Kind::kQueryParameter;
      to.name = from.query_parameter().name();
      if (to.name.empty()) return Invalid("query_parameter.name", "must not be empty");
      return to;
    case FromAction::HashPolicy::kFilterState:
      return Invalid("filter_state", "not supported");
    case FromAction::HashPolicy::POLICY_SPECIFIER_NOT_SET:
      break;
  }
  return Invalid("", "one of header, cookie, connection_properties, query_parameter must be set");
}

// Absent where no copy would ever go.
absl::StatusOr<std::optional<Mirror>> CompileMirror(const CompileContext& context,
                                                    const FromAction::RequestMirrorPolicy& from) {
  Mirror to;
  if (from.cluster().empty()) return Invalid("cluster", "must not be empty");
  to.target.name = from.cluster();
  to.target.cluster = FindCluster(context, from.cluster());
  to.target.weight = 1;
  to.host_suffix = !from.disable_shadow_host_suffix_append();
  if (!from.has_runtime_fraction()) return to;
  ASSIGN_OR_RETURN_AT(const std::optional<Fraction> fraction, "runtime_fraction.default_value",
                      CompileFraction(from.runtime_fraction().default_value()));
  if (!fraction.has_value()) return std::nullopt;
  to.fraction = *fraction;
  return to;
}

absl::StatusOr<uint16_t> CompileRedirectStatus(const FromRedirect& from) {
  switch (from.response_code()) {
    case FromRedirect::MOVED_PERMANENTLY:
      return 301;
    case FromRedirect::FOUND:
      return 302;
    case FromRedirect::SEE_OTHER:
      return 303;
    case FromRedirect::TEMPORARY_REDIRECT:
      return 307;
    case FromRedirect::PERMANENT_REDIRECT:
      return 308;
    default:  // open enum of proto3
      return Invalid("response_code", Cat(from.response_code(), " is not known"));
  }
}

// What goes into a Location header must not end it.
absl::Status CheckLocationText(std::string_view field, const std::string& text) {
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return Invalid(field, "has a character that no URL may hold");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Forward> CompileForward(const CompileContext& context, const FromAction& from) {
  Forward to;
  RETURN_IF_ERROR(CompileTargets(context, from, &to));
  auto status = CompileNotFoundStatus(from);
  if (!status.ok()) return status.status();
  to.cluster_not_found_status = *status;
  RETURN_IF_ERROR(CompileRewrites(from, &to));
  RETURN_IF_ERROR(CompileTimeouts(from, &to));
  if (from.has_retry_policy()) {
    ASSIGN_OR_RETURN_AT(to.retry, "retry_policy", CompileRetryPolicy(from.retry_policy()));
  }
  auto rate_limits = CompileRateLimitRules(from.rate_limits());
  if (!rate_limits.ok()) return rate_limits.status();
  to.rate_limits = *std::move(rate_limits);
  to.include_host_rate_limits = from.include_vh_rate_limits().value();
  auto upgrades = CompileUpgrades(from);
  if (!upgrades.ok()) return upgrades.status();
  to.upgrades = *std::move(upgrades);
  for (int i = 0; i < from.upgrade_configs_size(); ++i) {
    if (!from.upgrade_configs(i).has_connect_config()) continue;
    if (!absl::EqualsIgnoreCase(from.upgrade_configs(i).upgrade_type(), "CONNECT")) {
      return Invalid(Cat(Indexed("upgrade_configs", i), ".connect_config"), "is for CONNECT only");
    }
    to.ends_connect = true;
  }
  for (int i = 0; i < from.request_mirror_policies_size(); ++i) {
    ASSIGN_OR_RETURN_AT(std::optional<Mirror> mirror, Indexed("request_mirror_policies", i),
                        CompileMirror(context, from.request_mirror_policies(i)));
    if (mirror.has_value()) to.mirrors.push_back(*std::move(mirror));
  }
  for (int i = 0; i < from.hash_policy_size(); ++i) {
    ASSIGN_OR_RETURN_AT(HashPolicy policy, Indexed("hash_policy", i),
                        CompileHashPolicy(from.hash_policy(i)));
    const auto makes = [](const HashPolicy& p) { return p.ttl.has_value(); };
    if (makes(policy) && std::any_of(to.hash_policies.begin(), to.hash_policies.end(), makes)) {
      return Invalid(Indexed("hash_policy", i) + ".cookie.ttl", "only one cookie can be made");
    }
    to.hash_policies.push_back(std::move(policy));
  }
  return to;
}

absl::StatusOr<Redirect> CompileRedirect(const FromRedirect& from) {
  Redirect to;
  auto status = CompileRedirectStatus(from);
  if (!status.ok()) return status.status();
  to.status = *status;
  to.scheme = from.https_redirect() ? "https" : from.scheme_redirect();
  to.host = from.host_redirect();
  if (from.port_redirect() > 65535) return Invalid("port_redirect", "must be at most 65535");
  to.port = static_cast<uint16_t>(from.port_redirect());
  if (from.path_rewrite_specifier_case() == FromRedirect::kPathRedirect) {
    to.path = from.path_redirect();
  } else if (from.path_rewrite_specifier_case() == FromRedirect::kPrefixRewrite) {
    to.prefix_rewrite = from.prefix_rewrite();
  }
  to.strip_query = from.strip_query();
  RETURN_IF_ERROR(CheckLocationText("scheme_redirect", to.scheme));
  RETURN_IF_ERROR(CheckLocationText("host_redirect", to.host));
  RETURN_IF_ERROR(CheckLocationText("path_redirect", to.path.value_or("")));
  RETURN_IF_ERROR(CheckLocationText("prefix_rewrite", to.prefix_rewrite.value_or("")));
  return to;
}

}  // namespace meltemi::config
