// Ethernet II and ARP (RFC 826) as values: Parse checks and reads, Emit writes. Pure; any thread.
// Bounds: fixed sizes.
#ifndef MELTEMI_DATAPLANE_WIRE_ETHERNET_H_
#define MELTEMI_DATAPLANE_WIRE_ETHERNET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/wire/bytes.h"
#include "l7/base/ip_addr.h"

namespace meltemi::wire {

inline constexpr uint16_t kEthernetBytes = 14;

enum EtherType : uint16_t {
  kEtherIpv4 = 0x0800,
  kEtherArp = 0x0806,
  kEtherVlan = 0x8100,  // 802.1Q
  kEtherIpv6 = 0x86dd,
  kEtherQinq = 0x88a8,  // 802.1ad
};

struct EthernetHeader {
  MacAddr destination{};
  MacAddr source{};
  uint16_t type = 0;

  static std::optional<EthernetHeader> Parse(const uint8_t* p, size_t n) {
    if (n < kEthernetBytes) return std::nullopt;
    return EthernetHeader{LoadMac(p), LoadMac(p + 6), Load16(p + 12)};
  }
  void Emit(uint8_t* p) const {
    StoreMac(p, destination);
    StoreMac(p + 6, source);
    Store16(p + 12, type);
  }
  bool operator==(const EthernetHeader&) const = default;
};

inline bool IsGroupMac(const MacAddr& mac) { return mac[0] & 1; }  // multicast or broadcast

inline constexpr uint16_t kArpBytes = 28;
inline constexpr uint16_t kArpRequest = 1;
inline constexpr uint16_t kArpReply = 2;

// ARP for IPv4 over Ethernet; other hardware or protocol types do not parse.
struct ArpMessage {
  uint16_t operation = 0;
  MacAddr sender_mac{};
  IpAddr sender_ip;
  MacAddr target_mac{};
  IpAddr target_ip;

  static std::optional<ArpMessage> Parse(const uint8_t* p, size_t n) {
    if (n < kArpBytes) return std::nullopt;
    if (Load16(p) != 1 || Load16(p + 2) != kEtherIpv4 || p[4] != 6 || p[5] != 4)
      return std::nullopt;
    return ArpMessage{Load16(p + 6), LoadMac(p + 8), IpAddr::V4(p + 14), LoadMac(p + 18),
                      IpAddr::V4(p + 24)};
  }
  void Emit(uint8_t* p) const {
    Store16(p, 1);
    Store16(p + 2, kEtherIpv4);
    p[4] = 6;
    p[5] = 4;
    Store16(p + 6, operation);
    StoreMac(p + 8, sender_mac);
    Store32(p + 14, sender_ip.v4_host_order());
    StoreMac(p + 18, target_mac);
    Store32(p + 24, target_ip.v4_host_order());
  }
};

// RFC 1112 6.4 and RFC 2464 7: the group's Ethernet address.
inline MacAddr MulticastMac(const IpAddr& group) {
  const auto& b = group.bytes();
  if (group.v4()) return {0x01, 0x00, 0x5e, static_cast<uint8_t>(b[13] & 0x7f), b[14], b[15]};
  return {0x33, 0x33, b[12], b[13], b[14], b[15]};
}

// fe80::/64 with the modified EUI-64 of the MAC, RFC 4291 2.5.6 and appendix A.
inline IpAddr LinkLocalAddress(const MacAddr& mac) {
  const uint8_t b[16] = {
      0xfe,   0x80,   0,    0,    0,      0,      0,     0, static_cast<uint8_t>(mac[0] ^ 2),
      mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
  return IpAddr::V6(b);
}

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_ETHERNET_H_
