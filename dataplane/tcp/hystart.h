// HyStart++, RFC 9406: leaves slow start when round trips grow, before the queue overflows: first
// for a slower growth (conservative slow start, CSS), then, when they stay long, for good. Pure.
// Lives in LossState: a flight that has drained begins anew.
//
// L, the bound on growth per ACK, is not set: receivers here acknowledge super-frames whole.
#ifndef MELTEMI_DATAPLANE_TCP_HYSTART_H_
#define MELTEMI_DATAPLANE_TCP_HYSTART_H_

#include <algorithm>
#include <cstdint>

#include "dataplane/tcp/seq.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

struct HyStart {
  static constexpr Duration kThresholdMin = Duration::Millis(4);
  static constexpr Duration kThresholdMax = Duration::Millis(16);
  static constexpr int kRttDivisor = 8;
  static constexpr uint8_t kSamples = 8;
  static constexpr uint8_t kCssRounds = 5;
  static constexpr uint32_t kCssDivisor = 4;

  bool css = false;
  uint8_t samples = 0;
  uint8_t css_rounds = 0;
  uint32_t window_end = 0;  // a round ends when this is acknowledged
  Duration last_min = Duration::Max();
  Duration current_min = Duration::Max();
  Duration css_baseline = Duration::Max();

  void Reset(uint32_t window_end_in) {
    *this = HyStart{};
    window_end = window_end_in;
  }

  // cwnd grows by acknowledged bytes over this.
  uint32_t divisor() const { return css ? kCssDivisor : 1; }

  // An ACK in slow start with a round trip. True: slow start ends here.
  bool OnAck(uint32_t una, uint32_t nxt, Duration rtt) {
    current_min = std::min(current_min, rtt);
    if (samples < kSamples) ++samples;
    if (samples == kSamples) Compare();
    if (SeqLess(una, window_end)) return false;
    window_end = nxt;
    last_min = current_min;
    current_min = Duration::Max();
    samples = 0;
    return css && ++css_rounds >= kCssRounds;
  }

 private:
  void Compare() {
    if (css) {
      if (current_min >= css_baseline) return;
      css = false;  // it was a passing one
      css_baseline = Duration::Max();
      return;
    }
    if (last_min == Duration::Max()) return;
    const Duration threshold = std::clamp(last_min / kRttDivisor, kThresholdMin, kThresholdMax);
    if (current_min < last_min + threshold) return;
    css = true;
    css_rounds = 0;
    css_baseline = current_min;
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_HYSTART_H_
