// TcpKeepalive: when a connection that is silent is asked whether its peer lives
// (envoy.config.core.v3.TcpKeepalive; what is not said is Linux's default). A value.
#ifndef MELTEMI_L7_CONFIG_TCP_KEEPALIVE_H_
#define MELTEMI_L7_CONFIG_TCP_KEEPALIVE_H_

#include <cstdint>

namespace meltemi::config {

struct TcpKeepalive {
  static constexpr uint16_t kSecondsMax = 32'767;  // as in Linux
  static constexpr uint8_t kProbesMax = 15;        // a TCP connection counts them in four bits
  static constexpr uint16_t kTimeDefault = 7200, kIntervalDefault = 75;
  static constexpr uint8_t kProbesDefault = 9;

  uint16_t time_s = 0;  // of silence before the first probe; 0: none are sent
  uint16_t interval_s = kIntervalDefault;
  uint8_t probes = kProbesDefault;  // without an answer, then the connection ends

  bool on() const { return time_s != 0; }
  bool operator==(const TcpKeepalive&) const = default;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_TCP_KEEPALIVE_H_
