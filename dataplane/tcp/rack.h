// RACK, RFC 8985: what was sent a reordering window before the newest delivered is lost. Pure
// state: times and ranges in, verdicts out. The part that must outlive a flight (how much the path
// reorders) is RackWindow, in the connection; the rest is in LossState.
#ifndef MELTEMI_DATAPLANE_TCP_RACK_H_
#define MELTEMI_DATAPLANE_TCP_RACK_H_

#include <algorithm>
#include <cstdint>

#include "dataplane/tcp/send_ranges.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

inline constexpr uint32_t kDupThresh = 3;             // RFC 6675 2, 8985 6.2
inline constexpr uint8_t kReorderingPersist = 16;     // recoveries, 8985 6.2 step 4
inline constexpr uint8_t kReorderingWindowsMax = 64;  // quarters of min_RTT; SRTT bounds it too

// RACK.reo_wnd_mult and reo_wnd_persist.
struct RackWindow {
  uint8_t mult = 1;
  uint8_t persist = 0;

  void OnSpuriousRound() {
    if (mult < kReorderingWindowsMax) ++mult;
    persist = kReorderingPersist;
  }
  void OnRecoveryEnd() {
    if (persist > 0 && --persist == 0) mult = 1;
  }
};

struct Rack {
  bool valid = false;
  bool dsack_round_open = false;
  uint32_t end_seq = 0;      // RACK.end_seq: of the segment delivered that was sent last
  uint32_t fack = 0;         // RACK.fack: the highest number delivered
  uint32_t dsack_round = 0;  // one widening per round trip
  Instant sent_at;           // RACK.xmit_ts
  Duration rtt;              // RACK.rtt, of that segment

  void Reset(uint32_t una) {
    valid = dsack_round_open = false;
    fack = una;
  }

  // Steps 1 and 2 for one delivered range. `old_echo`: the ACK's timestamp echo is older than the
  // range's last transmission, so an earlier one was delivered.
  void Delivered(const SentRange& range, uint32_t end, Instant now, Duration min_rtt,
                 bool old_echo) {
    const Duration measured = now - range.sent_at;
    if (range.resent && (old_echo || measured < min_rtt)) return;
    if (valid &&
        (range.sent_at < sent_at || (range.sent_at == sent_at && !SeqLess(end_seq, end)))) {
      return;
    }
    if (!range.coarse || !valid) rtt = measured;
    valid = true;
    sent_at = range.sent_at;
    end_seq = end;
  }

  // Step 3. True: this range, sent once, was overtaken.
  bool Overtaken(const SentRange& range, uint32_t end) {
    if (SeqLess(fack, end)) {
      fack = end;
      return false;
    }
    return SeqLess(end, fack) && !range.resent;
  }

  struct Found {
    uint32_t ranges_lost = 0;  // ranges newly marked lost
    Duration wait;             // zero, or: look again then, some may be late only
  };
  // Step 5: marks what is lost.
  Found DetectLoss(SendRanges* ranges, Duration reordering_window, Instant now) const {
    Found found;
    if (!valid) return found;
    for (int i = 0; i < ranges->count(); ++i) {
      const SentRange& range = (*ranges)[i];
      if (range.sacked || range.lost || range.sent_at > sent_at) continue;
      if (range.sent_at == sent_at && !SeqLess(range.end, end_seq)) continue;
      const Duration left = range.sent_at + rtt + reordering_window - now;
      if (left <= Duration()) {
        ranges->MarkLost(i);
        ++found.ranges_lost;
      } else {
        found.wait = std::max(found.wait, left);
      }
    }
    if (found.ranges_lost > 0) ranges->Tidy();
    return found;
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_RACK_H_
