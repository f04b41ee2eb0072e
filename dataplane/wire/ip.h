// IPv4 (RFC 791) and IPv6 (RFC 8200) headers as values, and the bounded walk over IPv6 extension
// headers. Parse checks only what makes the header readable; policy (addresses, TTL, checksum) is
// dataplane/ip's. Pure; any thread. Bounds: kExtensionHeadersMax.
#ifndef MELTEMI_DATAPLANE_WIRE_IP_H_
#define MELTEMI_DATAPLANE_WIRE_IP_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/wire/bytes.h"
#include "l7/base/ip_addr.h"

namespace meltemi::wire {

enum IpProtocol : uint8_t {
  kProtoHopByHop = 0,
  kProtoIcmp = 1,
  kProtoTcp = 6,
  kProtoUdp = 17,
  kProtoRouting = 43,
  kProtoFragment = 44,
  kProtoEsp = 50,
  kProtoAuth = 51,
  kProtoIcmpv6 = 58,
  kProtoNoNext = 59,
  kProtoDestinationOptions = 60,
};

inline constexpr uint16_t kIpv4Bytes = 20;  // without options
inline constexpr uint16_t kIpv6Bytes = 40;
inline constexpr uint16_t kIpv6MtuMin = 1280;

struct Ipv4Header {
  uint8_t header_bytes = kIpv4Bytes;  // with options
  uint8_t dscp = 0;
  uint8_t ecn = 0;
  uint16_t total_bytes = 0;
  uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  uint16_t fragment_offset = 0;  // bytes, a multiple of 8
  uint8_t ttl = 64;
  uint8_t protocol = 0;
  uint16_t checksum = 0;
  IpAddr source;
  IpAddr destination;

  // Null: shorter than its own lengths say, or not version 4. `n`: bytes in one piece at `p`.
  static std::optional<Ipv4Header> Parse(const uint8_t* p, size_t n);
  // Writes 20 bytes (no options) and computes the header checksum.
  void Emit(uint8_t* p) const;

  bool fragment() const { return more_fragments || fragment_offset != 0; }
};

struct Ipv6Header {
  uint8_t dscp = 0;
  uint8_t ecn = 0;
  uint32_t flow_label = 0;
  uint16_t payload_bytes = 0;
  uint8_t next_header = 0;
  uint8_t hop_limit = 64;
  IpAddr source;
  IpAddr destination;

  static std::optional<Ipv6Header> Parse(const uint8_t* p, size_t n);
  void Emit(uint8_t* p) const;
};

inline constexpr int kExtensionHeadersMax = 8;

// Where the upper-layer header of an IPv6 packet lies.
struct Ipv6Walk {
  enum class Result : uint8_t {
    kUpperLayer,  // `protocol` at `offset` (kProtoNoNext: nothing follows)
    kFragment,    // a fragment: `protocol` is of the first header behind; only readable at offset 0
    kTruncated,   // an extension header runs past the packet, or past the `n` readable bytes
    kTooMany,     // more than kExtensionHeadersMax
    kBadOrder,    // Hop-by-Hop not first (RFC 8200 4.1)
    kBadOption,   // an unknown option that asks for discarding (RFC 8200 4.2); problem_* below
    kBadRouting,  // a routing header with segments left that we do not know (RFC 8200 4.4, 5095)
  };
  Result result = Result::kTruncated;
  uint8_t protocol = 0;
  uint16_t offset = 0;       // from the IPv6 header's first byte
  uint16_t name_offset = 6;  // of the Next Header field that named `protocol`
  uint16_t fragment_offset = 0;
  bool more_fragments = false;
  uint16_t fragment_named_at = 0;  // of the Next Header field that named the Fragment header
  uint32_t problem_offset = 0;     // kBadOption, kBadRouting, kBadOrder: for Parameter Problem
  uint8_t problem_code = 0;        // 0 erroneous field, 1 unknown next header, 2 unknown option
  bool problem_even_multicast =
      false;                    // option type 10xxxxxx: answer also for a multicast destination
  bool problem_silent = false;  // option type 01xxxxxx: discard without an answer
};

// Who walks: a router looks only at Hop-by-Hop options (RFC 8200 4) and passes unknown ones it may;
// the destination looks at all.
enum class WalkFor : uint8_t { kRouter, kDestination };

// `p` is the IPv6 header; `n` bytes are readable in one piece, of which the header's payload length
// covers all that count.
Ipv6Walk WalkIpv6(const uint8_t* p, size_t n, WalkFor reader);

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_IP_H_
