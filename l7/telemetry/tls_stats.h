// TlsStats: what became of the TLS handshakes of one listener or cluster, under Envoy's names
// (ssl.*). Owned and counted by the engine, on its worker's thread.
#ifndef MELTEMI_L7_TELEMETRY_TLS_STATS_H_
#define MELTEMI_L7_TELEMETRY_TLS_STATS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "l7/telemetry/sample.h"

namespace meltemi::telemetry {

enum class TlsResult : uint8_t {
  kDone,
  kFailed,               // anything but what follows
  kFailedNoCertificate,  // the peer has shown none, and must
  kFailedUntrusted,      // its chain does not verify, or is out of date
  kFailedName,           // a good certificate of somebody else
};

struct TlsOutcome {
  TlsResult result = TlsResult::kFailed;
  bool resumed = false;           // kDone
  bool peer_certificate = false;  // kDone: it has shown one
};

struct TlsStats {
  uint64_t handshake = 0, session_reused = 0, no_certificate = 0, connection_error = 0;
  uint64_t fail_verify_no_cert = 0, fail_verify_error = 0, fail_verify_san = 0;

  void Count(const TlsOutcome& outcome);
  // Named <prefix>_ssl_<name>, with `labels`.
  void AppendSamples(std::string_view prefix, std::string_view labels,
                     std::vector<Sample>* out) const;
};

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_TLS_STATS_H_
