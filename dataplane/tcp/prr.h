// Proportional rate reduction, RFC 9937 (6937): during recovery the congestion window follows what
// leaves the network, so that it comes down to ssthresh over a round trip and not with a stop, and
// climbs back to it by slow start (SSRB) when losses have taken more out. Pure: bytes in, window
// out.
#ifndef MELTEMI_DATAPLANE_TCP_PRR_H_
#define MELTEMI_DATAPLANE_TCP_PRR_H_

#include <algorithm>
#include <cstdint>

namespace meltemi::tcp {

struct Prr {
  uint32_t delivered = 0;   // to the receiver, since recovery began
  uint32_t out = 0;         // sent since, new and again
  uint32_t recover_fs = 1;  // RecoverFS: in flight when it began

  void Start(uint32_t flight) {
    delivered = out = 0;
    recover_fs = std::max(flight, 1u);
  }
  void OnSent(uint32_t bytes) { out += bytes; }

  // cwnd after an ACK that delivered `newly`. `safe`: it moved snd.una and told of no further loss.
  uint32_t OnAck(uint32_t newly, bool safe, uint32_t pipe, uint32_t ssthresh, uint32_t smss) {
    delivered += newly;
    uint32_t allowed = 0;
    if (pipe > ssthresh) {
      const uint64_t share = (uint64_t{delivered} * ssthresh + recover_fs - 1) / recover_fs;
      allowed = share > out ? static_cast<uint32_t>(share - out) : 0;
    } else {
      allowed = std::max(delivered > out ? delivered - out : 0, newly);  // PRR-CRB
      if (safe) allowed += smss;                                         // PRR-SSRB
      allowed = std::min(ssthresh - pipe, allowed);
    }
    // The fast retransmit itself always leaves.
    if (out == 0) allowed = std::max(allowed, smss);
    return pipe + allowed;
  }
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_PRR_H_
