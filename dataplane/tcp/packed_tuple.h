// PackedTuple: a connection's addresses and ports in twelve bytes, for the line that every packet
// touches (conn.h). IPv4 addresses stand in it. Any others lie apart, in an AddressPair of the
// owner's: half a line more to touch. Which it is, the owner knows: `apart`.
#ifndef MELTEMI_DATAPLANE_TCP_PACKED_TUPLE_H_
#define MELTEMI_DATAPLANE_TCP_PACKED_TUPLE_H_

#include <array>
#include <bit>
#include <cstdint>

#include "l7/base/ip_addr.h"

namespace meltemi::tcp {

struct alignas(32) AddressPair {
  IpAddr local, remote;
};

class PackedTuple {
 public:
  // Both addresses of `t` are IPv4 ones.
  static bool Fits(const FourTuple& t) { return t.local.ip.v4() && t.remote.ip.v4(); }

  // `pair`: null when the addresses fit; else it stays the caller's, and becomes theirs.
  void Set(const FourTuple& t, AddressPair* pair) {
    local_port_ = t.local.port;
    remote_port_ = t.remote.port;
    if (pair != nullptr) {
      *pair = {t.local.ip, t.remote.ip};
      addresses_ = reinterpret_cast<uintptr_t>(pair);
    } else {
      addresses_ = Word(t.local.ip) | uint64_t{Word(t.remote.ip)} << 32;
    }
  }
  AddressPair* pair() const { return reinterpret_cast<AddressPair*>(addresses_); }  // if apart

  IpAddr local(bool apart) const { return apart ? pair()->local : V4(addresses_); }
  IpAddr remote(bool apart) const { return apart ? pair()->remote : V4(addresses_ >> 32); }
  FourTuple Get(bool apart) const {
    return {{local(apart), local_port_}, {remote(apart), remote_port_}};
  }
  bool Is(const FourTuple& t, bool apart) const {
    return local_port_ == t.local.port && remote_port_ == t.remote.port &&
           remote(apart) == t.remote.ip && local(apart) == t.local.ip;
  }

 private:
  // The last four bytes of an address, as they are in memory.
  static uint32_t Word(const IpAddr& a) { return std::bit_cast<std::array<uint32_t, 4>>(a)[3]; }
  static IpAddr V4(uint64_t word) {
    constexpr uint32_t kMapped = 0xffff'0000;  // RFC 4291 2.5.5.2, little-endian
    return std::bit_cast<IpAddr>(
        std::array<uint32_t, 4>{0, 0, kMapped, static_cast<uint32_t>(word)});
  }

  uint64_t addresses_ = 0;  // local, then remote; or a pointer
  uint16_t local_port_ = 0;
  uint16_t remote_port_ = 0;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_PACKED_TUPLE_H_
