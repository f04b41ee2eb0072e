// The CORS filter, and what routes, hosts and tables say for each HTTP filter.
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using envoy::extensions::filters::http::cors::v3::CorsPolicy;
using envoy::extensions::filters::http::fault::v3::HTTPFault;

// What goes into a response's header must not end it.
absl::Status CheckValue(std::string_view field, const std::string& value) {
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f) {
      return Invalid(field, "has a character that no header may hold");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Cors> CompileCors(const CorsPolicy& from) {
  Cors to;
  for (int i = 0; i < from.allow_origin_string_match_size(); ++i) {
    ASSIGN_OR_RETURN_AT(StringMatch origin, Indexed("allow_origin_string_match", i),
                        CompileString(from.allow_origin_string_match(i)));
    to.origins.push_back(std::move(origin));
  }
  const struct {
    std::string_view name;
    const std::string& from;
    std::string* to;
  } kTexts[] = {{"allow_methods", from.allow_methods(), &to.allow_methods},
                {"allow_headers", from.allow_headers(), &to.allow_headers},
                {"expose_headers", from.expose_headers(), &to.expose_headers},
                {"max_age", from.max_age(), &to.max_age}};
  for (const auto& text : kTexts) {
    RETURN_IF_ERROR(CheckValue(text.name, text.from));
    *text.to = text.from;
  }
  to.allow_credentials = from.allow_credentials().value();
  if (from.has_forward_not_matching_preflights()) {
    to.forward_unmatched_preflights = from.forward_not_matching_preflights().value();
  }
  if (from.has_filter_enabled()) {
    ASSIGN_OR_RETURN_AT(to.enabled, "filter_enabled.default_value",
                        CompileFraction(from.filter_enabled().default_value()));
  }
  return to;
}

}  // namespace

absl::Status CompilePerFilter(const CompileContext& context, const PerFilterConfig& from,
                              const PerFilter& to) {
  for (const auto& [name, config] : from) {
    const std::string step = Cat("typed_per_filter_config[\"", name, "\"]");
    if (name == kFaultFilter) {
      HTTPFault message;
      RETURN_IF_ERROR_AT(step, Unpack(context.fields, config, &message));
      ASSIGN_OR_RETURN_AT(Fault compiled, step, CompileFault(message));
      if (!to.fault->has_value()) *to.fault = std::move(compiled);
    } else if (name == kCorsFilter) {
      CorsPolicy message;
      RETURN_IF_ERROR_AT(step, Unpack(context.fields, config, &message));
      ASSIGN_OR_RETURN_AT(Cors compiled, step, CompileCors(message));
      if (!to.cors->has_value()) *to.cors = std::move(compiled);
    } else if (name == kRateLimitFilter) {
      auto compiled = CompileLocalRateLimit(context, config, context.place, RateLimitOf::kRoute);
      RETURN_IF_ERROR_AT(step, compiled.status());
      if (*to.rate_limit == nullptr) *to.rate_limit = *std::move(compiled);
    } else {
      return Invalid(step, "not supported");
    }
  }
  return absl::OkStatus();
}

}  // namespace meltemi::config
