// Frames written by hand, for what a well-behaved peer never sends.
#ifndef MELTEMI_L7_HTTP2_TESTING_FRAMES_H_
#define MELTEMI_L7_HTTP2_TESTING_FRAMES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "l7/http2/frame.h"

namespace meltemi::http2 {

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out(kFrameHeaderBytes, '\0');
  WriteFrameHeader({.length = static_cast<uint32_t>(payload.size()),
                    .type = type,
                    .flags = flags,
                    .stream = stream},
                   reinterpret_cast<uint8_t*>(out.data()));
  return out.append(payload);
}

inline std::string Big(uint32_t v) {
  std::string out(4, '\0');
  Write32(v, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

inline std::string Setting(uint16_t id, uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + Big(value);
}

// What a client says first.
inline std::string Hello(std::string_view settings = {}) {
  return std::string(kPreface) + Frame(frame_type::kSettings, 0, 0, settings);
}

// GET http://a/ by the static table of RFC 7541 alone, and ":authority: a" as a literal.
inline constexpr std::string_view kGetBlock =
    "\x82\x86\x84\x01\x01"
    "a";
inline constexpr std::string_view kPostBlock =
    "\x83\x86\x84\x01\x01"
    "a";

inline std::string Get(uint32_t stream) {
  return Frame(frame_type::kHeaders, frame_flag::kEndStream | frame_flag::kEndHeaders, stream,
               kGetBlock);
}
inline std::string Post(uint32_t stream) {
  return Frame(frame_type::kHeaders, frame_flag::kEndHeaders, stream, kPostBlock);
}

inline std::string Times(int n, std::string_view what) {
  std::string out;
  for (int i = 0; i < n; ++i) out += what;
  return out;
}

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_TESTING_FRAMES_H_
