// NewReno congestion avoidance, RFC 5681 3.1, with bytes counted as RFC 3465. Pure.
#ifndef MELTEMI_DATAPLANE_TCP_NEW_RENO_H_
#define MELTEMI_DATAPLANE_TCP_NEW_RENO_H_

#include <algorithm>
#include <cstdint>

namespace meltemi::tcp {

// The window after `acked` new bytes in congestion avoidance; `credit` carries the remainder.
inline uint32_t NewRenoGrow(uint32_t cwnd, uint32_t acked, uint32_t smss, uint32_t* credit) {
  *credit += acked;
  while (*credit >= cwnd) {
    *credit -= cwnd;
    cwnd += smss;
  }
  return cwnd;
}

// (4): half of what is in flight.
inline uint32_t NewRenoThreshold(uint32_t flight, uint32_t smss) {
  return std::max(flight / 2, 2 * smss);
}

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_NEW_RENO_H_
