#include "l7/config/log_operators.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "l7/base/text.h"

namespace meltemi::config {
namespace {

constexpr std::string_view kOperators[] = {
    "START_TIME",
    "PROTOCOL",
    "RESPONSE_CODE",
    "RESPONSE_FLAGS",
    "RESPONSE_CODE_DETAILS",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "DURATION",
    "REQ(:METHOD)",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)",
    "REQ(:PATH)",
    "REQ(:AUTHORITY)",
    "REQ(X-FORWARDED-FOR)",
    "REQ(USER-AGENT)",
    "REQ(X-REQUEST-ID)",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)",
    "UPSTREAM_HOST",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "CONNECTION_TERMINATION_DETAILS",
    "REQUESTED_SERVER_NAME",
    "ROUTE_NAME",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
};
// These need AccessRecord::peers.
constexpr std::string_view kPeerOperators[] = {
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TLS_CIPHER",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TLS_CIPHER",
};

template <typename Visit>
absl::Status ForEachOperator(std::string_view format, Visit visit) {
  for (size_t i = 0; i < format.size();) {
    if (format[i] != '%') {
      ++i;
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == '%') {
      i += 2;
      continue;
    }
    const size_t end = format.find('%', i + 1);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError(Cat("unterminated operator at position ", i));
    }
    const std::string_view whole = format.substr(i + 1, end - i - 1);
    std::string_view name = whole;
    const size_t colon = name.rfind(':');
    if (colon != std::string_view::npos && name.rfind(')') != std::string_view::npos &&
        colon > name.rfind(')')) {
      const std::string_view length = name.substr(colon + 1);
      if (length.empty() || length.size() > 9 ||
          length.find_first_not_of("0123456789") != std::string_view::npos) {
        return absl::InvalidArgumentError(Cat("not a length in %", whole, "%"));
      }
      name = name.substr(0, colon);
    }
    const std::string upper = absl::AsciiStrToUpper(absl::string_view(name.data(), name.size()));
    if (absl::Status status = visit(upper, whole); !status.ok()) return status;
    i = end + 1;
  }
  return absl::OkStatus();
}

bool IsIn(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::span<const std::string_view> LogOperators() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> names(std::begin(kOperators), std::end(kOperators));
    names.insert(names.end(), std::begin(kPeerOperators), std::end(kPeerOperators));
    return names;
  }();
  return all;
}

absl::Status CheckLogFormat(std::string_view format) {
  return ForEachOperator(format, [](std::string_view name, std::string_view whole) {
    if (IsIn(kOperators, name) || IsIn(kPeerOperators, name)) return absl::OkStatus();
    return absl::InvalidArgumentError(Cat("operator %", whole, "% is not supported"));
  });
}

bool NamesPeers(std::string_view format) {
  bool any = false;
  (void)ForEachOperator(format, [&any](std::string_view name, std::string_view) {
    any |= IsIn(kPeerOperators, name);
    return absl::OkStatus();
  });
  return any;
}

}  // namespace meltemi::config
