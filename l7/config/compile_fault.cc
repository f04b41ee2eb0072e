#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using envoy::extensions::filters::http::fault::v3::HTTPFault;

}  // namespace

absl::StatusOr<Fault> CompileFault(const HTTPFault& from) {
  Fault to;
  if (from.has_delay()) {
    if (!from.delay().has_fixed_delay()) return Invalid("delay.fixed_delay", "must be set");
    ASSIGN_OR_RETURN_AT(to.delay, "delay.fixed_delay", CompileDuration(from.delay().fixed_delay()));
    if (to.delay.zero()) return Invalid("delay.fixed_delay", "must be above 0");
    ASSIGN_OR_RETURN_AT(to.delay_fraction, "delay.percentage",
                        CompileFraction(from.delay().percentage()));
  }
  if (from.has_abort()) {
    const uint32_t status = from.abort().http_status();
    if (status < 200 || status > 599) {
      return Invalid("abort.http_status", Cat(status, " is not in 200..599"));
    }
    to.abort_status = static_cast<uint16_t>(status);
    ASSIGN_OR_RETURN_AT(to.abort_fraction, "abort.percentage",
                        CompileFraction(from.abort().percentage()));
  }
  auto headers = CompileHeaderMatches(from.headers());
  if (!headers.ok()) return headers.status();
  to.headers = *std::move(headers);
  return to;
}

}  // namespace meltemi::config
