// Goal: any text is an access log format or an error that says why; a format writes its literals
// and stays within the lengths it names. Method: the text as a format, over an empty and a full
// record.
#include <cstdint>
#include <string>
#include <string_view>

#include "l7/base/check.h"
#include "l7/telemetry/access_log.h"

namespace meltemi::telemetry {
namespace {

AccessRecord Full() {
  AccessRecord r;
  r.start_unix_nanos = 1'700'000'000'123'456'789;
  r.duration = r.upstream_service_time = Duration::Millis(12);
  r.response_flags = 0x3'ffff;
  r.response_code = 503;
  r.protocol = Protocol::kHttp11;
  r.bytes_received = r.bytes_sent = UINT64_MAX;
  r.downstream_remote = r.downstream_local = {*IpAddr::Parse("fd00::1"), 65'535};
  r.upstream_host = r.upstream_local = {*IpAddr::Parse("10.0.0.1"), 80};
  const std::string text(300, 'x');
  r.method.Set(text);
  r.path.Set(text);
  r.authority.Set(text);
  r.forwarded_for.Set(text);
  r.user_agent.Set(text);
  r.request_id.Set(text);
  r.response_code_details.Set(text);
  r.upstream_cluster.Set(text);
  r.route_name.Set(text);
  r.upstream_failure_reason.Set(text);
  return r;
}

void Check(const AccessLogFormat& format, const AccessRecord& record, std::string_view text) {
  std::string once = "before", twice = "before";
  format.Append(record, &once);
  CHECK(once.starts_with("before"));
  format.Append(record, &twice);
  CHECK(once == twice);
  // Without operators the text is written as it is.
  if (text.find('%') == std::string_view::npos) CHECK(once.substr(6) == text);
}

}  // namespace
}  // namespace meltemi::telemetry

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi::telemetry;  // NOLINT: the entry point cannot be in the namespace
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto format = AccessLogFormat::Parse(text);
  if (!format.ok()) {
    CHECK(!format.status().message().empty());
    return 0;
  }
  static const AccessRecord full = Full();
  Check(*format, AccessRecord(), text);
  Check(*format, full, text);
  return 0;
}
