// PeekClientHello: what a connection's first bytes say before anything is decided about it: TLS or
// not (a PERMISSIVE port takes both), and for which name and protocols (a gateway picks its filter
// chain by SNI and ALPN; PASSTHROUGH routes by SNI and opens nothing).
//
// Pure: takes nothing from the chain. Thread: any. Bound: limits::kTlsClientHelloBytesMax; until
// a verdict the caller waits, under its own timer (server-first protocols say nothing).
#ifndef MELTEMI_DATAPLANE_TLS_CLIENT_HELLO_H_
#define MELTEMI_DATAPLANE_TLS_CLIENT_HELLO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "l7/base/slice.h"

namespace meltemi::tls {

struct ClientHello {
  std::string sni;  // lower case; empty: none
  std::vector<std::string> alpn;
};

enum class Peek : uint8_t {
  kNeedMore,
  kNotTls,
  kClientHello,
  kMalformed,  // begins as TLS and is none: the handshake will refuse it in TLS's own words
};

Peek PeekClientHello(const Chain& bytes, ClientHello* hello);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_CLIENT_HELLO_H_
