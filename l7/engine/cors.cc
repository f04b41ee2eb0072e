// Cross-origin requests (Fetch Standard, 3.2): a preflight is answered here, a response says who
// may read it. As Envoy's CORS filter: what no origin matches goes on untouched.
#include <string>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

constexpr std::string_view kRequestMethod = "access-control-request-method";

bool Allowed(const config::Cors& cors, std::string_view origin) {
  for (const config::StringMatch& match : cors.origins) {
    // Envoy's reading: what matches a star matches everybody.
    if (route::Matches(match, "*") || route::Matches(match, origin)) return true;
  }
  return false;
}

}  // namespace

const config::Cors* Engine::Impl::CorsOf(const Exchange& x) {
  if (x.route->cors.has_value()) return &*x.route->cors;
  return x.host_config->cors.has_value() ? &*x.host_config->cors : nullptr;
}

// True: the request was a preflight and has been answered.
bool Engine::Impl::ApplyCors(Exchange& x, Instant now) {
  const config::Cors* cors = CorsOf(x);
  if (cors == nullptr || !cors->enabled.has_value()) return false;
  const std::string_view origin = x.head.headers.Get("origin");
  if (origin.empty() || !route::Draw(*cors->enabled, *prng_)) return false;
  const bool preflight = x.head.method == "OPTIONS" && !x.head.headers.Get(kRequestMethod).empty();
  if (!Allowed(*cors, origin)) {
    ++counters_.cors_origin_invalid;
    if (!preflight || cors->forward_unmatched_preflights) return false;
    Reply(x, {.status = 200, .details = "cors_response"}, now);
    return true;
  }
  ++counters_.cors_origin_valid;
  // The header itself may be removed on its way upstream.
  x.cors_origin = x.head.headers.Keep(std::string(origin) + '\0').data();
  if (!preflight) return false;
  Reply(x, {.status = 200, .details = "cors_response", .preflight = true}, now);
  return true;
}

bool Engine::Impl::AddCorsHeaders(const Exchange& x, bool preflight, http::HeaderBlock* headers) {
  if (x.cors_origin == nullptr) return true;
  const config::Cors& cors = *CorsOf(x);
  bool ok = headers->Set("access-control-allow-origin", x.cors_origin);
  if (cors.allow_credentials) ok &= headers->Set("access-control-allow-credentials", "true");
  const auto set = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) ok &= headers->Set(name, value);
  };
  if (preflight) {
    set("access-control-allow-methods", cors.allow_methods);
    set("access-control-allow-headers", cors.allow_headers);
    set("access-control-max-age", cors.max_age);
  } else {
    set("access-control-expose-headers", cors.expose_headers);
  }
  return ok;
}

}  // namespace meltemi::engine
