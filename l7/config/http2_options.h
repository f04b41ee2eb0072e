// Http2ProtocolOptions: what an HTTP/2 connection is made with, of clients or to servers.
#ifndef MELTEMI_L7_CONFIG_HTTP2_OPTIONS_H_
#define MELTEMI_L7_CONFIG_HTTP2_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "l7/base/time.h"

namespace meltemi::config {

// connection_keepalive: PING, and the connection ends when nothing has come for `timeout`.
struct Http2Keepalive {
  Duration interval;         // after the last answer; zero: never for its own sake
  Duration timeout;          // above zero
  double jitter = 15;        // interval_jitter: up to so many percent more
  Duration connection_idle;  // connection_idle_interval: PING before a stream when it was silent
                             // for so long; zero: never. To servers only.
};

// Envoy's windows (16 and 24 MB) would let one slow reader pin all packets of a worker; these are
// what its best practices for edge proxies recommend.
struct Http2Options {
  uint32_t concurrent_streams_max = 1024;
  uint32_t stream_window_bytes = 64 * 1024;
  uint32_t connection_window_bytes = 1024 * 1024;
  bool allow_connect = false;  // of clients: CONNECT, and WebSocket over HTTP/2 (RFC 8441)
  std::optional<Http2Keepalive> keepalive;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_HTTP2_OPTIONS_H_
