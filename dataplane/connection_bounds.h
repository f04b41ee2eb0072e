// ConnectionBounds: how many connections a worker's tables have room for, by what the operator
// allows (`meltemi.connections_max`). Pure.
#ifndef MELTEMI_DATAPLANE_CONNECTION_BOUNDS_H_
#define MELTEMI_DATAPLANE_CONNECTION_BOUNDS_H_

#include <algorithm>
#include <cstdint>

#include "l7/base/limits.h"

namespace meltemi {

// As many TCP connections as are asked for, whatever they are: every one may be a connection of
// L7, each of them with as many streams as connections on average, have TLS, and carry an exchange.
// Fewer than by default lower TCP's table alone: streams of HTTP/2 are many to a connection.
struct ConnectionBounds {
  // 0: limits::kTcpConnCountMax.
  explicit constexpr ConnectionBounds(uint32_t connections_max)
      : tcp(connections_max == 0 ? limits::kTcpConnCountMax : connections_max),
        l7(std::max(limits::kL7ConnCountMax, 2 * tcp)),
        tls(std::max(limits::kTlsSessionCountMax, 2 * tcp)),
        exchanges(std::max(limits::kExchangeCountMax, tcp)) {}

  uint32_t tcp, l7, tls, exchanges;
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_CONNECTION_BOUNDS_H_
