// Retransmission timeout, RFC 6298, from round-trip samples that Karn's rule has let through. Pure.
#ifndef MELTEMI_DATAPLANE_TCP_RTO_H_
#define MELTEMI_DATAPLANE_TCP_RTO_H_

#include <algorithm>
#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::tcp {

inline constexpr Duration kRtoMax = Duration::Seconds(60);  // RFC 6298 (2.5)
inline constexpr int kRtoBackoffMax = 12;

struct Rto {
  Duration srtt;  // zero: no sample yet
  Duration rttvar;

  // (2.2), (2.3): alpha = 1/8, beta = 1/4.
  void Sample(Duration rtt) {
    rtt = std::max(rtt, Duration::Micros(1));
    if (srtt.zero()) {
      srtt = rtt;
      rttvar = rtt / 2;
      return;
    }
    const Duration error = srtt > rtt ? srtt - rtt : rtt - srtt;
    rttvar = (rttvar * 3 + error) / 4;
    srtt = (srtt * 7 + rtt) / 8;
  }

  // (2.3), (2.4), (2.5), and (5.5): doubled `backoff` times.
  Duration Timeout(Duration initial, Duration minimum, int backoff) const {
    Duration rto = srtt.zero() ? initial : srtt + std::max(rttvar * 4, Duration::Millis(1));
    rto = std::max(rto, minimum);
    return std::min(rto * (int64_t{1} << std::min(backoff, kRtoBackoffMax)), kRtoMax);
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_RTO_H_
