// CUBIC, RFC 9438, in segments and seconds as the RFC writes it:
//   W_cubic(t) = C * (t - K)^3 + W_max,  K = cbrt((W_max - cwnd_epoch) / C),  C = 0.4, beta = 0.7
// Pure state. Floating point: once per ACK in congestion avoidance, a few nanoseconds.
#ifndef MELTEMI_DATAPLANE_TCP_CUBIC_H_
#define MELTEMI_DATAPLANE_TCP_CUBIC_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::tcp {

struct Cubic {
  static constexpr double kC = 0.4;
  static constexpr double kBeta = 0.7;
  // 4.3: the additive increase that is as aggressive as Reno at this beta.
  static constexpr double kAlpha = 3.0 * (1.0 - kBeta) / (1.0 + kBeta);

  float w_max = 0;                   // segments
  float w_est = 0;                   // segments: what Reno would have
  float k = 0;                       // seconds
  float cwnd_prior = 0;              // segments, when ssthresh was last set
  Instant epoch = Instant::Never();  // start of this congestion avoidance stage

  void ForgetEpoch() { epoch = Instant::Never(); }

  // 5.8: time without anything to send is no time of the curve.
  void SkipIdle(Duration idle) {
    if (!epoch.never()) epoch = epoch + idle;
  }

  // 4.8: after a timeout the curve begins at its plateau, wherever slow start ends: K = 0.
  uint32_t OnTimeout(uint32_t cwnd, uint32_t flight, uint32_t smss) {
    const uint32_t ssthresh = OnLoss(cwnd, flight, smss);
    w_max = 0;
    return ssthresh;
  }

  // 4.6, with 4.7 (fast convergence). Returns ssthresh in bytes.
  uint32_t OnLoss(uint32_t cwnd, uint32_t flight, uint32_t smss) {
    const double segments = static_cast<double>(cwnd) / smss;
    w_max = static_cast<float>(segments < w_max ? segments * (1.0 + kBeta) / 2.0 : segments);
    cwnd_prior = static_cast<float>(segments);
    ForgetEpoch();
    return std::max(static_cast<uint32_t>(flight * kBeta), 2 * smss);
  }

  // 4.2 to 4.5: cwnd after `acked` bytes.
  uint32_t Grow(uint32_t cwnd, uint32_t acked, uint32_t smss, Duration srtt, Instant now,
                uint32_t* credit) {
    const double segments = static_cast<double>(cwnd) / smss;
    if (epoch.never()) {
      epoch = now;
      w_est = static_cast<float>(segments);
      if (w_max < segments) w_max = static_cast<float>(segments);
      k = static_cast<float>(std::cbrt((w_max - segments) / kC));
    }
    const double acked_segments = static_cast<double>(acked) / smss;
    const double alpha = w_est >= cwnd_prior ? 1.0 : kAlpha;  // 4.3
    w_est += static_cast<float>(alpha * acked_segments / segments);
    const double t = (now - epoch).seconds() + srtt.seconds();
    const double w_cubic = kC * std::pow(t - k, 3) + w_max;
    const double target = std::clamp(w_cubic, segments, 1.5 * segments);
    const double next = std::max(segments + (target - segments) / segments * acked_segments,
                                 static_cast<double>(w_est));
    // Whole bytes move into cwnd, the rest waits in `credit` as 1/1024 bytes.
    const double grown = (next - segments) * smss + *credit / 1024.0;
    const auto whole = static_cast<uint32_t>(std::max(grown, 0.0));
    *credit = static_cast<uint32_t>((std::max(grown, 0.0) - whole) * 1024.0);
    return cwnd + whole;
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_CUBIC_H_
