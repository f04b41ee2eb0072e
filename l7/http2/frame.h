// Frames of HTTP/2 on the wire: RFC 9113 4.1, 6, 7. Values only; Session decides what they mean.
#ifndef MELTEMI_L7_HTTP2_FRAME_H_
#define MELTEMI_L7_HTTP2_FRAME_H_

#include <cstdint>
#include <string_view>

namespace meltemi::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // 3.4
inline constexpr uint32_t kFrameHeaderBytes = 9;
inline constexpr uint32_t kFrameBytesDefault = 16'384;  // SETTINGS_MAX_FRAME_SIZE's first value
inline constexpr uint32_t kFrameBytesMax = (1u << 24) - 1;
inline constexpr uint32_t kWindowDefault = 65'535;  // 6.9.2
inline constexpr uint32_t kWindowMax = 0x7fff'ffff;
inline constexpr uint32_t kStreamIdMax = 0x7fff'ffff;

inline constexpr uint32_t kSettingBytes = 6;
inline constexpr uint32_t kSettingsMax = 64;  // entries in one frame; there are seven

namespace frame_type {
inline constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kRstStream = 3, kSettings = 4,
                         kPushPromise = 5, kPing = 6, kGoAway = 7, kWindowUpdate = 8,
                         kContinuation = 9;
}  // namespace frame_type

namespace frame_flag {
inline constexpr uint8_t kEndStream = 0x1, kAck = 0x1, kEndHeaders = 0x4, kPadded = 0x8,
                         kPriority = 0x20;
}  // namespace frame_flag

namespace setting {
inline constexpr uint16_t kHeaderTableSize = 1, kEnablePush = 2, kMaxConcurrentStreams = 3,
                          kInitialWindowSize = 4, kMaxFrameSize = 5, kMaxHeaderListSize = 6,
                          kEnableConnectProtocol = 8;  // RFC 8441 3
}  // namespace setting

// RFC 9113 7.
enum class ErrorCode : uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kConnectError = 10,
  kEnhanceYourCalm = 11,
  kInadequateSecurity = 12,
  kHttp11Required = 13,
};

struct FrameHeader {
  uint32_t length = 0;  // of the payload
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
};

inline uint32_t Read32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}
inline void Write32(uint32_t v, uint8_t* p) {
  p[0] = static_cast<uint8_t>(v >> 24);
  p[1] = static_cast<uint8_t>(v >> 16);
  p[2] = static_cast<uint8_t>(v >> 8);
  p[3] = static_cast<uint8_t>(v);
}

// `p`: kFrameHeaderBytes. The reserved bit of the stream id is ignored (4.1).
inline FrameHeader ReadFrameHeader(const uint8_t* p) {
  return {.length = uint32_t{p[0]} << 16 | uint32_t{p[1]} << 8 | p[2],
          .type = p[3],
          .flags = p[4],
          .stream = Read32(p + 5) & kStreamIdMax};
}
inline void WriteFrameHeader(const FrameHeader& h, uint8_t* p) {
  p[0] = static_cast<uint8_t>(h.length >> 16);
  p[1] = static_cast<uint8_t>(h.length >> 8);
  p[2] = static_cast<uint8_t>(h.length);
  p[3] = h.type;
  p[4] = h.flags;
  Write32(h.stream, p + 5);
}

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_FRAME_H_
