// Congestion: how much may be in flight. RFC 5681 (slow start, avoidance), 6928 (initial window),
// 9438 (CUBIC, default) or NewReno. Pure state: bytes, RTT and time in, cwnd out; recovery.cc
// decides when.
#ifndef MELTEMI_DATAPLANE_TCP_CONGESTION_H_
#define MELTEMI_DATAPLANE_TCP_CONGESTION_H_

#include <algorithm>
#include <cstdint>

#include "dataplane/tcp/congestion_algorithm.h"
#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/new_reno.h"
#include "dataplane/tcp/short_time.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

struct Congestion {
  PastInstant last_sent_at;  // text or FIN: what idle time is counted from
  uint32_t cwnd = 0;
  uint32_t ssthresh = UINT32_MAX;
  uint32_t credit = 0;  // bytes acknowledged but not yet turned into cwnd
  CongestionAlgorithm algorithm = CongestionAlgorithm::kCubic;
  Cubic cubic;

  // What may go out at once where nothing tells of the path.
  static constexpr uint32_t kBurstSegments = 10;
  // RFC 6928: IW = min(10 * MSS, max(2 * MSS, 14600)).
  void Start(uint32_t smss) { cwnd = std::min(kBurstSegments * smss, std::max(2 * smss, 14'600u)); }

  bool slow_start() const { return cwnd < ssthresh; }

  // New bytes acknowledged outside fast recovery, while the window was in use. RFC 5681 3.1. Slow
  // start adds them divided by `slow_divisor` (hystart.h).
  void OnAcked(uint32_t acked, uint32_t smss, Duration srtt, Instant now,
               uint32_t slow_divisor = 1) {
    if (slow_start()) {
      const uint32_t slow = std::min(acked, ssthresh - cwnd);
      cwnd += slow / slow_divisor;
      acked -= slow;
    }
    if (acked > 0) {
      cwnd = algorithm == CongestionAlgorithm::kCubic
                 ? cubic.Grow(cwnd, acked, smss, srtt, now, &credit)
                 : NewRenoGrow(cwnd, acked, smss, &credit);
    }
    cwnd = std::min(cwnd, kCwndMax);
  }

  // Loss noticed by duplicate or selective ACKs. RFC 5681 3.2, 9438 4.6. `flight` is FlightSize;
  // what of it lies beyond cwnd was let out because earlier text had left the network (limited
  // transmit, recovery) and is not to be counted (5681 3.2 (2)).
  void OnLoss(uint32_t flight, uint32_t smss) {
    Reduce(flight, smss);
    cwnd = ssthresh;
  }
  // RFC 5681 3.1 (4): the first timeout lowers ssthresh, each one collapses cwnd.
  void OnTimeout(uint32_t flight, uint32_t smss, bool first) {
    if (first) {
      credit = 0;
      ssthresh = algorithm == CongestionAlgorithm::kCubic ? cubic.OnTimeout(cwnd, flight, smss)
                                                          : NewRenoThreshold(flight, smss);
    }
    cwnd = smss;
  }
  // Nothing was in flight for `idle`. RFC 5681 4.1, as RFC 2861 and 7661 soften it: the window
  // halves for each RTO, not below the initial one, and ssthresh keeps most of what was known.
  // True: it became smaller.
  bool OnIdle(uint32_t smss, Duration idle, Duration rto) {
    cubic.SkipIdle(idle);
    if (idle <= rto) return false;
    ssthresh = std::max(ssthresh, cwnd - cwnd / 4);
    Congestion restart;
    restart.Start(smss);
    const uint32_t before = cwnd;
    for (; idle > rto && cwnd > restart.cwnd; idle = idle - rto) cwnd /= 2;
    cwnd = std::min(before, std::max(cwnd, restart.cwnd));
    cubic.LeaveCurve();
    return cwnd < before;
  }
  // The reduction from `before` was for nothing (RFC 4015 3, 9438 4.9).
  void Undo(const Congestion& before) {
    const uint32_t grown = cwnd;
    const PastInstant sent_at = last_sent_at;
    *this = before;
    cwnd = std::max(cwnd, grown);
    last_sent_at = sent_at;
  }

 private:
  static constexpr uint32_t kCwndMax = 1u << 30;

  void Reduce(uint32_t flight, uint32_t smss) {
    flight = std::min(flight, cwnd);
    credit = 0;
    ssthresh = algorithm == CongestionAlgorithm::kCubic ? cubic.OnLoss(cwnd, flight, smss)
                                                        : NewRenoThreshold(flight, smss);
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_CONGESTION_H_
