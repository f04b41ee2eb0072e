#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

// Which of the four kinds a domain is: Envoy allows one '*', first or last.
absl::Status AddDomain(const std::string& domain, uint32_t host, RouteTable* to) {
  if (domain.empty()) return Invalid("", "must not be empty");
  const auto again = [&] {
    return Invalid("", Cat("\"", domain, "\" is given twice in this configuration"));
  };
  if (domain == "*") {
    if (to->any != kNoIndex) return again();
    to->any = host;
    return absl::OkStatus();
  }
  const size_t star = domain.find('*');
  if (star == std::string::npos) {
    return to->exact.emplace(domain, host).second ? absl::OkStatus() : again();
  }
  const bool leading = star == 0;
  if ((!leading && star + 1 != domain.size()) || domain.find('*', star + 1) != std::string::npos) {
    return Invalid("", Cat("\"", domain, "\": one '*' may stand first or last only"));
  }
  auto& list = leading ? to->suffix : to->prefix;
  const std::string text = leading ? domain.substr(1) : domain.substr(0, star);
  // Lists are short (wildcards are rare); the set of exact names is the large one.
  for (const auto& [known, unused] : list) {
    if (known == text) return again();
  }
  list.emplace_back(text, host);
  return absl::OkStatus();
}

void LongestFirst(std::vector<std::pair<std::string, uint32_t>>* list) {
  std::sort(list->begin(), list->end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a.first < b.first;
  });
}

// A route with a fraction of zero matches nothing: it is left out.
bool NeverMatches(const envoy::config::route::v3::Route& route) {
  return route.match().has_runtime_fraction() &&
         route.match().runtime_fraction().default_value().numerator() == 0;
}

absl::Status CompileRoutes(CompileContext* context,
                           const envoy::config::route::v3::VirtualHost& from,
                           DirectResponseLimits limits, VirtualHost* to) {
  to->routes.reserve(from.routes_size());
  const std::string place = context->place;
  for (int i = 0; i < from.routes_size(); ++i) {
    if (++context->route_count > limits::kConfigRoutesMax) {
      return Invalid(Indexed("routes", i), Cat("more than ", limits::kConfigRoutesMax, " routes"));
    }
    // By its name it is known when others come and go.
    const std::string& name = from.routes(i).name();
    if (!from.routes(i).typed_per_filter_config().empty()) {
      context->place = Cat(place, " route ", name.empty() ? Cat(i) : name);
    }
    ASSIGN_OR_RETURN_AT(Route route, Indexed("routes", i),
                        CompileRoute(*context, from.routes(i), limits));
    if (!NeverMatches(from.routes(i))) to->routes.push_back(std::move(route));
  }
  context->place = place;
  to->index.Build(to->routes);
  return absl::OkStatus();
}

absl::StatusOr<VirtualHost> CompileVirtualHost(CompileContext* context,
                                               const envoy::config::route::v3::VirtualHost& from,
                                               DirectResponseLimits limits) {
  VirtualHost to;
  if (from.name().empty()) return Invalid("name", "must not be empty");
  to.name = from.name();
  if (from.domains().empty()) return Invalid("domains", "must not be empty");
  for (const std::string& domain : from.domains()) {
    to.domains.push_back(absl::AsciiStrToLower(domain));
  }
  auto headers = CompileHeaderMutation(from);
  if (!headers.ok()) return headers.status();
  to.headers = *std::move(headers);
  if (from.has_retry_policy()) {
    ASSIGN_OR_RETURN_AT(to.retry, "retry_policy", CompileRetryPolicy(from.retry_policy()));
  }
  auto rate_limits = CompileRateLimitRules(from.rate_limits());
  if (!rate_limits.ok()) return rate_limits.status();
  to.rate_limits = *std::move(rate_limits);
  const std::string place = context->place;
  AppendTo(&context->place, " host ", to.name);
  RETURN_IF_ERROR(CompilePerFilter(*context, from.typed_per_filter_config(), PerFilterOf(&to)));
  RETURN_IF_ERROR(CompileRoutes(context, from, limits, &to));
  context->place = place;
  return to;
}

}  // namespace

absl::StatusOr<RouteTable> CompileRouteTable(
    CompileContext* context, const envoy::config::route::v3::RouteConfiguration& from) {
  RETURN_IF_ERROR(context->fields.Check(from));
  RouteTable to;
  to.name = from.name();
  DirectResponseLimits direct{.body_bytes_max = limits::kDirectResponseBytesMax};
  if (from.has_max_direct_response_body_size_bytes()) {
    direct.body_bytes_max = from.max_direct_response_body_size_bytes().value();
    if (direct.body_bytes_max > limits::kDirectResponseBytesMax) {
      return Invalid("max_direct_response_body_size_bytes",
                     Cat("must be at most ", limits::kDirectResponseBytesMax));
    }
  }
  auto headers = CompileHeaderMutation(from);
  if (!headers.ok()) return headers.status();
  to.headers = *std::move(headers);
  absl::flat_hash_set<std::string_view> names;
  to.hosts.reserve(from.virtual_hosts_size());
  for (int i = 0; i < from.virtual_hosts_size(); ++i) {
    const std::string step = Indexed("virtual_hosts", i);
    ASSIGN_OR_RETURN_AT(VirtualHost host, step,
                        CompileVirtualHost(context, from.virtual_hosts(i), direct));
    if (!names.insert(from.virtual_hosts(i).name()).second) {
      return Invalid(step + ".name", Cat("\"", host.name, "\" is given twice"));
    }
    // Envoy looks for a filter's settings on the route, the host, then the whole configuration.
    RETURN_IF_ERROR(CompilePerFilter(*context, from.typed_per_filter_config(), PerFilterOf(&host)));
    for (size_t j = 0; j < host.domains.size(); ++j) {
      RETURN_IF_ERROR_AT(Cat(step, ".", Indexed("domains", static_cast<int>(j))),
                         AddDomain(host.domains[j], static_cast<uint32_t>(i), &to));
    }
    to.hosts.push_back(std::move(host));
  }
  LongestFirst(&to.suffix);
  LongestFirst(&to.prefix);
  return to;
}

}  // namespace meltemi::config
