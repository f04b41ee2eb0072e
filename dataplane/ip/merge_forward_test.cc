// Merged TCP that nobody here terminates: a super-frame for ports that take one, else the very
// packets that came.
#include <algorithm>
#include <string>
#include <vector>

#include "dataplane/ip/merge.h"
#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"
#include "gtest/gtest.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

// Segment `index` of a row, from afar to pod A.
std::string Packet(bool v4, uint32_t index, uint32_t bytes, uint8_t flags = wire::kTcpAck,
                   uint8_t ttl = 64) {
  std::string text(bytes, static_cast<char>('a' + index % 26));
  return wire::Ip({.source = Addr(v4 ? "10.2.0.5" : "fd00:2::5"),
                   .destination = Addr(v4 ? "10.1.0.11" : "fd00:1::11"),
                   .ttl = ttl,
                   .id = static_cast<uint16_t>(index)},
                  wire::Tcp({.sequence = index * 1000, .flags = flags, .payload = text}));
}

void MergeAndForward(TestNode* node) {
  Merge(&node->segments);
  std::vector<Segment> segments;
  segments.swap(node->segments);
  for (const Segment& s : segments) node->ip.Forward(s, node->now);
}

void ExpectClean(TestNode* node) {
  EXPECT_TRUE(node->Balanced());
  EXPECT_EQ(node->pool.outstanding(), 0);
}

TEST(MergeForward, HandsOverASuperFrame) {
  for (const bool v4 : {true, false}) {
    TestNode node;
    node.Warm();
    for (uint32_t i = 0; i < 4; ++i) {
      node.Send(kUplink, Packet(v4, i, i < 3 ? 1000 : 10, i < 3 ? 0x10 : 0x18));
    }
    MergeAndForward(&node);
    const auto out = node.TakePackets(kPodA);
    ASSERT_EQ(out.size(), 1u) << node.Drops();
    packet::Packet* p = out[0];
    const uint16_t l3 = v4 ? 20 : 40;
    EXPECT_EQ(p->ol_flags & RTE_MBUF_F_TX_TCP_SEG, RTE_MBUF_F_TX_TCP_SEG);
    EXPECT_EQ(p->tso_segsz, 1000);
    EXPECT_EQ(p->l3_len, l3);
    EXPECT_EQ(p->l4_len, 20);
    const std::string bytes = wire::ToString(p).substr(14);
    const auto* ip = reinterpret_cast<const uint8_t*>(bytes.data());
    EXPECT_EQ(wire::Load16(ip + (v4 ? 2 : 4)), 20 + 3010 + (v4 ? 20 : 0));
    if (v4) EXPECT_EQ(wire::SumBytes(ip, 20), wire::kSumOfCorrect);
    EXPECT_EQ(ip[l3 + 13], wire::kTcpAck | wire::kTcpPsh);
    EXPECT_EQ(bytes.substr(l3 + 20), std::string(1000, 'a') + std::string(1000, 'b') +
                                         std::string(1000, 'c') + std::string(10, 'd'));
    node.pool.Free(p);
    ExpectClean(&node);
  }
}

// Bytes, ids, flags and checksums of every packet, one hop further.
TEST(MergeForward, GivesPlainPortsThePacketsThatCame) {
  for (const bool v4 : {true, false}) {
    TestNode node({.offload = false});
    node.Warm();
    std::vector<std::string> expected;
    for (uint32_t i = 0; i < 5; ++i) {
      const uint32_t bytes = i < 4 ? 1000 : 10;
      const uint8_t flags = i < 4 ? 0x10 : 0x19;
      node.Send(kUplink, Packet(v4, i, bytes, flags));
      expected.push_back(Packet(v4, i, bytes, flags, 63));
    }
    MergeAndForward(&node);
    EXPECT_EQ(node.TakeIp(kPodA), expected) << node.Drops();
    ExpectClean(&node);
  }
}

TEST(MergeForward, GivesPortsThatRefuseSmallSegmentsThePacketsThatCame) {
  for (const uint16_t min : {999, 1000, 1001}) {
    TestNode node({.segment_bytes_min = min});
    node.Warm();
    for (uint32_t i = 0; i < 4; ++i) node.Send(kUplink, Packet(true, i, 1000));
    MergeAndForward(&node);
    EXPECT_EQ(node.TakeIp(kPodA).size(), min <= 1000 ? 1u : 4u) << node.Drops();
    EXPECT_EQ(node.ip.counters().super_frames_cut, 0u);
    ExpectClean(&node);
  }
}

TEST(MergeForward, FreesWhatHasNoRoute) {
  TestNode node;
  node.Warm();
  node.ip.SetRoutes({});
  for (uint32_t i = 0; i < 3; ++i) node.Send(kUplink, Packet(true, i, 1000));
  Merge(&node.segments);
  ASSERT_EQ(node.segments.size(), 1u);
  node.segments[0].destination.ip = Addr("192.0.2.1");
  node.ip.Forward(node.segments[0], node.now);
  node.segments.clear();
  for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  EXPECT_EQ(node.pool.outstanding(), 0);
}

// Rows of packets in pieces, drawn: whatever was merged comes apart as it came.
TEST(MergeForward, TakesApartWhatItMerged) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    TestNode node;
    node.Warm();
    std::vector<std::string> sent;
    uint32_t sequence = 0;
    for (int i = 0; i < 20; ++i) {
      const auto bytes = static_cast<uint32_t>(prng.Below(4) == 0 ? prng.Below(1400) : 700);
      const uint8_t flags = wire::kTcpAck | (prng.Below(8) == 0 ? wire::kTcpPsh : 0);
      std::string text(bytes, static_cast<char>('a' + i));
      const std::string packet =
          wire::Ip({.source = Addr("10.2.0.5"), .destination = Addr("10.1.0.11")},
                   wire::Tcp({.sequence = sequence, .flags = flags, .payload = std::move(text)}));
      sequence += bytes;
      sent.push_back(packet.substr(20));
      const std::string frame =
          wire::Ethernet({.destination = PlaneMac(kUplink), .source = PeerMac(kUplink)}, packet);
      const auto piece_bytes = static_cast<uint32_t>(100 + prng.Below(2000));
      node.SendPacket(kUplink, wire::ToPacket(&node.pool, frame, piece_bytes));
    }
    Merge(&node.segments);
    std::vector<Segment> apart;
    for (const Segment& s : node.segments) {
      if (s.parts > 1) {
        Unmerge(s, &apart);
      } else {
        apart.push_back(s);
      }
    }
    node.segments.swap(apart);
    std::vector<std::string> came;
    for (const Segment& s : node.segments) {
      came.push_back(wire::ToString(s.packet));
      EXPECT_EQ(s.packet->pkt_len, came.back().size());
    }
    ASSERT_EQ(came, sent) << "seed " << seed;
    node.FreeSegments();
    ExpectClean(&node);
  }
}

}  // namespace
}  // namespace meltemi::ip
