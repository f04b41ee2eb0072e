#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using FromCors = envoy::extensions::filters::http::cors::v3::Cors;
using envoy::extensions::filters::http::fault::v3::HTTPFault;
using envoy::extensions::filters::http::router::v3::Router;

using FromHttpRbac = envoy::extensions::filters::http::rbac::v3::RBAC;

using FromHttpRateLimit = envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;

enum class HttpFilterKind : uint8_t { kUnknown, kRouter, kFault, kCors, kRbac, kRateLimit };

HttpFilterKind KindOf(const hcm::HttpFilter& filter) {
  const std::string_view type = TypeName(filter.typed_config());
  if (type == Router::descriptor()->full_name()) return HttpFilterKind::kRouter;
  if (type == HTTPFault::descriptor()->full_name()) return HttpFilterKind::kFault;
  if (type == FromCors::descriptor()->full_name()) return HttpFilterKind::kCors;
  if (type == FromHttpRbac::descriptor()->full_name()) return HttpFilterKind::kRbac;
  if (type == FromHttpRateLimit::descriptor()->full_name()) return HttpFilterKind::kRateLimit;
  if (filter.has_typed_config()) return HttpFilterKind::kUnknown;
  if (filter.name() == "envoy.filters.http.router") return HttpFilterKind::kRouter;
  if (filter.name() == kFaultFilter) return HttpFilterKind::kFault;
  if (filter.name() == kCorsFilter) return HttpFilterKind::kCors;
  return HttpFilterKind::kUnknown;
}

absl::Status CompileFaultFilter(const CompileContext& context, const hcm::HttpFilter& filter,
                                HttpManager* to) {
  if (to->fault_filter) return Invalid("", "the fault filter is given twice");
  to->fault_filter = true;
  if (!filter.has_typed_config()) return absl::OkStatus();
  HTTPFault fault;
  RETURN_IF_ERROR_AT("typed_config", Unpack(context.fields, filter.typed_config(), &fault));
  if (!fault.has_delay() && !fault.has_abort()) return absl::OkStatus();
  ASSIGN_OR_RETURN_AT(to->fault, "typed_config", CompileFault(fault));
  return absl::OkStatus();
}

// Faults come after CORS here, whatever their order; the limit goes where the list has it.
absl::Status CompileRateLimitFilter(const CompileContext& context, const hcm::HttpFilter& filter,
                                    HttpManager* to) {
  if (to->rate_limit_place != RateLimitPlace::kNone) {
    return Invalid("", "the local rate limit filter is given twice");
  }
  to->rate_limit_place = to->fault_filter  ? RateLimitPlace::kLast
                         : to->cors_filter ? RateLimitPlace::kAfterCors
                                           : RateLimitPlace::kFirst;
  ASSIGN_OR_RETURN_AT(
      to->rate_limit, "typed_config",
      CompileLocalRateLimit(context, filter.typed_config(), context.place, RateLimitOf::kManager));
  return absl::OkStatus();
}

