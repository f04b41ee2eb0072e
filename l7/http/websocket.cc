#include "l7/http/websocket.h"

#include <array>
#include <bit>
#include <cstdint>

#include "absl/strings/escaping.h"

namespace meltemi::http {
namespace {

// FIPS 180-4 6.1. It protects nothing here: the handshake only wants to see it computed.
class Sha1 {
 public:
  static std::array<char, 20> Of(std::string message) {
    Sha1 hash;
    const uint64_t bits = uint64_t{message.size()} * 8;
    message.push_back(static_cast<char>(0x80));
    while (message.size() % 64 != 56) message.push_back(0);
    for (int shift = 56; shift >= 0; shift -= 8) {
      message.push_back(static_cast<char>(bits >> shift));
    }
    for (size_t at = 0; at < message.size(); at += 64) hash.Add(message.data() + at);
    std::array<char, 20> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<char>(hash.state_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return out;
  }

 private:
  void Add(const char* block) {
    std::array<uint32_t, 80> w;
    for (size_t t = 0; t < 16; ++t) {
      w[t] = 0;
      for (size_t i = 0; i < 4; ++i) w[t] = w[t] << 8 | static_cast<uint8_t>(block[4 * t + i]);
    }
    for (size_t t = 16; t < 80; ++t) {
      w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    auto [a, b, c, d, e] = state_;
    for (size_t t = 0; t < 80; ++t) {
      const uint32_t f = t < 20   ? (b & c) | (~b & d)
                         : t < 40 ? b ^ c ^ d
                         : t < 60 ? (b & c) | (b & d) | (c & d)
                                  : b ^ c ^ d;
      constexpr uint32_t kWords[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
      const uint32_t next = std::rotl(a, 5) + f + e + kWords[t / 20] + w[t];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    const std::array<uint32_t, 5> sum = {a, b, c, d, e};
    for (size_t i = 0; i < sum.size(); ++i) state_[i] += sum[i];
  }

  std::array<uint32_t, 5> state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
};

}  // namespace

std::string WebSocketAccept(std::string_view key) {
  const std::array<char, 20> digest =
      Sha1::Of(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  std::string out;
  absl::Base64Escape(absl::string_view(digest.data(), digest.size()), &out);
  return out;
}

}  // namespace meltemi::http
