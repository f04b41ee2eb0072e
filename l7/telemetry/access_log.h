// AccessLogFormat: Envoy's access log format strings. Compiled once into a list of operators;
// formatted on the log thread from AccessRecords. The default format and Istio's come out byte for
// byte as from Envoy.
//
// Supported: START_TIME, PROTOCOL, RESPONSE_CODE, RESPONSE_CODE_DETAILS, RESPONSE_FLAGS,
// BYTES_RECEIVED, BYTES_SENT, DURATION, UPSTREAM_HOST, UPSTREAM_CLUSTER(_RAW),
// UPSTREAM_LOCAL_ADDRESS, UPSTREAM_TRANSPORT_FAILURE_REASON, CONNECTION_TERMINATION_DETAILS,
// REQUESTED_SERVER_NAME, ROUTE_NAME, DOWNSTREAM_{REMOTE,LOCAL}_ADDRESS(_WITHOUT_PORT),
// UPSTREAM_REQUEST_ATTEMPT_COUNT, REQ/RESP of the headers a record has, and of peers
// {DOWN,UP}STREAM_PEER_{URI_SAN,DNS_SAN,SUBJECT,ISSUER,CERT_V_START,CERT_V_END},
// DOWNSTREAM_PEER_{SERIAL,FINGERPRINT_256}, DOWNSTREAM_LOCAL_URI_SAN and
// {DOWN,UP}STREAM_TLS_{VERSION,CIPHER}. Any other operator is an error when the format is compiled,
// and refuses the configuration (l7/config/log_operators.h).
#ifndef MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_
#define MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "l7/telemetry/access_record.h"

namespace meltemi::telemetry {

class AccessLogFormat {
 public:
  // The error names the operator.
  static absl::StatusOr<AccessLogFormat> Parse(std::string_view format);

  void Append(const AccessRecord& record, std::string* out) const;
  static size_t OperatorCount();

 private:
  using Formatter = void (*)(const AccessRecord&, std::string*);
  struct Part {
    std::string literal;            // first this
    Formatter formatter = nullptr;  // then this; null: nothing more
    size_t length_max = SIZE_MAX;   // "%REQ(X):N%"
  };
  std::vector<Part> parts_;
};

// "UF,URX"; "-" when none.
void AppendResponseFlags(uint32_t flags, std::string* out);

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_
