// Goal: what the kernel says of a frame survives the way through the plane. Method: frames by hand.
#include "dataplane/nic/vnet_header.h"

#include <cstring>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::nic {
namespace {

using packet::Packet;

constexpr uint64_t kTrusted = RTE_MBUF_F_RX_L4_CKSUM_GOOD;

struct Frame {
  bool ipv6 = false;
  uint8_t protocol = 6;
  uint8_t tcp_flags = 0;
  uint8_t tcp_header_bytes = 32;
  uint32_t payload_bytes = 100;
};

Packet* Make(packet::PacketPool* pool, const Frame& f) {
  const int l3 = f.ipv6 ? 40 : 20;
  const int l4 = f.protocol == 6 ? f.tcp_header_bytes : 8;
  Packet* p = pool->Alloc(packet::kLarge);
  const auto bytes = static_cast<uint16_t>(14 + l3 + l4 + f.payload_bytes);
  uint8_t* data = packet::Append(p, bytes);
  std::memset(data, 0, bytes);
  data[12] = f.ipv6 ? 0x86 : 0x08;
  data[13] = f.ipv6 ? 0xdd : 0x00;
  data[14] = f.ipv6 ? 0x60 : 0x45;
  data[f.ipv6 ? 20 : 23] = f.protocol;
  if (f.protocol == 6) {
    data[14 + l3 + 12] = static_cast<uint8_t>(f.tcp_header_bytes / 4 << 4);
    data[14 + l3 + 13] = f.tcp_flags;
  }
  return p;
}

VnetHeader Partial(uint16_t start, uint16_t offset) {
  return VnetHeader{.flags = kVnetNeedsChecksum, .csum_start = start, .csum_offset = offset};
}

TEST(FromVnet, PartialChecksumIsTrustedAndGoesOutAsItCame) {
  packet::HeapPacketPool pool;
  const struct {
    Frame frame;
    uint16_t start, offset;
    uint64_t flags;
  } kRows[] = {
      {{.protocol = 6}, 34, 16, RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4},
      {{.protocol = 17}, 34, 6, RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4},
      {{.ipv6 = true, .protocol = 6}, 54, 16, RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6},
      {{.ipv6 = true, .protocol = 17}, 54, 6, RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV6},
  };
  for (const auto& row : kRows) {
    Packet* p = Make(&pool, row.frame);
    ASSERT_EQ(FromVnet(Partial(row.start, row.offset), p), VnetVerdict::kOk);
    EXPECT_EQ(p->ol_flags, kTrusted | row.flags);
    const VnetHeader out = ToVnet(*p);
    EXPECT_EQ(out.flags, kVnetNeedsChecksum);
    EXPECT_EQ(out.csum_start, row.start);
    EXPECT_EQ(out.csum_offset, row.offset);
    EXPECT_EQ(out.gso_type, kVnetGsoNone);
    pool.Free(p);
  }
}

TEST(FromVnet, SuperFramesGoOutAsTheyCame) {
  packet::HeapPacketPool pool;
  const struct {
    Frame frame;
    uint8_t gso_type;
    uint16_t start, offset, header_bytes;
  } kRows[] = {
      {{.payload_bytes = 9000}, kVnetGsoTcp4, 34, 16, 66},
      {{.ipv6 = true, .payload_bytes = 9000}, kVnetGsoTcp6, 54, 16, 86},
      {{.tcp_flags = 0x80, .payload_bytes = 9000}, kVnetGsoTcp4 | kVnetGsoEcn, 34, 16, 66},
      {{.protocol = 17, .payload_bytes = 9000}, kVnetGsoUdpL4, 34, 6, 42},
  };
  for (const auto& row : kRows) {
    Packet* p = Make(&pool, row.frame);
    VnetHeader in = Partial(row.start, row.offset);
    in.gso_type = row.gso_type;
    in.gso_size = 1448;
    ASSERT_EQ(FromVnet(in, p), VnetVerdict::kOk);
    EXPECT_NE(p->ol_flags & RTE_MBUF_F_RX_LRO, 0u);
    EXPECT_EQ(p->tso_segsz, 1448);
    const VnetHeader out = ToVnet(*p);
    EXPECT_EQ(out.gso_type, row.gso_type);
    EXPECT_EQ(out.gso_size, 1448);
    EXPECT_EQ(out.hdr_len, row.header_bytes);
    pool.Free(p);
  }
}

TEST(FromVnet, VerifiedIsTrustedAndUnknownIsNot) {
  packet::HeapPacketPool pool;
  Packet* p = Make(&pool, {});
  ASSERT_EQ(FromVnet(VnetHeader{.flags = kVnetDataValid}, p), VnetVerdict::kOk);
  EXPECT_EQ(p->ol_flags, kTrusted);
  ASSERT_EQ(FromVnet(VnetHeader{}, p), VnetVerdict::kOk);
  EXPECT_EQ(p->ol_flags, 0u);
  EXPECT_EQ(ToVnet(*p).flags, 0);
  pool.Free(p);
}

TEST(FromVnet, RefusesHeadersThatContradictTheFrame) {
  packet::HeapPacketPool pool;
  VnetHeader no_size = Partial(34, 16);
  no_size.gso_type = kVnetGsoTcp4;
  VnetHeader wrong_family = Partial(34, 16);
  wrong_family.gso_type = kVnetGsoTcp6;
  wrong_family.gso_size = 1000;
  VnetHeader no_checksum{.gso_type = kVnetGsoTcp4, .gso_size = 1000};
  const VnetHeader kRows[] = {Partial(34, 150),    Partial(0, 16), Partial(65'000, 16),
                              Partial(34, 65'535), no_size,        wrong_family,
                              no_checksum};
  for (const VnetHeader& header : kRows) {
    Packet* p = Make(&pool, {});
    EXPECT_EQ(FromVnet(header, p), VnetVerdict::kBad) << header.csum_start;
    pool.Free(p);
  }
}

// A protocol we have no flag for: the sum is completed at once (RFC 1071), also over segments.
TEST(FromVnet, CompletesOtherProtocolsInSoftware) {
  packet::HeapPacketPool pool;
  Packet* p = Make(&pool, {.protocol = 47, .payload_bytes = 3});
  uint8_t* l4 = packet::Data(p) + 34;
  l4[0] = 0x12, l4[1] = 0x34, l4[10] = 0x56;
  p->next = pool.Alloc();
  p->next->data_len = 1;
  packet::Data(p->next)[0] = 0x01;
  p->nb_segs = 2;
  ++p->pkt_len;
  ASSERT_EQ(FromVnet(Partial(34, 4), p), VnetVerdict::kOk);
  EXPECT_EQ(p->ol_flags, kTrusted);
  // 0x1234 + 0x5601 = 0x6835; its complement is 0x97ca.
  EXPECT_EQ(l4[4], 0x97);
  EXPECT_EQ(l4[5], 0xca);
  pool.Free(p);
}

// Goal: no header makes us touch bytes outside the frame. Method: random headers and frames (asan).
TEST(FromVnet, SurvivesAnyHeader) {
  packet::HeapPacketPool pool;
  Prng prng(7);
  for (int i = 0; i < 200'000; ++i) {
    Packet* p = pool.Alloc();
    const auto bytes = static_cast<uint16_t>(14 + prng.Below(120));
    uint8_t* data = packet::Append(p, bytes);
    for (int b = 0; b < bytes; ++b) data[b] = static_cast<uint8_t>(prng.Below(256));
    data[12] = prng.Below(2) == 0 ? 0x08 : 0x86;
    data[13] = data[12] == 0x08 ? 0x00 : 0xdd;
    const VnetHeader header{.flags = static_cast<uint8_t>(prng.Below(4)),
                            .gso_type = static_cast<uint8_t>(prng.Below(8)),
                            .hdr_len = static_cast<uint16_t>(prng.Below(65'536)),
                            .gso_size = static_cast<uint16_t>(prng.Below(2000)),
                            .csum_start = static_cast<uint16_t>(prng.Below(160)),
                            .csum_offset = static_cast<uint16_t>(prng.Below(20))};
    if (FromVnet(header, p) == VnetVerdict::kOk) {
      const VnetHeader out = ToVnet(*p);
      ASSERT_LE(out.csum_start + out.csum_offset, bytes);
    }
    pool.Free(p);
  }
}

TEST(ToVnet, ASuperFrameOfOneSegmentIsAnOrdinaryFrame) {
  packet::HeapPacketPool pool;
  Packet* p = Make(&pool, {.payload_bytes = 1000});
  p->l2_len = 14, p->l3_len = 20, p->l4_len = 32, p->tso_segsz = 1000;
  p->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
  EXPECT_EQ(ToVnet(*p).gso_type, kVnetGsoNone);
  p->tso_segsz = 999;
  EXPECT_EQ(ToVnet(*p).gso_type, kVnetGsoTcp4);
  pool.Free(p);
}

}  // namespace
}  // namespace meltemi::nic
