// Goal: headers of both versions are read and written as the specification has them; what is none
// is told apart from what may become one and from what is wrong. Method: literal bytes, cut
// anywhere.
#include "l7/proxy_protocol/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "l7/base/heap_buffer_pool.h"
#include "l7/base/limits.h"

namespace meltemi::proxy_protocol {
namespace {

using namespace std::string_literals;  // NOLINT: bytes that are zero

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

Peek Look(std::string_view bytes, Header* header) {
  HeapBufferPool pool(1 << 20);
  Chain chain;
  EXPECT_TRUE(AppendCopy(&pool, bytes, &chain));
  return PeekHeader(chain, header);
}

Peek Look(std::string_view bytes) {
  Header header;
  return Look(bytes, &header);
}

SockAddr At(std::string_view ip, uint16_t port) { return {*IpAddr::Parse(ip), port}; }

// Whole, and with more behind it, it is the header; every part of it may become one.
void ExpectHeader(const std::string& bytes, Version version,
                  const std::optional<Addresses>& addresses) {
  for (const char* more : {"", "GET / HTTP/1.1\r\n\r\n"}) {
    Header header;
    ASSERT_EQ(Look(bytes + more, &header), Peek::kHeader) << bytes;
    EXPECT_EQ(header.version, version);
    EXPECT_EQ(header.addresses, addresses);
    EXPECT_EQ(header.size, bytes.size());
  }
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(Look(bytes.substr(0, n)), Peek::kNeedMore) << n;
  }
}

const Addresses kFour = {At("192.0.2.1", 56324), At("198.51.100.7", 443)};
const Addresses kSix = {At("2001:db8::1", 1), At("2001:db8::2", 65535)};

TEST(ProxyHeader, Version1) {
  ExpectHeader("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", Version::kV1, kFour);
  ExpectHeader("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", Version::kV1, kSix);
  ExpectHeader("PROXY UNKNOWN\r\n", Version::kV1, std::nullopt);
  ExpectHeader("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Version::kV1, std::nullopt);
}

TEST(ProxyHeader, Version2) {
  const std::string four =
      kSignature + "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"s;
  ExpectHeader(four, Version::kV2, kFour);
  EXPECT_EQ(Write(Version::kV2, kFour), four);
  ExpectHeader(Write(Version::kV2, kSix), Version::kV2, kSix);
  EXPECT_EQ(Write(Version::kV2, kSix).size(), 16u + 36u);
  // With an extension (PP2_TYPE_NOOP of two bytes).
  ExpectHeader(
      kSignature + "\x21\x11\0\x11\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb\x04\0\x02xy"s,
      Version::kV2, kFour);
  ExpectHeader(kSignature + "\x20\0\0\0"s, Version::kV2, std::nullopt);
  // Of a health check of the balancer's: its addresses are not used.
  ExpectHeader(kSignature + "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"s,
               Version::kV2, std::nullopt);
  ExpectHeader(kSignature + "\x21\0\0\x01z"s, Version::kV2, std::nullopt);
}

TEST(ProxyHeader, WhatIsWrittenIsRead) {
  ExpectHeader(Write(Version::kV1, kFour), Version::kV1, kFour);
  ExpectHeader(Write(Version::kV1, kSix), Version::kV1, kSix);
  for (const Version version : {Version::kV1, Version::kV2}) {
    ExpectHeader(Write(version, std::nullopt), version, std::nullopt);
    ExpectHeader(Write(version, Addresses{kFour.source, kSix.destination}), version, std::nullopt);
  }
}

TEST(ProxyHeader, WhatIsNone) {
  for (const std::string& bytes :
       {"GET / HTTP/1.1\r\n"s, "PROXy TCP4"s, "P0"s, "\x16\x03\x01"s, "\r\n\r\nX"s, "proxy "s}) {
    EXPECT_EQ(Look(bytes), Peek::kNone) << bytes;
  }
}

TEST(ProxyHeader, WhatIsWrong) {
  for (const std::string& bytes : {"PROXY \r\n"s,
                                   "PROXY TCP4\r\n"s,
                                   "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n"s,
                                   "PROXY UNKNOWNS\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n"s,
                                   "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n"s,
                                   "PROXY TCP4 ::1 1.1.1.1 1 1\r\n"s,
                                   "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n"s,
                                   "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 1 -1\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n"s,
                                   "PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n"s,
                                   kSignature + "\x11\x11\0\x0c"s,
                                   kSignature + "\x22\x11\0\x0c"s,
                                   kSignature + "\x21\x12\0\x0c"s,
                                   kSignature + "\x21\x31\0\xd8"s,
                                   kSignature + "\x21\x11\0\x0b"s,
                                   kSignature + "\x21\x21\0\x23"s}) {
    EXPECT_EQ(Look(bytes), Peek::kMalformed) << bytes;
  }
}

TEST(ProxyHeader, AtItsBounds) {
  const std::string start = "PROXY UNKNOWN ";
  ExpectHeader(start + std::string(106 - 2 - start.size(), 'x') + "\r\n", Version::kV1, {});
  ExpectHeader(start + std::string(107 - 2 - start.size(), 'x') + "\r\n", Version::kV1, {});
  EXPECT_EQ(Look(start + std::string(108 - 2 - start.size(), 'x') + "\r\n"), Peek::kMalformed);
  const auto of_size = [](size_t size) {
    const size_t length = size - 16;
    return kSignature + "\x20\0"s + static_cast<char>(length >> 8) +
           static_cast<char>(length & 0xff) + std::string(length, 'x');
  };
  for (const size_t less : {1, 0}) {
    Header header;
    ASSERT_EQ(Look(of_size(limits::kProxyHeaderBytesMax - less), &header), Peek::kHeader);
    EXPECT_EQ(header.size, limits::kProxyHeaderBytesMax - less);
  }
  EXPECT_EQ(Look(of_size(limits::kProxyHeaderBytesMax + 1)), Peek::kMalformed);
}

}  // namespace
}  // namespace meltemi::proxy_protocol
