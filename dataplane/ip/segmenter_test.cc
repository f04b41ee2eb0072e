// What a super-frame is cut into, beside a reference that builds each part from scratch.
#include "dataplane/ip/segmenter.h"

#include <algorithm>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/wire/builders.h"
#include "dataplane/wire/checksum.h"
#include "gtest/gtest.h"
#include "l7/base/limits.h"
#include "l7/base/prng.h"

namespace meltemi::ip {
namespace {

IpAddr Addr(std::string_view text) { return *IpAddr::Parse(text); }

struct Shape {
  wire::IpFields ip{.source = Addr("10.1.0.11"), .destination = Addr("10.2.0.5"), .id = 0xfffe};
  wire::TcpFields tcp;
  bool udp = false;
  uint16_t size = 1448;
  uint32_t piece_bytes = 4097;
};

uint16_t L3Bytes(const Shape& s) {
  return (s.ip.source.v4() ? wire::kIpv4Bytes : wire::kIpv6Bytes) +
         static_cast<uint16_t>(s.ip.options.size());
}

std::string Frame(const wire::IpFields& ip, const wire::Upper& upper) {
  return wire::Ethernet({.destination = {2, 0, 0, 0, 0, 1}, .source = {2, 0, 0, 0, 0, 2}},
                        wire::Ip(ip, upper));
}

packet::Packet* Super(packet::PacketPool* pool, const Shape& s) {
  const wire::Upper upper = s.udp ? wire::Udp({.payload = s.tcp.payload}) : wire::Tcp(s.tcp);
  packet::Packet* p = wire::ToPacket(pool, Frame(s.ip, upper), s.piece_bytes);
  p->l2_len = wire::kEthernetBytes;
  p->l3_len = L3Bytes(s);
  p->l4_len = s.udp ? wire::kUdpBytes : wire::kTcpBytes + s.tcp.options.size();
  p->tso_segsz = s.size;
  p->ol_flags |= s.udp ? RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_UDP_CKSUM
                       : RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
  p->ol_flags |= s.ip.source.v4() ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
  return p;
}

// The parts by the builders: the same packet made again for each stretch of the payload.
std::vector<std::string> Reference(const Shape& s) {
  std::vector<std::string> parts;
  const size_t all = s.tcp.payload.size();
  for (size_t at = 0; at == 0 || at < all; at += s.size) {
    wire::IpFields ip = s.ip;
    ip.id = static_cast<uint16_t>(ip.id + at / s.size);
    wire::TcpFields tcp = s.tcp;
    tcp.sequence += static_cast<uint32_t>(at);
    tcp.payload = s.tcp.payload.substr(at, s.size);
    tcp.partial_checksum = false;
    if (at > 0) tcp.flags &= static_cast<uint8_t>(~wire::kTcpCwr);
    if (at + s.size < all) tcp.flags &= static_cast<uint8_t>(~(wire::kTcpPsh | wire::kTcpFin));
    parts.push_back(
        Frame(ip, s.udp ? wire::Udp({.payload = tcp.payload}) : wire::Tcp(std::move(tcp))));
  }
  return parts;
}

// The partial checksum of a part, completed as a port would.
std::string Complete(packet::Packet* p) {
  const uint32_t l4 = p->l2_len + p->l3_len;
  const bool udp = (p->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
  const uint32_t field = l4 + (udp ? wire::kUdpChecksumOffset : wire::kTcpChecksumOffset);
  auto sum = static_cast<uint16_t>(~wire::SumPacket(p, l4, p->pkt_len - l4));
  if (udp && sum == 0) sum = 0xffff;
  wire::Store16(packet::Data(p) + field, sum);
  return wire::ToString(p);
}

std::vector<std::string> Cut(packet::PacketPool* pool, const Shape& s) {
  packet::Packet* frame = Super(pool, s);
  Segmenter segmenter(frame, pool);
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < segmenter.count(); ++i) {
    packet::Packet* part = segmenter.Next();
    parts.push_back(Complete(part));
    pool->Free(part);
  }
  pool->Free(frame);
  return parts;
}

std::string Bytes(size_t n, Prng* prng) {
  std::string bytes(n, '\0');
  for (char& c : bytes) c = static_cast<char>(prng->Below(256));
  return bytes;
}

Shape Drawn(Prng* prng) {
  Shape s;
  if (prng->Below(2) == 0) {
    s.ip.source = Addr("fd00:1::11");
    s.ip.destination = Addr("fd00:2::5");
  } else if (prng->Below(4) == 0) {
    s.ip.options = std::string(8, '\x01');
  }
  s.ip.id = static_cast<uint16_t>(prng->Below(0x10000));
  s.ip.ecn = static_cast<uint8_t>(prng->Below(4));
  s.ip.ttl = static_cast<uint8_t>(1 + prng->Below(255));
  s.udp = prng->Below(4) == 0;
  s.size = static_cast<uint16_t>(1 + prng->Below(prng->Below(2) == 0 ? 100 : 9000));
  const uint64_t parts = prng->Below(40);
  s.tcp = {.sequence = static_cast<uint32_t>(prng->Below(1ull << 32)),
           .acknowledgment = static_cast<uint32_t>(prng->Below(1ull << 32)),
           .flags = static_cast<uint8_t>(prng->Below(256)),
           .window = static_cast<uint16_t>(prng->Below(0x10000)),
           .options = Bytes(4 * prng->Below(11), prng),
           .payload = Bytes(std::min<uint64_t>(parts * s.size + prng->Below(s.size), 65'000), prng),
           .partial_checksum = prng->Below(2) == 0};
  s.piece_bytes = static_cast<uint32_t>(200 + prng->Below(15'000));
  return s;
}

// Whatever the super-frame: headers and bytes are those of packets built one by one.
TEST(Segmenter, CutsAnyFrameAsTheReferenceDoes) {
  packet::HeapPacketPool pool;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Prng prng(seed);
    const Shape shape = Drawn(&prng);
    if (shape.tcp.payload.size() > shape.size * size_t{limits::kSuperFrameSegmentsMax}) continue;
    ASSERT_EQ(Cut(&pool, shape), Reference(shape)) << "seed " << seed;
  }
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(Segmenter, KeepsFlagsWhereTheyBelong) {
  packet::HeapPacketPool pool;
  Shape s;
  s.tcp.flags = 0xff;
  s.tcp.payload = std::string(size_t{3} * s.size, 'x');
  const auto parts = Cut(&pool, s);
  ASSERT_EQ(parts.size(), 3u);
  const auto flags = [&](int i) { return static_cast<uint8_t>(parts[i][14 + 20 + 13]); };
  EXPECT_EQ(flags(0), 0xff & ~(wire::kTcpPsh | wire::kTcpFin));
  EXPECT_EQ(flags(1), 0xff & ~(wire::kTcpPsh | wire::kTcpFin | wire::kTcpCwr));
  EXPECT_EQ(flags(2), 0xff & ~wire::kTcpCwr);
}

TEST(Segmenter, CountsPartsUpToTheBound) {
  packet::HeapPacketPool pool;
  const uint32_t most = limits::kSuperFrameSegmentsMax;
  for (const uint32_t parts : {most - 1, most, most + 1}) {
    Shape s{.size = 8};
    s.tcp.payload = std::string(size_t{parts} * 8, 'x');
    packet::Packet* frame = Super(&pool, s);
    EXPECT_EQ(Segmenter(frame, &pool).count(), parts <= most ? parts : 0);
    pool.Free(frame);
  }
}

// A part must be one piece of memory.
TEST(Segmenter, RefusesPartsBeyondAPacketsRoom) {
  packet::HeapPacketPool pool;
  const int most = packet::kLargeRoom - packet::kHeadroom - 14 - 20 - 20;
  for (const int size : {0, most - 1, most, most + 1}) {
    Shape s{.size = static_cast<uint16_t>(size)};
    s.tcp.payload = std::string(40'000, 'x');
    packet::Packet* frame = Super(&pool, s);
    EXPECT_EQ(Segmenter(frame, &pool).count(), size > 0 && size <= most ? 3u : 0u) << size;
    pool.Free(frame);
  }
}

TEST(Segmenter, TellsWhenMemoryRunsOut) {
  packet::HeapPacketPool pool(20);
  Shape s;
  s.tcp.payload = std::string(60'000, 'x');
  packet::Packet* frame = Super(&pool, s);
  Segmenter segmenter(frame, &pool);
  std::vector<packet::Packet*> parts;
  while (packet::Packet* part = segmenter.Next()) parts.push_back(part);
  EXPECT_LT(parts.size(), segmenter.count());
  for (packet::Packet* part : parts) pool.Free(part);
  pool.Free(frame);
  EXPECT_EQ(pool.outstanding(), 0);
}

}  // namespace
}  // namespace meltemi::ip
