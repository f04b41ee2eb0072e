#include "l7/base/ip_addr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// The first `bits` of `bytes` stay, the rest become zero.
void Mask(std::array<uint8_t, 16>* bytes, int bits) {
  for (int i = 0; i < 16; ++i) {
    const int keep = std::clamp(bits - 8 * i, 0, 8);
    (*bytes)[i] &= static_cast<uint8_t>(0xff00 >> keep);
  }
}

}  // namespace

IpAddr IpAddr::V4(uint32_t host_order) {
  const uint8_t bytes[4] = {
      static_cast<uint8_t>(host_order >> 24), static_cast<uint8_t>(host_order >> 16),
      static_cast<uint8_t>(host_order >> 8), static_cast<uint8_t>(host_order)};
  return V4(bytes);
}

IpAddr IpAddr::V4(const uint8_t* bytes4) {
  IpAddr a;
  std::memcpy(a.bytes_.data(), kMappedPrefix, 12);
  std::memcpy(a.bytes_.data() + 12, bytes4, 4);
  return a;
}

IpAddr IpAddr::V6(const uint8_t* bytes16) {
  IpAddr a;
  std::memcpy(a.bytes_.data(), bytes16, 16);
  return a;
}

std::optional<IpAddr> IpAddr::Parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof(copy)) return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  uint8_t bytes[16];
  if (inet_pton(AF_INET, copy, bytes) == 1) return V4(bytes);
  if (inet_pton(AF_INET6, copy, bytes) == 1) return V6(bytes);
  return std::nullopt;
}

bool IpAddr::v4() const { return std::memcmp(bytes_.data(), kMappedPrefix, 12) == 0; }

uint32_t IpAddr::v4_host_order() const {
  CHECK(v4());
  return uint32_t{bytes_[12]} << 24 | uint32_t{bytes_[13]} << 16 | uint32_t{bytes_[14]} << 8 |
         bytes_[15];
}

bool IpAddr::unspecified() const {
  const size_t from = v4() ? 12 : 0;
  return std::all_of(bytes_.begin() + from, bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddr::multicast() const {
  if (!v4()) return bytes_[0] == 0xff;
  return (bytes_[12] & 0xf0) == 0xe0 || v4_host_order() == 0xffffffff;
}

bool IpAddr::link_local() const {
  if (v4()) return bytes_[12] == 169 && bytes_[13] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddr::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (v4()) {
    inet_ntop(AF_INET, bytes_.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  }
  return text;
}

bool IpPrefix::Contains(const IpAddr& a) const {
  if (a.v4() != address.v4()) return false;
  std::array<uint8_t, 16> masked = a.bytes();
  Mask(&masked, bits + (address.v4() ? 96 : 0));
  return masked == address.bytes();
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddr> a = IpAddr::Parse(text.substr(0, slash));
  if (!a) return std::nullopt;
  const int bits_max = a->v4() ? 32 : 128;
  int bits = bits_max;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
    if (error != std::errc() || end != number.data() + number.size() || number.empty()) {
      return std::nullopt;
    }
    if (bits < 0 || bits > bits_max) return std::nullopt;
  }
  std::array<uint8_t, 16> masked = a->bytes();
  Mask(&masked, bits + (a->v4() ? 96 : 0));
  return IpPrefix{IpAddr::V6(masked.data()), static_cast<uint8_t>(bits)};
}

std::string IpPrefix::ToString() const { return Cat(address.ToString(), "/", bits); }

std::string SockAddr::ToString() const {
  return ip.v4() ? Cat(ip.ToString(), ":", port) : Cat("[", ip.ToString(), "]:", port);
}

uint32_t SymmetricHash(const SockAddr& a, const SockAddr& b) {
  // Addition commutes: both directions give the same sums. Then a 64-bit finaliser (splitmix64).
  uint64_t wa[2], wb[2];
  std::memcpy(wa, a.ip.bytes().data(), 16);
  std::memcpy(wb, b.ip.bytes().data(), 16);
  uint64_t z = (wa[0] + wb[0]) * 0x9e3779b97f4a7c15 + (wa[1] ^ wb[1]) + (wa[1] + wb[1]) * 31;
  z += (uint64_t{a.port} + b.port) * 0xd6e8feb86659fd93 + (uint64_t{a.port} * b.port);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<uint32_t>(z ^ (z >> 31));
}

}  // namespace meltemi
