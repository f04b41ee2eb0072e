// envoy.config.core.v3.HealthCheck. What it asks for that is not here is refused by name.
#include <algorithm>

#include "envoy/config/core/v3/health_check.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using From = envoy::config::core::v3::HealthCheck;

constexpr size_t kPayloadBytesMax = 4096;
constexpr int kPayloadsMax = 16;
constexpr size_t kNameBytesMax = 1024;  // of paths, hosts and services

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `text` is hexadecimal.
absl::StatusOr<std::string> CompilePayload(const From::Payload& from) {
  std::string to;
  if (from.payload_case() == From::Payload::kBinary) {
    to = from.binary();
  } else {
    const std::string& text = from.text();
    if (text.size() % 2 != 0) return Invalid("text", "must have an even number of digits");
    for (size_t i = 0; i < text.size(); i += 2) {
      const int high = HexDigit(text[i]), low = HexDigit(text[i + 1]);
      if (high < 0 || low < 0) return Invalid("text", "must be hexadecimal");
      to.push_back(static_cast<char>(high << 4 | low));
    }
  }
  if (to.empty()) return Invalid("text", "must not be empty");
  if (to.size() > kPayloadBytesMax) {
    return Invalid("text", Cat("must be at most ", kPayloadBytesMax, " bytes"));
  }
  return to;
}

// What stands in a request as it is.
absl::Status CompileText(std::string_view field, const std::string& from, std::string* to) {
  const bool good =
      std::all_of(from.begin(), from.end(), [](char c) { return c > ' ' && c < 127; });
  if (!good) return Invalid(field, "must be visible ASCII without spaces");
  if (from.size() > kNameBytesMax) return Invalid(field, Cat("longer than ", kNameBytesMax));
  *to = from;
  return absl::OkStatus();
}

