// ICMP (RFC 792), ICMPv6 (RFC 4443) and Neighbour Discovery (RFC 4861) messages. Pure; any thread.
// Bounds: kNdOptionsMax.
#ifndef MELTEMI_DATAPLANE_WIRE_ICMP_H_
#define MELTEMI_DATAPLANE_WIRE_ICMP_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/wire/bytes.h"
#include "l7/base/ip_addr.h"

namespace meltemi::wire {

inline constexpr uint16_t kIcmpBytes = 8;  // both families: type, code, checksum, 4 bytes by type
inline constexpr uint16_t kIcmpChecksumOffset = 2;

enum IcmpType : uint8_t {
  kIcmpEchoReply = 0,
  kIcmpUnreachable = 3,
  kIcmpSourceQuench = 4,
  kIcmpRedirect = 5,
  kIcmpEchoRequest = 8,
  kIcmpTimeExceeded = 11,
  kIcmpParameterProblem = 12,
};
enum IcmpUnreachableCode : uint8_t {
  kIcmpNetUnreachable = 0,
  kIcmpHostUnreachable = 1,
  kIcmpProtocolUnreachable = 2,
  kIcmpPortUnreachable = 3,
  kIcmpFragmentationNeeded = 4,
  kIcmpAdminProhibited = 13,  // RFC 1812 5.2.7.1
};

enum Icmpv6Type : uint8_t {
  kIcmpv6Unreachable = 1,
  kIcmpv6PacketTooBig = 2,
  kIcmpv6TimeExceeded = 3,
  kIcmpv6ParameterProblem = 4,
  kIcmpv6ErrorMax = 127,  // types up to here are errors
  kIcmpv6EchoRequest = 128,
  kIcmpv6EchoReply = 129,
  kIcmpv6RouterSolicitation = 133,
  kIcmpv6RouterAdvertisement = 134,
  kIcmpv6NeighbourSolicitation = 135,
  kIcmpv6NeighbourAdvertisement = 136,
  kIcmpv6Redirect = 137,
};
enum Icmpv6UnreachableCode : uint8_t {
  kIcmpv6NoRoute = 0,
  kIcmpv6AdminProhibited = 1,
  kIcmpv6AddressUnreachable = 3,
  kIcmpv6PortUnreachable = 4,
};

struct IcmpHeader {
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;
  uint32_t rest = 0;  // echo: id and sequence; too big: MTU; parameter problem: pointer

  static std::optional<IcmpHeader> Parse(const uint8_t* p, size_t n) {
    if (n < kIcmpBytes) return std::nullopt;
    return IcmpHeader{p[0], p[1], Load16(p + 2), Load32(p + 4)};
  }
  void Emit(uint8_t* p) const {
    p[0] = type;
    p[1] = code;
    Store16(p + 2, checksum);
    Store32(p + 4, rest);
  }
};

inline constexpr uint16_t kNdBytes = 24;  // NS and NA without options
inline constexpr uint16_t kNdLinkOptionBytes = 8;
inline constexpr int kNdOptionsMax = 16;
inline constexpr uint32_t kNaRouter = 0x8000'0000;
inline constexpr uint32_t kNaSolicited = 0x4000'0000;
inline constexpr uint32_t kNaOverride = 0x2000'0000;

// A Neighbour Solicitation or Advertisement.
struct NdMessage {
  uint8_t type = 0;
  uint32_t flags = 0;  // NA: kNaRouter, kNaSolicited, kNaOverride
  IpAddr target;
  std::optional<MacAddr> link_address;  // NS: source option; NA: target option

  // Checks RFC 4861 7.1.1, 7.1.2 as far as the message itself goes; hop limit, addresses and
  // checksum are the caller's. Null also when an option has length 0.
  static std::optional<NdMessage> Parse(const uint8_t* p, size_t n);
  // Writes kNdBytes (+ kNdLinkOptionBytes when link_address is there), checksum field 0; returns
  // bytes.
  uint16_t Emit(uint8_t* p) const;
};

// ff02::1:ffXX:XXXX, RFC 4291 2.7.1.
IpAddr SolicitedNode(const IpAddr& address);
IpAddr AllNodes();  // ff02::1

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_ICMP_H_
