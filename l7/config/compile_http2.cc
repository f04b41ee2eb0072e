#include "l7/config/compile_parts.h"

namespace meltemi::config {

static absl::Status InRange(std::string_view field, const google::protobuf::UInt32Value& from,
                            uint32_t least, uint32_t most, uint32_t* to) {
  if (from.value() < least || from.value() > most) {
    return Invalid(field, Cat(from.value(), " is not in ", least, "..", most));
  }
  *to = from.value();
  return absl::OkStatus();
}

static absl::Status ReadInterval(std::string_view field, const google::protobuf::Duration& from,
                                 Duration* to) {
  ASSIGN_OR_RETURN_AT(*to, field, CompileDuration(from));
  return *to < Duration::Millis(1) ? Invalid(field, "must be at least 1 ms") : absl::OkStatus();
}

static absl::Status CompileKeepalive(const envoy::config::core::v3::KeepaliveSettings& from,
                                     Http2Keepalive* to) {
  if (!from.has_timeout()) return Invalid("timeout", "must be set");
  RETURN_IF_ERROR(ReadInterval("timeout", from.timeout(), &to->timeout));
  if (from.has_interval()) {
    RETURN_IF_ERROR(ReadInterval("interval", from.interval(), &to->interval));
  }
  if (from.has_connection_idle_interval()) {
    RETURN_IF_ERROR(ReadInterval("connection_idle_interval", from.connection_idle_interval(),
                                 &to->connection_idle));
  }
  if (from.has_interval_jitter()) to->jitter = from.interval_jitter().value();
  if (!(to->jitter >= 0 && to->jitter <= 100)) {
    return Invalid("interval_jitter.value", "must be in 0..100");
  }
  return absl::OkStatus();
}

// The ranges are Envoy's; RFC 9113 6.5.2 and 6.9.1.
absl::Status CompileHttp2(const envoy::config::core::v3::Http2ProtocolOptions& from,
                          Http2Options* to) {
  constexpr uint32_t kMost = 0x7fff'ffff;
  constexpr uint32_t kWindowLeast = 65'535;
  if (from.has_max_concurrent_streams()) {
    RETURN_IF_ERROR(InRange("max_concurrent_streams", from.max_concurrent_streams(), 1, kMost,
                            &to->concurrent_streams_max));
  }
  if (from.has_initial_stream_window_size()) {
    RETURN_IF_ERROR(InRange("initial_stream_window_size", from.initial_stream_window_size(),
                            kWindowLeast, kMost, &to->stream_window_bytes));
  }
  if (from.has_initial_connection_window_size()) {
    RETURN_IF_ERROR(InRange("initial_connection_window_size", from.initial_connection_window_size(),
                            kWindowLeast, kMost, &to->connection_window_bytes));
  }
  if (from.has_connection_keepalive()) {
    RETURN_IF_ERROR_AT("connection_keepalive",
                       CompileKeepalive(from.connection_keepalive(), &to->keepalive.emplace()));
  }
  to->allow_connect = from.allow_connect();
  return absl::OkStatus();
}

}  // namespace meltemi::config
