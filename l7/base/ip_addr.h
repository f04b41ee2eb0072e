// IpAddr: the one address type above the wire layer, 16 bytes, IPv4 as IPv4-mapped IPv6 (RFC 4291
// 2.5.5.2). SockAddr adds a port; FourTuple names a connection. Ports are host byte order here.
#ifndef MELTEMI_L7_BASE_IP_ADDR_H_
#define MELTEMI_L7_BASE_IP_ADDR_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meltemi {

class IpAddr {
 public:
  constexpr IpAddr() = default;  // "::", the unspecified address
  static IpAddr V4(uint32_t host_order);
  static IpAddr V4(const uint8_t* bytes4);
  static IpAddr V6(const uint8_t* bytes16);
  // Textual form, RFC 4291 2.2 or dotted decimal; no zone, no brackets, no leading zeros in IPv4.
  static std::optional<IpAddr> Parse(std::string_view text);

  bool v4() const;
  uint32_t v4_host_order() const;  // only if v4()
  const uint8_t* v4_bytes() const { return bytes_.data() + 12; }
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  bool unspecified() const;  // 0.0.0.0 or ::
  bool multicast() const;    // including 255.255.255.255
  bool link_local() const;
  std::string ToString() const;  // RFC 5952; "10.0.0.1" for IPv4

  auto operator<=>(const IpAddr&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddr& a) {
    return H::combine(std::move(h), a.bytes_);
  }

 private:
  std::array<uint8_t, 16> bytes_{};
};

struct IpPrefix {
  IpAddr address;    // host bits are zero
  uint8_t bits = 0;  // 0..32 for IPv4, 0..128 for IPv6
  bool Contains(const IpAddr& a) const;
  static std::optional<IpPrefix> Parse(std::string_view text);  // "10.0.0.0/8"; no "/": a host
  std::string ToString() const;
  auto operator<=>(const IpPrefix&) const = default;
};

struct SockAddr {
  IpAddr ip;
  uint16_t port = 0;
  std::string ToString() const;  // "10.0.0.1:80", "[::1]:80"
  auto operator<=>(const SockAddr&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const SockAddr& a) {
    return H::combine(std::move(h), a.ip, a.port);
  }
};

// A connection as seen by this node: `local` is the address we answer as (for an intercepted
// connection: the service address the client dialled).
struct FourTuple {
  SockAddr local;
  SockAddr remote;
  auto operator<=>(const FourTuple&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const FourTuple& t) {
    return H::combine(std::move(h), t.local, t.remote);
  }
};

// The same value for both directions of a connection: names its owner worker (hash % workers).
uint32_t SymmetricHash(const SockAddr& a, const SockAddr& b);

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_IP_ADDR_H_
