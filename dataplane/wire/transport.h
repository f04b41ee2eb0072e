// TCP (RFC 9293 3.1), UDP (RFC 768) headers as values. TCP options are parsed in dataplane/tcp.
// Pure; any thread. Bounds: the header's own lengths.
#ifndef MELTEMI_DATAPLANE_WIRE_TRANSPORT_H_
#define MELTEMI_DATAPLANE_WIRE_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/wire/bytes.h"

namespace meltemi::wire {

inline constexpr uint16_t kTcpBytes = 20;  // without options
inline constexpr uint16_t kTcpBytesMax = 60;
inline constexpr uint16_t kTcpChecksumOffset = 16;
inline constexpr uint16_t kUdpBytes = 8;
inline constexpr uint16_t kUdpChecksumOffset = 6;

enum TcpFlag : uint8_t {
  kTcpFin = 0x01,
  kTcpSyn = 0x02,
  kTcpRst = 0x04,
  kTcpPsh = 0x08,
  kTcpAck = 0x10,
  kTcpUrg = 0x20,
  kTcpEce = 0x40,
  kTcpCwr = 0x80,
};

struct TcpHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t header_bytes = kTcpBytes;  // data offset x 4, with options
  uint8_t flags = 0;                 // TcpFlag
  uint16_t window = 0;
  uint16_t checksum = 0;
  uint16_t urgent = 0;

  // Null: fewer than `header_bytes` bytes at `p`, or a data offset below 5.
  static std::optional<TcpHeader> Parse(const uint8_t* p, size_t n) {
    if (n < kTcpBytes) return std::nullopt;
    const uint8_t header_bytes = (p[12] >> 4) * 4;
    if (header_bytes < kTcpBytes || header_bytes > n) return std::nullopt;
    return TcpHeader{.source_port = Load16(p),
                     .destination_port = Load16(p + 2),
                     .sequence = Load32(p + 4),
                     .acknowledgment = Load32(p + 8),
                     .header_bytes = header_bytes,
                     .flags = p[13],
                     .window = Load16(p + 14),
                     .checksum = Load16(p + 16),
                     .urgent = Load16(p + 18)};
  }
  // Writes the 20 fixed bytes; the options behind them are the caller's.
  void Emit(uint8_t* p) const {
    Store16(p, source_port);
    Store16(p + 2, destination_port);
    Store32(p + 4, sequence);
    Store32(p + 8, acknowledgment);
    p[12] = static_cast<uint8_t>(header_bytes / 4 << 4);
    p[13] = flags;
    Store16(p + 14, window);
    Store16(p + 16, checksum);
    Store16(p + 18, urgent);
  }
  bool operator==(const TcpHeader&) const = default;
};

struct UdpHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t bytes = 0;  // header and payload
  uint16_t checksum = 0;

  static std::optional<UdpHeader> Parse(const uint8_t* p, size_t n) {
    if (n < kUdpBytes) return std::nullopt;
    return UdpHeader{Load16(p), Load16(p + 2), Load16(p + 4), Load16(p + 6)};
  }
  void Emit(uint8_t* p) const {
    Store16(p, source_port);
    Store16(p + 2, destination_port);
    Store16(p + 4, bytes);
    Store16(p + 6, checksum);
  }
};

}  // namespace meltemi::wire

#endif  // MELTEMI_DATAPLANE_WIRE_TRANSPORT_H_