absl::Status CompileHttpFilters(const CompileContext& context,
                                const hcm::HttpConnectionManager& from, HttpManager* to) {
  const int count = from.http_filters_size();
  if (count == 0) return Invalid("http_filters", "must end with envoy.filters.http.router");
  for (int i = 0; i < count; ++i) {
    const hcm::HttpFilter& filter = from.http_filters(i);
    const HttpFilterKind kind = KindOf(filter);
    const bool last = i + 1 == count;
    if (last != (kind == HttpFilterKind::kRouter) && kind != HttpFilterKind::kUnknown) {
      return Invalid(Indexed("http_filters", i),
                     last ? "the last filter must be envoy.filters.http.router"
                          : "envoy.filters.http.router must be the last filter");
    }
    switch (kind) {
      case HttpFilterKind::kUnknown:
        if (filter.is_optional() && !last) break;
        return Invalid(Indexed("http_filters", i), Cat("\"", filter.name(), "\" is not supported"));
      case HttpFilterKind::kFault:
        RETURN_IF_ERROR_AT(Indexed("http_filters", i), CompileFaultFilter(context, filter, to));
        break;
      case HttpFilterKind::kCors: {
        FromCors cors;
        if (filter.has_typed_config()) {
          RETURN_IF_ERROR_AT(Cat(Indexed("http_filters", i), ".typed_config"),
                             Unpack(context.fields, filter.typed_config(), &cors));
        }
        if (to->cors_filter) {
          return Invalid(Indexed("http_filters", i), "the CORS filter is given twice");
        }
        if (to->rate_limit_place == RateLimitPlace::kLast) {
          return Invalid(Indexed("http_filters", i),
                         "must not follow the fault filter and a local rate limit");
        }
        to->cors_filter = true;
        break;
      }
      case HttpFilterKind::kRateLimit:
        RETURN_IF_ERROR_AT(Indexed("http_filters", i), CompileRateLimitFilter(context, filter, to));
        break;
      case HttpFilterKind::kRbac: {
        if (to->fault_filter || to->cors_filter || to->rate_limit_place != RateLimitPlace::kNone) {
          return Invalid(Indexed("http_filters", i),
                         "envoy.filters.http.rbac must come before the other filters");
        }
        ASSIGN_OR_RETURN_AT(to->rbac.emplace_back(),
                            Cat(Indexed("http_filters", i), ".typed_config"),
                            CompileHttpRbac(context, filter.typed_config()));
        break;
      }
      case HttpFilterKind::kRouter: {
        Router router;
        if (!filter.has_typed_config()) break;
        RETURN_IF_ERROR_AT(Cat(Indexed("http_filters", i), ".typed_config"),
                           Unpack(context.fields, filter.typed_config(), &router));
        break;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CompileRouteSource(CompileContext* context, const hcm::HttpConnectionManager& from,
                                HttpManager* to) {
  switch (from.route_specifier_case()) {
    case hcm::HttpConnectionManager::kRds: {
      if (!from.rds().config_source().has_ads()) {
        return Invalid("rds.config_source.ads", "must be set: it is the only source supported");
      }
      if (from.rds().route_config_name().empty()) {
        return Invalid("rds.route_config_name", "must not be empty");
      }
      to->route_table_name = from.rds().route_config_name();
      const auto found = context->route_table_by_name.find(to->route_table_name);
      if (found != context->route_table_by_name.end()) to->route_table = found->second;
      return absl::OkStatus();
    }
    case hcm::HttpConnectionManager::kRouteConfig: {
      ASSIGN_OR_RETURN_AT(RouteTable table, "route_config",
                          CompileRouteTable(context, from.route_config()));
      to->route_table_name = table.name;
      to->route_table = static_cast<uint32_t>(context->snapshot->route_tables.size());
      context->snapshot->route_tables.push_back(std::move(table));
      return absl::OkStatus();
    }
    case hcm::HttpConnectionManager::kScopedRoutes:
      return Invalid("scoped_routes", "not supported");
    case hcm::HttpConnectionManager::ROUTE_SPECIFIER_NOT_SET:
      return Invalid("rds", "rds or route_config must be set");
  }
  return absl::OkStatus();
}

absl::Status CompileHttpTimeouts(const hcm::HttpConnectionManager& from, HttpManager* to) {
  if (from.has_stream_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to->stream_idle_timeout, "stream_idle_timeout",
                        CompileDuration(from.stream_idle_timeout()));
  }
  if (from.has_request_timeout()) {
    ASSIGN_OR_RETURN_AT(to->request_timeout, "request_timeout",
                        CompileDuration(from.request_timeout()));
  }
  if (from.has_request_headers_timeout()) {
    ASSIGN_OR_RETURN_AT(to->request_headers_timeout, "request_headers_timeout",
                        CompileDuration(from.request_headers_timeout()));
  }
  const auto& common = from.common_http_protocol_options();
  if (common.has_idle_timeout()) {
    ASSIGN_OR_RETURN_AT(to->idle_timeout, "common_http_protocol_options.idle_timeout",
                        CompileDuration(common.idle_timeout()));
  }
  if (common.has_max_stream_duration()) {
    ASSIGN_OR_RETURN_AT(to->stream_duration_max, "common_http_protocol_options.max_stream_duration",
                        CompileDuration(common.max_stream_duration()));
  }
  return absl::OkStatus();
}

absl::Status CompileHttpLimits(const hcm::HttpConnectionManager& from, HttpManager* to) {
  if (from.has_max_request_headers_kb()) {
    const uint32_t kb = from.max_request_headers_kb().value();
    constexpr uint32_t kKbMax = limits::kHttpHeaderBytesMax / 1024;
    if (kb == 0 || kb > kKbMax) {
      return Invalid("max_request_headers_kb", Cat(kb, " is not in 1..", kKbMax));
    }
    to->header_bytes_max = kb * 1024;
  }
  const auto& common = from.common_http_protocol_options();
  if (common.has_max_headers_count()) {
    const uint32_t count = common.max_headers_count().value();
    if (count == 0 || count > limits::kHttpHeaderCountMax) {
      return Invalid("common_http_protocol_options.max_headers_count",
                     Cat(count, " is not in 1..", limits::kHttpHeaderCountMax));
    }
    to->header_count_max = count;
  }
  to->requests_per_connection_max = common.max_requests_per_connection().value();
  return absl::OkStatus();
}

absl::Status CompileHttpModes(const hcm::HttpConnectionManager& from, HttpManager* to) {
  using From = hcm::HttpConnectionManager;
  switch (from.codec_type()) {
    case From::AUTO:
      to->codec = HttpCodec::kAuto;
      break;
    case From::HTTP1:
      to->codec = HttpCodec::kHttp1;
      break;
    case From::HTTP2:
      to->codec = HttpCodec::kHttp2;
      break;
    default:  // HTTP3, and what an open enum of proto3 may carry
      return Invalid("codec_type",
                     Cat(From::CodecType_Name(from.codec_type()), " is not supported"));
  }
  RETURN_IF_ERROR_AT("http2_protocol_options",
                     CompileHttp2(from.http2_protocol_options(), &to->http2));
  if (to->http2.keepalive.has_value() && !to->http2.keepalive->connection_idle.zero()) {
    return Invalid("http2_protocol_options.connection_keepalive.connection_idle_interval",
                   "is of connections to servers: clients open the streams here");
  }
  if (from.path_with_escaped_slashes_action() != From::IMPLEMENTATION_SPECIFIC_DEFAULT &&
      from.path_with_escaped_slashes_action() != From::KEEP_UNCHANGED) {
    return Invalid("path_with_escaped_slashes_action", "only KEEP_UNCHANGED is supported");
  }
  return absl::OkStatus();
}

absl::Status CompileClientCert(const hcm::HttpConnectionManager& from, HttpManager* to) {
  using From = hcm::HttpConnectionManager;
  switch (from.forward_client_cert_details()) {
    case From::SANITIZE:
      to->client_cert_header = ClientCertHeader::kSanitize;
      break;
    case From::FORWARD_ONLY:
      to->client_cert_header = ClientCertHeader::kForward;
      break;
    case From::APPEND_FORWARD:
      to->client_cert_header = ClientCertHeader::kAppend;
      break;
    case From::SANITIZE_SET:
      to->client_cert_header = ClientCertHeader::kSet;
      break;
    case From::ALWAYS_FORWARD_ONLY:
      to->client_cert_header = ClientCertHeader::kAlwaysForward;
      break;
    default:  // open enum of proto3
      return Invalid("forward_client_cert_details",
                     Cat(static_cast<int>(from.forward_client_cert_details()), " is not known"));
  }
  const auto& details = from.set_current_client_cert_details();
  to->client_cert_details = {.cert = details.cert(),
                             .chain = details.chain(),
                             .subject = details.subject().value(),
                             .uri = details.uri(),
                             .dns = details.dns()};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HttpManager> CompileHttpManager(CompileContext* context,
                                               const google::protobuf::Any& any) {
  hcm::HttpConnectionManager from;
  RETURN_IF_ERROR(Unpack(context->fields, any, &from));
  HttpManager to;
  RETURN_IF_ERROR(CompileHttpModes(from, &to));
  to.stat_prefix = from.stat_prefix();
  if (!from.server_name().empty()) to.server_name = from.server_name();
  if (from.has_generate_request_id()) to.generate_request_id = from.generate_request_id().value();
  to.use_remote_address = from.use_remote_address().value();
  to.normalize_path = from.normalize_path().value();
  RETURN_IF_ERROR(CompileHttpFilters(*context, from, &to));
  RETURN_IF_ERROR(CompileHttpTimeouts(from, &to));
  RETURN_IF_ERROR(CompileHttpLimits(from, &to));
  RETURN_IF_ERROR(CompileClientCert(from, &to));
  auto upgrades = CompileUpgrades(from);
  if (!upgrades.ok()) return upgrades.status();
  to.upgrades = *std::move(upgrades);
  RETURN_IF_ERROR(CompileRouteSource(context, from, &to));
  auto logs = CompileAccessLogs(*context, from.access_log());
  if (!logs.ok()) return logs.status();
  to.access_logs = *std::move(logs);
  to.logs_peers = NameThePeers(to.access_logs);
  return to;
}

}  // namespace meltemi::config
