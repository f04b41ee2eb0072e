// AccessRecord: everything the access log and the standard metrics say about one finished request
// (or TCP connection). A plain struct of fixed size: made on a worker without heap, moved through a
// ring to the log thread, formatted there (l7/telemetry/access_log.h). Only what logs seldom ask
// for is on the heap, when they do: `peers`.
#ifndef MELTEMI_L7_TELEMETRY_ACCESS_RECORD_H_
#define MELTEMI_L7_TELEMETRY_ACCESS_RECORD_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "l7/base/ip_addr.h"
#include "l7/base/limits.h"
#include "l7/base/time.h"
#include "l7/telemetry/peer.h"

namespace meltemi::telemetry {

// Text of at most N bytes, cut when longer (cut() says so).
template <size_t N>
class FixedText {
 public:
  void Set(std::string_view text) {
    size_ = static_cast<uint16_t>(text.size() < N ? text.size() : N);
    cut_ = text.size() > N;
    if (size_ > 0) std::memcpy(bytes_.data(), text.data(), size_);
  }
  std::string_view view() const { return {bytes_.data(), size_}; }
  bool cut() const { return cut_; }

 private:
  std::array<char, N> bytes_;
  uint16_t size_ = 0;
  bool cut_ = false;
};

// Envoy's response flags (proxy-behaviour 4.6), one bit each.
enum ResponseFlag : uint32_t {
  kNoHealthyUpstream = 1u << 0,                 // UH
  kUpstreamConnectionFailure = 1u << 1,         // UF
  kUpstreamOverflow = 1u << 2,                  // UO
  kNoRouteFound = 1u << 3,                      // NR
  kUpstreamRetryLimitExceeded = 1u << 4,        // URX
  kNoClusterFound = 1u << 5,                    // NC
  kUpstreamRequestTimeout = 1u << 6,            // UT
  kLocalReset = 1u << 7,                        // LR
  kUpstreamRemoteReset = 1u << 8,               // UR
  kUpstreamConnectionTermination = 1u << 9,     // UC
  kDownstreamConnectionTermination = 1u << 10,  // DC
  kDelayInjected = 1u << 11,                    // DI
  kFaultInjected = 1u << 12,                    // FI
  kStreamIdleTimeout = 1u << 13,                // SI
  kDownstreamProtocolError = 1u << 14,          // DPE
  kUpstreamProtocolError = 1u << 15,            // UPE
  kOverloadManager = 1u << 16,                  // OM
  kDurationTimeout = 1u << 17,                  // DT
  kUnauthorized = 1u << 18,                     // UAEX
  kRateLimited = 1u << 19,                      // RL
};

enum class Protocol : uint8_t { kNone, kHttp10, kHttp11, kHttp2 };

struct AccessRecord {
  AccessRecord() {}  // not defaulted: else a record is zeroed before it is filled

  int64_t start_unix_nanos = 0;
  Duration duration;               // DURATION
  Duration upstream_service_time;  // x-envoy-upstream-service-time; negative: none
  uint64_t snapshot_sequence = 0;
  uint32_t listener = 0;  // index in that snapshot
  uint32_t response_flags = 0;
  uint16_t response_code = 0;  // 0: none was sent ("0" in the log)
  Protocol protocol = Protocol::kNone;
  uint8_t attempt_count = 0;
  bool tcp = false;             // a TCP proxy connection: no HTTP fields
  uint64_t bytes_received = 0;  // body bytes from downstream
  uint64_t bytes_sent = 0;      // body bytes to downstream
  SockAddr downstream_remote, downstream_local, upstream_host, upstream_local;  // port 0: none
  FixedText<16> method;
  FixedText<limits::kAccessLogFieldBytesMax> path;  // before rewrites
  FixedText<64> authority;
  FixedText<64> forwarded_for;
  FixedText<96> user_agent;
  FixedText<40> request_id;
  FixedText<96> response_code_details;  // "via_upstream", "route_not_found", ...
  FixedText<96> upstream_cluster;
  FixedText<64> route_name;
  FixedText<64> upstream_failure_reason;
  FixedText<64> source_workload;             // "name.namespace" or ""
  std::unique_ptr<const PeersRecord> peers;  // null: nothing to say, or no log asks for it
};

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_ACCESS_RECORD_H_