using Ranges = google::protobuf::RepeatedPtrField<envoy::type::v3::Int64Range>;
absl::Status CompileStatuses(std::string_view field, const Ranges& from,
                             std::vector<HttpHealthCheck::Statuses>* to) {
  for (int i = 0; i < from.size(); ++i) {
    const int64_t start = from[i].start(), end = from[i].end();
    if (start < 100 || end > 600 || start >= end) {
      return Invalid(Indexed(field, i), Cat("[", start, ", ", end, ") is not within [100, 600)"));
    }
    to->emplace_back(static_cast<uint16_t>(start), static_cast<uint16_t>(end));
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpHealthCheck> CompileHttp(const From::HttpHealthCheck& from) {
  HttpHealthCheck to;
  if (!from.path().starts_with('/')) return Invalid("path", "must begin with /");
  RETURN_IF_ERROR(CompileText("path", from.path(), &to.path));
  RETURN_IF_ERROR(CompileText("host", from.host(), &to.host));
  RETURN_IF_ERROR(CompileStatuses("expected_statuses", from.expected_statuses(), &to.expected));
  RETURN_IF_ERROR(CompileStatuses("retriable_statuses", from.retriable_statuses(), &to.retriable));
  using envoy::config::core::v3::RequestMethod;
  switch (from.method()) {
    case RequestMethod::METHOD_UNSPECIFIED:
    case RequestMethod::GET:
      break;
    case RequestMethod::HEAD:
    case RequestMethod::OPTIONS:
      to.method = envoy::config::core::v3::RequestMethod_Name(from.method());
      break;
    default:
      return Invalid("method", "only GET, HEAD and OPTIONS are supported");
  }
  switch (from.codec_client_type()) {
    case envoy::type::v3::HTTP1:
      break;
    case envoy::type::v3::HTTP2:
      to.http2 = true;
      break;
    default:
      return Invalid("codec_client_type", "only HTTP1 and HTTP2 are supported");
  }
  return to;
}

absl::StatusOr<TcpHealthCheck> CompileTcp(const From::TcpHealthCheck& from) {
  TcpHealthCheck to;
  if (from.has_send()) {
    ASSIGN_OR_RETURN_AT(to.send, "send", CompilePayload(from.send()));
  }
  if (from.receive_size() > kPayloadsMax) {
    return Invalid("receive", Cat("more than ", kPayloadsMax, " of them"));
  }
  for (int i = 0; i < from.receive_size(); ++i) {
    ASSIGN_OR_RETURN_AT(to.receive.emplace_back(), Indexed("receive", i),
                        CompilePayload(from.receive(i)));
  }
  return to;
}

absl::StatusOr<GrpcHealthCheck> CompileGrpc(const From::GrpcHealthCheck& from) {
  GrpcHealthCheck to;
  RETURN_IF_ERROR(CompileText("service_name", from.service_name(), &to.service_name));
  RETURN_IF_ERROR(CompileText("authority", from.authority(), &to.authority));
  return to;
}

absl::Status CompileKind(const From& from, HealthCheck* to) {
  switch (from.health_checker_case()) {
    case From::kHttpHealthCheck: {
      ASSIGN_OR_RETURN_AT(to->kind, "http_health_check", CompileHttp(from.http_health_check()));
      return absl::OkStatus();
    }
    case From::kTcpHealthCheck: {
      ASSIGN_OR_RETURN_AT(to->kind, "tcp_health_check", CompileTcp(from.tcp_health_check()));
      return absl::OkStatus();
    }
    case From::kGrpcHealthCheck: {
      ASSIGN_OR_RETURN_AT(to->kind, "grpc_health_check", CompileGrpc(from.grpc_health_check()));
      return absl::OkStatus();
    }
    case From::kCustomHealthCheck:
    case From::HEALTH_CHECKER_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "one of http_health_check, tcp_health_check, grpc_health_check must be set");
}

// Above 0 when it is given; `to` stays what it was when it is not.
absl::Status CompileWait(std::string_view field, bool given, const google::protobuf::Duration& from,
                         Duration* to) {
  if (!given) return absl::OkStatus();
  ASSIGN_OR_RETURN_AT(*to, field, CompileDuration(from));
  if (*to < Duration::Millis(1)) return Invalid(field, "must be at least 1 ms");
  if (*to > Duration::Seconds(24 * 3600)) return Invalid(field, "must be at most one day");
  return absl::OkStatus();
}

absl::Status CompileThreshold(std::string_view field, bool given, uint32_t from, uint32_t* to) {
  if (!given || from == 0) return Invalid(field, "must be at least 1");
  *to = from;
  return absl::OkStatus();
}

absl::Status CompileWaits(const From& from, HealthCheck* to) {
  if (!from.has_timeout()) return Invalid("timeout", "must be set");
  if (!from.has_interval()) return Invalid("interval", "must be set");
  RETURN_IF_ERROR(CompileWait("timeout", true, from.timeout(), &to->timeout));
  RETURN_IF_ERROR(CompileWait("interval", true, from.interval(), &to->interval));
  RETURN_IF_ERROR(CompileWait("no_traffic_interval", from.has_no_traffic_interval(),
                              from.no_traffic_interval(), &to->no_traffic_interval));
  to->no_traffic_healthy_interval = to->no_traffic_interval;
  RETURN_IF_ERROR(CompileWait("no_traffic_healthy_interval", from.has_no_traffic_healthy_interval(),
                              from.no_traffic_healthy_interval(),
                              &to->no_traffic_healthy_interval));
  to->unhealthy_interval = to->healthy_edge_interval = to->interval;
  RETURN_IF_ERROR(CompileWait("unhealthy_interval", from.has_unhealthy_interval(),
                              from.unhealthy_interval(), &to->unhealthy_interval));
  to->unhealthy_edge_interval = to->unhealthy_interval;
  RETURN_IF_ERROR(CompileWait("unhealthy_edge_interval", from.has_unhealthy_edge_interval(),
                              from.unhealthy_edge_interval(), &to->unhealthy_edge_interval));
  return CompileWait("healthy_edge_interval", from.has_healthy_edge_interval(),
                     from.healthy_edge_interval(), &to->healthy_edge_interval);
}

}  // namespace

absl::StatusOr<HealthCheck> CompileHealthCheck(const From& from) {
  HealthCheck to;
  RETURN_IF_ERROR(CompileWaits(from, &to));
  if (from.has_initial_jitter()) {
    RETURN_IF_ERROR(CompileWait("initial_jitter", true, from.initial_jitter(), &to.initial_jitter));
  }
  if (from.has_interval_jitter()) {
    RETURN_IF_ERROR(
        CompileWait("interval_jitter", true, from.interval_jitter(), &to.interval_jitter));
  }
  constexpr uint32_t kPercentMax = 1000;
  if (from.interval_jitter_percent() > kPercentMax) {
    return Invalid("interval_jitter_percent", Cat("must be at most ", kPercentMax));
  }
  to.interval_jitter_percent = from.interval_jitter_percent();
  RETURN_IF_ERROR(CompileThreshold("unhealthy_threshold", from.has_unhealthy_threshold(),
                                   from.unhealthy_threshold().value(), &to.unhealthy_threshold));
  RETURN_IF_ERROR(CompileThreshold("healthy_threshold", from.has_healthy_threshold(),
                                   from.healthy_threshold().value(), &to.healthy_threshold));
  if (from.has_reuse_connection()) to.reuse_connection = from.reuse_connection().value();
  RETURN_IF_ERROR(CompileKind(from, &to));
  return to;
}

}  // namespace meltemi::config
