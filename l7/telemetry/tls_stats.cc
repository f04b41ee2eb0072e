#include "l7/telemetry/tls_stats.h"

#include "l7/base/text.h"

namespace meltemi::telemetry {

void TlsStats::Count(const TlsOutcome& outcome) {
  switch (outcome.result) {
    case TlsResult::kDone:
      ++handshake;
      session_reused += outcome.resumed;
      no_certificate += !outcome.peer_certificate;
      break;
    case TlsResult::kFailed:  // Envoy counts failed verifications apart
      ++connection_error;
      break;
    case TlsResult::kFailedNoCertificate:
      ++fail_verify_no_cert;
      break;
    case TlsResult::kFailedUntrusted:
      ++fail_verify_error;
      break;
    case TlsResult::kFailedName:
      ++fail_verify_san;
      break;
  }
}

void TlsStats::AppendSamples(std::string_view prefix, std::string_view labels,
                             std::vector<Sample>* out) const {
  const struct {
    std::string_view name;
    uint64_t value;
  } counters[] = {
      {"handshake", handshake},
      {"session_reused", session_reused},
      {"no_certificate", no_certificate},
      {"connection_error", connection_error},
      {"fail_verify_no_cert", fail_verify_no_cert},
      {"fail_verify_error", fail_verify_error},
      {"fail_verify_san", fail_verify_san},
  };
  for (const auto& counter : counters) {
    out->push_back({Cat(prefix, "_ssl_", counter.name),
                    std::string(labels),
                    static_cast<double>(counter.value),
                    Sample::Kind::kCounter,
                    {}});
  }
}

}  // namespace meltemi::telemetry
