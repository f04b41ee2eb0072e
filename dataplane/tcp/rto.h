// Round trips and the retransmission timeout, RFC 6298, from samples that Karn's rule has let
// through; and the smallest round trip of late, which RACK measures by (RFC 8985 6.2). Pure. In
// microseconds, so that it takes 16 bytes of a connection; srtt and rttvar with the fractions that
// alpha and beta leave.
#ifndef MELTEMI_DATAPLANE_TCP_RTO_H_
#define MELTEMI_DATAPLANE_TCP_RTO_H_

#include <algorithm>
#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::tcp {

inline constexpr Duration kRtoMax = Duration::Seconds(60);  // RFC 6298 (2.5)
inline constexpr int kRtoBackoffMax = 12;
inline constexpr Duration kRtoAfterSynLoss = Duration::Seconds(3);  // (5.7)
inline constexpr uint32_t kMinRttWindow = 280;                      // of 2^30 ns: five minutes

struct Rto {
  uint32_t srtt_8 = 0;    // SRTT * 8; 0: no sample yet
  uint32_t rttvar_4 = 0;  // RTTVAR * 4
  uint32_t min_us = 0;    // 0: none yet

  bool measured() const { return srtt_8 != 0; }
  Duration srtt() const { return Duration::Micros(srtt_8 / 8); }
  // min_RTT, or the best guess at it.
  Duration min_rtt() const { return min_us != 0 ? Duration::Micros(min_us) : srtt(); }

  static uint32_t Micros(Duration rtt) {
    return static_cast<uint32_t>(std::clamp<int64_t>(rtt.micros(), 1, kRtoMax.micros()));
  }

  // (2.2), (2.3): alpha = 1/8, beta = 1/4.
  void Sample(Duration rtt) { SampleMicros(Micros(rtt)); }
  void SampleMicros(uint32_t us) {
    if (srtt_8 == 0) {
      srtt_8 = us * 8;
      rttvar_4 = us * 2;
      return;
    }
    const uint32_t srtt_us = srtt_8 / 8;
    const uint32_t error = srtt_us > us ? srtt_us - us : us - srtt_us;
    rttvar_4 = rttvar_4 - rttvar_4 / 4 + error;
    srtt_8 = std::max(srtt_8 - srtt_us + us, 1u);
  }

  // `min_at`: when min_us was measured, in units of 2^30 ns: in the connection, where there was
  // room for it. After 19 hours it looks new again, for five minutes.
  void NoteMin(uint32_t us, Instant now, uint16_t* min_at) {
    const auto at = static_cast<uint16_t>(now.nanos() >> 30);
    if (min_us != 0 && us > min_us && static_cast<uint16_t>(at - *min_at) < kMinRttWindow) return;
    min_us = us;
    *min_at = at;
  }

  // (2.3), (2.4), (2.5), and (5.5): doubled `backoff` times.
  Duration Timeout(Duration initial, Duration minimum, int backoff) const {
    Duration rto = measured() ? Duration::Micros(srtt_8 / 8 + std::max(rttvar_4, 1000u)) : initial;
    rto = std::max(rto, minimum);
    return std::min(rto * (int64_t{1} << std::min(backoff, kRtoBackoffMax)), kRtoMax);
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_RTO_H_
