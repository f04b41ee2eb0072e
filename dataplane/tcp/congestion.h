// Congestion: how much may be in flight. RFC 5681 (slow start, avoidance), 6928 (initial window),
// 9438 (CUBIC, default) or NewReno. Pure state: bytes, RTT and time in, cwnd out; LossState decides
// when.
#ifndef MELTEMI_DATAPLANE_TCP_CONGESTION_H_
#define MELTEMI_DATAPLANE_TCP_CONGESTION_H_

#include <algorithm>
#include <cstdint>

#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/new_reno.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

enum class CongestionAlgorithm : uint8_t { kCubic, kNewReno };

struct Congestion {
  uint32_t cwnd = 0;
  uint32_t ssthresh = UINT32_MAX;
  uint32_t credit = 0;  // bytes acknowledged but not yet turned into cwnd
  CongestionAlgorithm algorithm = CongestionAlgorithm::kCubic;
  Cubic cubic;

  // RFC 6928: IW = min(10 * MSS, max(2 * MSS, 14600)).
  void Start(uint32_t smss) { cwnd = std::min(10 * smss, std::max(2 * smss, 14'600u)); }

  // New bytes acknowledged outside fast recovery, while the window was in use. RFC 5681 3.1.
  void OnAcked(uint32_t acked, uint32_t smss, Duration srtt, Instant now) {
    if (cwnd < ssthresh) {
      const uint32_t slow = std::min(acked, ssthresh - cwnd);
      cwnd += slow;
      acked -= slow;
    }
    if (acked > 0) {
      cwnd = algorithm == CongestionAlgorithm::kCubic
                 ? cubic.Grow(cwnd, acked, smss, srtt, now, &credit)
                 : NewRenoGrow(cwnd, acked, smss, &credit);
    }
    cwnd = std::min(cwnd, kCwndMax);
  }

  // Loss noticed by duplicate or selective ACKs. RFC 5681 3.2, 9438 4.6.
  void OnLoss(uint32_t flight, uint32_t smss) {
    Reduce(flight, smss);
    cwnd = ssthresh;
  }
  // RFC 5681 3.1 (4): the first timeout lowers ssthresh, each one collapses cwnd.
  void OnTimeout(uint32_t flight, uint32_t smss, bool first) {
    if (first) Reduce(flight, smss);
    cwnd = smss;
  }
  // RFC 5681 4.1: after an idle spell longer than the RTO.
  void OnIdleRestart(uint32_t smss) {
    const uint32_t before = cwnd;
    Start(smss);
    cwnd = std::min(cwnd, before);
    cubic.ForgetEpoch();
  }

 private:
  static constexpr uint32_t kCwndMax = 1u << 30;

  void Reduce(uint32_t flight, uint32_t smss) {
    credit = 0;
    ssthresh = algorithm == CongestionAlgorithm::kCubic ? cubic.OnLoss(cwnd, flight, smss)
                                                        : NewRenoThreshold(flight, smss);
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_CONGESTION_H_
