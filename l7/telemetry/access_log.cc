#include "l7/telemetry/access_log.h"

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "l7/base/text.h"
#include "l7/telemetry/civil_time.h"
#include "l7/telemetry/response_flags.h"

namespace meltemi::telemetry {

const std::string_view kEnvoyAccessLogFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

const std::string_view kIstioAccessLogFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

namespace {

using Field = void (*)(const AccessRecord& record, std::string* out);

// Text of a peer: quotes, backslashes and control bytes are escaped, so that one record is one
// line.
void Text(std::string_view text, std::string* out) {
  if (text.empty()) {
    out->push_back('-');
    return;
  }
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f && c != '"' && c != '\\') {
      out->push_back(c);
      continue;
    }
    if (c == '"' || c == '\\') {
      out->append({'\\', c});
      continue;
    }
    constexpr char kDigits[] = "0123456789abcdef";
    out->append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]});
  }
}

void Address(const SockAddr& address, std::string* out) {
  if (address.port == 0) {
    out->push_back('-');
  } else {
    AppendTo(out, address.ToString());
  }
}

std::string_view ProtocolText(Protocol protocol) {
  switch (protocol) {
    case Protocol::kNone:
      return "-";
    case Protocol::kHttp10:
      return "HTTP/1.0";
    case Protocol::kHttp11:
      return "HTTP/1.1";
    case Protocol::kHttp2:
      return "HTTP/2";
  }
  return "-";
}

void Nothing(const AccessRecord&, std::string* out) { out->push_back('-'); }
void Path(const AccessRecord& r, std::string* out) { Text(r.path.view(), out); }

void Unknown(const AccessRecord&, std::string*) {}

struct Named {
  std::string_view name;
  Field field;
};

constexpr Named kOperators[] = {
    {"START_TIME", [](const AccessRecord& r,
                      std::string* out) { AppendTo(out, IsoMilliseconds(r.start_unix_nanos)); }},
    {"PROTOCOL",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, ProtocolText(r.protocol)); }},
    {"RESPONSE_CODE",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, r.response_code); }},
    {"RESPONSE_FLAGS",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, FlagsText(r.response_flags)); }},
    {"RESPONSE_CODE_DETAILS",
     [](const AccessRecord& r, std::string* out) { Text(r.response_code_details.view(), out); }},
    {"CONNECTION_TERMINATION_DETAILS", Nothing},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON",
     [](const AccessRecord& r, std::string* out) { Text(r.upstream_failure_reason.view(), out); }},
    {"BYTES_RECEIVED",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, r.bytes_received); }},
    {"BYTES_SENT", [](const AccessRecord& r, std::string* out) { AppendTo(out, r.bytes_sent); }},
    {"DURATION",
     [](const AccessRecord& r, std::string* out) { AppendTo(out, r.duration.millis()); }},
    {"UPSTREAM_HOST",
     [](const AccessRecord& r, std::string* out) { Address(r.upstream_host, out); }},
    {"UPSTREAM_CLUSTER",
     [](const AccessRecord& r, std::string* out) { Text(r.upstream_cluster.view(), out); }},
    {"UPSTREAM_CLUSTER_RAW",
     [](const AccessRecord& r, std::string* out) { Text(r.upstream_cluster.view(), out); }},
    {"UPSTREAM_LOCAL_ADDRESS",
     [](const AccessRecord& r, std::string* out) { Address(r.upstream_local, out); }},
    {"DOWNSTREAM_LOCAL_ADDRESS",
     [](const AccessRecord& r, std::string* out) { Address(r.downstream_local, out); }},
    {"DOWNSTREAM_REMOTE_ADDRESS",
     [](const AccessRecord& r, std::string* out) { Address(r.downstream_remote, out); }},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
     [](const AccessRecord& r, std::string* out) {
       AppendTo(out, r.downstream_remote.ip.ToString());
     }},
    {"REQUESTED_SERVER_NAME", Nothing},
    {"ROUTE_NAME", [](const AccessRecord& r, std::string* out) { Text(r.route_name.view(), out); }},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT",
     [](const AccessRecord& r, std::string* out) {
       AppendTo(out, static_cast<uint32_t>(r.attempt_count));
     }},
};

