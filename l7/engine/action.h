// Action: what the engine wants the data plane to do, in order. Values, not callbacks.
#ifndef MELTEMI_L7_ENGINE_ACTION_H_
#define MELTEMI_L7_ENGINE_ACTION_H_

#include <cstdint>
#include <string_view>

#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/config/snapshot.h"

namespace meltemi::engine {

struct Action {
  enum class Kind : uint8_t {
    kConnect,  // open a TCP connection to `address` for the engine's id `conn`; the outcome comes
               // as OnConnected or OnConnectFailed, at the latest after `connect_timeout`.
               // With `tls`, it is connected when the handshake is done. `bytes` go before all
               // else, TLS too.
    kWrite,    // send `bytes` on `conn`. With `passed_on`, as long as their source has more to
               // send at once, a piece too small for a packet may wait for it.
    kFinish,   // send FIN after everything written: half-close. Reading goes on.
    kReset,    // as kRelease, but with RST when everything written is acknowledged, and without the
               // close_notify of TLS: the peer is not to take it for an end in order
    kAbort,    // send RST and forget: the id is dead, no OnClosed follows. Also ends a kConnect
               // under way.
    kRelease,  // the engine is done with `conn`: FIN after everything written, further input is
               // thrown away; the id is dead, no OnClosed follows (TCP ends it by itself, with RST
               // if the peer keeps sending).
    kConsumed,  // `byte_count` bytes given by OnBytes have left the engine: the window may open
  };
  Kind kind = Kind::kWrite;
  bool passed_on = false;  // kWrite: of an opaque stream, as they came, by themselves
  ConnId conn;
  Chain bytes;
  SockAddr address;
  Duration connect_timeout;
  uint32_t tls = config::kNoTls;  // kConnect: config::TlsSettings::stable_id
  std::string_view alpn;          // kConnect: offered when the settings name none; a literal
  std::string_view source;        // kConnect: whose certificate to show; lives with the engine
  uint32_t byte_count = 0;
  config::TcpKeepalive keepalive;  // kConnect: off: the worker's own
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_ACTION_H_
