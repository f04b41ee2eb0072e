// AccessLogFormat: Envoy's command operators (proxy-behaviour 4.6), compiled once into a list of
// literals and fields, then applied to records.
//
// Parse runs when configuration is compiled or learned, Append on the log thread. Bounded by the
// format's length and the record's fixed fields. An operator that the record cannot answer is an
// error at Parse, not a "-" in every line.
#ifndef MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_
#define MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "l7/telemetry/access_record.h"

namespace meltemi::telemetry {

// Envoy's default and Istio's default text formats.
extern const std::string_view kEnvoyAccessLogFormat;
extern const std::string_view kIstioAccessLogFormat;

class AccessLogFormat {
 public:
  // kInvalidArgument names the operator and its place.
  static absl::StatusOr<AccessLogFormat> Parse(std::string_view format);
  void Append(const AccessRecord& record, std::string* out) const;

 private:
  using Field = void (*)(const AccessRecord& record, std::string* out);
  struct Part {
    std::string literal;  // when `field` is null
    Field field = nullptr;
    size_t bytes_max = 0;  // %OPERATOR%:N; 0: none
  };
  std::vector<Part> parts_;
};

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_ACCESS_LOG_H_
