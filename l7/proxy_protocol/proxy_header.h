// The PROXY protocol, versions 1 and 2: what a load balancer says of a connection before the
// connection's own bytes (HAProxy's proxy-protocol.txt, 2 "The PROXY protocol header"). Its
// extensions (2.2, TLVs) are skipped.
//
// Pure. Any thread. Bounds: 107 bytes of version 1 (2.1), limits::kProxyHeaderBytesMax of
// version 2.
#ifndef MELTEMI_L7_PROXY_PROTOCOL_PROXY_HEADER_H_
#define MELTEMI_L7_PROXY_PROTOCOL_PROXY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "l7/base/ip_addr.h"
#include "l7/base/slice.h"

namespace meltemi::proxy_protocol {

enum class Version : uint8_t { kV1 = 1, kV2 = 2 };

struct Addresses {
  SockAddr source;       // the client
  SockAddr destination;  // what it dialled
  bool operator==(const Addresses&) const = default;
};

struct Header {
  Version version = Version::kV1;
  // Absent: the connection is the sender's own, or the sender does not know (LOCAL, UNKNOWN,
  // UNSPEC).
  std::optional<Addresses> addresses;
  size_t size = 0;  // bytes of the connection that it is
};

enum class Peek : uint8_t {
  kNeedMore,
  kNone,  // the bytes begin as no header does
  kHeader,
  kMalformed,
};

// Takes nothing from the chain.
Peek PeekHeader(const Chain& bytes, Header* header);

// The text of a header. Absent addresses, or such of two families: UNKNOWN, LOCAL.
std::string Write(Version version, const std::optional<Addresses>& addresses);

}  // namespace meltemi::proxy_protocol

#endif  // MELTEMI_L7_PROXY_PROTOCOL_PROXY_HEADER_H_