constexpr Named kRequestHeaders[] = {
    {":METHOD", [](const AccessRecord& r, std::string* out) { Text(r.method.view(), out); }},
    {":PATH", Path},
    {"X-ENVOY-ORIGINAL-PATH?:PATH", Path},
    {":AUTHORITY", [](const AccessRecord& r, std::string* out) { Text(r.authority.view(), out); }},
    {"HOST", [](const AccessRecord& r, std::string* out) { Text(r.authority.view(), out); }},
    {"X-FORWARDED-FOR",
     [](const AccessRecord& r, std::string* out) { Text(r.forwarded_for.view(), out); }},
    {"USER-AGENT", [](const AccessRecord& r, std::string* out) { Text(r.user_agent.view(), out); }},
    {"X-REQUEST-ID",
     [](const AccessRecord& r, std::string* out) { Text(r.request_id.view(), out); }},
};

constexpr Named kResponseHeaders[] = {
    {"X-ENVOY-UPSTREAM-SERVICE-TIME",
     [](const AccessRecord& r, std::string* out) {
       if (r.upstream_service_time < Duration()) return Nothing(r, out);
       AppendTo(out, r.upstream_service_time.millis());
     }},
};

template <size_t N>
Field Find(const Named (&table)[N], std::string_view name) {
  for (const Named& named : table) {
    if (named.name == name) return named.field;
  }
  return Unknown;
}

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

// "REQ(NAME)" -> NAME in upper case; not that operator: nothing.
bool Argument(std::string_view op, std::string_view function, std::string* argument) {
  if (!op.starts_with(function) || op.size() < function.size() + 2) return false;
  if (op[function.size()] != '(' || op.back() != ')') return false;
  *argument = Upper(op.substr(function.size() + 1, op.size() - function.size() - 2));
  return true;
}

Field FieldOf(std::string_view op) {
  std::string argument;
  if (Argument(op, "REQ", &argument)) return Find(kRequestHeaders, argument);
  if (Argument(op, "RESP", &argument)) return Find(kResponseHeaders, argument);
  return Find(kOperators, op);
}

}  // namespace

absl::StatusOr<AccessLogFormat> AccessLogFormat::Parse(std::string_view format) {
  AccessLogFormat out;
  size_t at = 0;
  while (at < format.size()) {
    const size_t mark = std::min(format.find('%', at), format.size());
    if (mark > at) out.parts_.push_back({.literal = std::string(format.substr(at, mark - at))});
    if (mark == format.size()) break;
    if (format.substr(mark, 2) == "%%") {
      out.parts_.push_back({.literal = "%"});
      at = mark + 2;
      continue;
    }
    const size_t end = format.find('%', mark + 1);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError(Abs(Cat("'%' at ", mark, " has no end")));
    }
    std::string_view op = format.substr(mark + 1, end - mark - 1);
    Part part;
    const size_t colon = op.rfind(':');
    if (colon != std::string_view::npos && colon > 0 && op[colon - 1] == ')') {
      const std::string_view digits = op.substr(colon + 1);
      const auto [last, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), part.bytes_max);
      if (error != std::errc() || last != digits.data() + digits.size() || part.bytes_max == 0) {
        return absl::InvalidArgumentError(Abs(Cat("%", op, "% at ", mark, ": bad length")));
      }
      op = op.substr(0, colon);
    }
    part.field = FieldOf(op);
    if (part.field == Unknown) {
      return absl::InvalidArgumentError(
          Abs(Cat("%", op, "% at ", mark, ": unknown or unsupported operator")));
    }
    out.parts_.push_back(std::move(part));
    at = end + 1;
  }
  return out;
}

void AccessLogFormat::Append(const AccessRecord& record, std::string* out) const {
  for (const Part& part : parts_) {
    if (part.field == nullptr) {
      out->append(part.literal);
      continue;
    }
    const size_t before = out->size();
    part.field(record, out);
    if (part.bytes_max > 0 && out->size() - before > part.bytes_max) {
      out->resize(before + part.bytes_max);
    }
  }
}

}  // namespace meltemi::telemetry
