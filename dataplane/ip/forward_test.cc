// Goal: packets leave by the right port, as they came but for what a router changes, whatever the
// ports can do. Method: a small node, whole packets compared.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

using wire::IpFields;
using wire::Tcp;
using wire::Udp;

struct Family {
  IpAddr a, b, far, gateway, uplink;
  uint16_t ip_bytes;
};
const Family kV4{Addr("10.1.0.11"), Addr("10.1.0.12"),  Addr("10.2.0.5"),
                 Addr("10.1.0.1"),  Addr("172.16.0.1"), 20};
const Family kV6{Addr("fd00:1::11"), Addr("fd00:1::12"), Addr("fd00:2::5"),
                 Addr("fd00:1::1"),  Addr("fd00:f::1"),  40};

std::string UdpPacket(const IpAddr& from, const IpAddr& to, uint8_t ttl, size_t bytes = 100) {
  return wire::Ip({.source = from, .destination = to, .ttl = ttl},
                  Udp({.payload = std::string(bytes, 'u')}));
}

void ExpectClean(TestNode& node) {
  for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  node.FreeSegments();
  EXPECT_TRUE(node.Balanced());
  EXPECT_EQ(node.pool.outstanding(), 0);
}

TEST(Forward, RoutesBetweenPodsAndToTheUplink) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.Warm();
    node.Send(kPodA, UdpPacket(f.a, f.b, 64));
    node.Send(kPodA, UdpPacket(f.a, f.far, 2));
    node.Send(kUplink, UdpPacket(f.far, f.a, 9));
    const auto at_b = node.Take(kPodB), at_uplink = node.Take(kUplink), at_a = node.Take(kPodA);
    ASSERT_EQ(at_b.size(), 1u) << node.Drops();
    EXPECT_EQ(at_b[0], wire::Ethernet({.destination = PeerMac(kPodB), .source = PlaneMac(kPodB)},
                                      UdpPacket(f.a, f.b, 63)));
    ASSERT_EQ(at_uplink.size(), 1u);
    EXPECT_EQ(at_uplink[0].substr(14), UdpPacket(f.a, f.far, 1));
    ASSERT_EQ(at_a.size(), 1u);
    EXPECT_EQ(at_a[0].substr(14), UdpPacket(f.far, f.a, 8));
    EXPECT_EQ(node.ip.counters().forwarded, 3u);
    ExpectClean(node);
  }
}

TEST(Forward, RoutesSegmentsNobodyTerminates) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.Warm();
    const auto packet = [&](uint8_t ttl) {
      return wire::Ip({.source = f.a, .destination = f.far, .ttl = ttl}, Tcp({.payload = "abc"}));
    };
    node.Send(kPodA, packet(64));
    ASSERT_EQ(node.segments.size(), 1u);
    node.ip.Forward(node.segments[0], node.now);
    node.segments.clear();
    EXPECT_EQ(node.TakeIp(kUplink), std::vector<std::string>{packet(63)});
    ExpectClean(node);
  }
}

TEST(Forward, PassesFragmentsOfUdpAsTheyAre) {
  for (const Family& f : {kV4, kV6}) {
    for (const uint16_t offset : {0, 1480}) {
      TestNode node;
      node.Warm();
      const auto packet = [&](uint8_t ttl) {
        return wire::Ip({.source = f.a,
                         .destination = f.far,
                         .ttl = ttl,
                         .dont_fragment = false,
                         .more_fragments = offset == 0,
                         .fragment_offset = offset},
                        wire::Raw(wire::kProtoUdp, std::string(64, 'f')));
      };
      node.Send(kPodA, packet(64));
      EXPECT_EQ(node.TakeIp(kUplink), std::vector<std::string>{packet(63)}) << node.Drops();
      ExpectClean(node);
    }
  }
}

struct ChecksumRow {
  const char* name;
  bool partial, trusted, offload;
  bool requested;  // the port is asked to complete it
};

TEST(Forward, CompletesPartialChecksumsAndLeavesCompleteOnes) {
  const ChecksumRow rows[] = {
      {"partial, port completes", true, true, true, true},
      {"partial, software completes", true, true, false, false},
      {"complete and verified", false, true, true, false},
      {"complete and verified, plain port", false, true, false, false},
      {"unknown", false, false, true, false},
  };
  for (const Family& f : {kV4, kV6}) {
    for (const ChecksumRow& row : rows) {
      SCOPED_TRACE(row.name);
      TestNode node({.offload = row.offload});
      node.Warm();
      const std::string packet = wire::Ip({.source = f.a, .destination = f.far},
                                          Tcp({.payload = "odd", .partial_checksum = row.partial}));
      packet::Packet* p = wire::ToPacket(
          &node.pool,
          wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, packet), 61);
      if (row.trusted) p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
      node.SendPacket(kPodA, p);
      ASSERT_EQ(node.segments.size(), 1u);
      node.ip.Forward(node.segments[0], node.now);
      node.segments.clear();
      const auto out = node.TakePackets(kUplink);
      ASSERT_EQ(out.size(), 1u) << node.Drops();
      const std::string sent = wire::ToString(out[0]).substr(14);
      EXPECT_EQ((out[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM,
                row.requested);
      EXPECT_EQ(wire::ChecksumsCorrect(sent), !row.requested);
      EXPECT_EQ(out[0]->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_LRO), 0u);
      if (row.requested) {
        EXPECT_EQ(out[0]->l2_len, 14);
        EXPECT_EQ(out[0]->l3_len, f.ip_bytes);
        EXPECT_NE(out[0]->ol_flags & (f.a.v4() ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6), 0u);
      }
      node.pool.Free(out[0]);
      ExpectClean(node);
    }
  }
}

TEST(Forward, CompletesPartialUdpChecksumInSoftware) {
  TestNode node({.offload = false});
  node.Warm();
  std::string packet = UdpPacket(kV4.a, kV4.far, 64);
  auto* bytes = reinterpret_cast<uint8_t*>(packet.data());
  wire::Store16(bytes + 26, wire::PseudoHeaderSum(kV4.a, kV4.far, 17, packet.size() - 20));
  packet::Packet* p = wire::ToPacket(
      &node.pool,
      wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, packet));
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  node.SendPacket(kPodA, p);
  EXPECT_EQ(node.TakeIp(kUplink), std::vector<std::string>{UdpPacket(kV4.a, kV4.far, 63)});
  ExpectClean(node);
}

// A super-frame of `payload` bytes in parts of `size`, as a pod port receives it.
packet::Packet* SuperFramePacket(TestNode& node, const Family& f, const std::string& payload,
                                 uint16_t size, uint8_t flags = wire::kTcpAck) {
  const std::string packet = wire::Ip({.source = f.a, .destination = f.far, .id = 500},
                                      Tcp({.sequence = 0xffff'fff0,
                                           .flags = flags,
                                           .options = std::string(12, '\x01'),
                                           .payload = payload,
                                           .partial_checksum = true}));
  packet::Packet* p = wire::ToPacket(
      &node.pool,
      wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, packet), 4097);
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_LRO;
  p->tso_segsz = size;
  return p;
}

void SendAndForward(TestNode& node, packet::Packet* p) {
  node.SendPacket(kPodA, p);
  for (const Segment& s : node.segments) node.ip.Forward(s, node.now);
  node.segments.clear();
}

TEST(Forward, KeepsSuperFramesWholeForPortsThatTakeThem) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.Warm();
    SendAndForward(node, SuperFramePacket(node, f, std::string(30'000, 's'), 1428));
    const auto out = node.TakePackets(kUplink);
    ASSERT_EQ(out.size(), 1u) << node.Drops();
    EXPECT_NE(out[0]->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0u);
    EXPECT_EQ(out[0]->tso_segsz, 1428);
    EXPECT_EQ(out[0]->l2_len, 14);
    EXPECT_EQ(out[0]->l3_len, f.ip_bytes);
    EXPECT_EQ(out[0]->l4_len, 32);
    EXPECT_EQ(out[0]->pkt_len, 14u + f.ip_bytes + 32 + 30'000);
    node.pool.Free(out[0]);
    ExpectClean(node);
  }
}

TEST(Forward, CutsSuperFramesForPlainPorts) {
  for (const Family& f : {kV4, kV6}) {
    for (const size_t bytes : {1429u, 2856u, 2857u, 30'001u}) {
      TestNode node({.offload = false});
      node.Warm();
      std::string payload(bytes, '\0');
      for (size_t i = 0; i < bytes; ++i) payload[i] = static_cast<char>(i * 7);
      const uint8_t flags = wire::kTcpAck | wire::kTcpPsh | wire::kTcpFin | wire::kTcpCwr;
      SendAndForward(node, SuperFramePacket(node, f, payload, 1428, flags));
      const auto out = node.TakeIp(kUplink);
      ASSERT_EQ(out.size(), (bytes + 1427) / 1428) << node.Drops();
      std::string joined;
      for (size_t i = 0; i < out.size(); ++i) {
        EXPECT_TRUE(wire::ChecksumsCorrect(out[i])) << i;
        const auto* p = reinterpret_cast<const uint8_t*>(out[i].data());
        const auto tcp = *wire::TcpHeader::Parse(p + f.ip_bytes, out[i].size() - f.ip_bytes);
        EXPECT_EQ(tcp.sequence, static_cast<uint32_t>(0xffff'fff0 + i * 1428));
        EXPECT_EQ(tcp.header_bytes, 32);
        const bool last = i + 1 == out.size();
        EXPECT_EQ(tcp.flags, wire::kTcpAck | (last ? wire::kTcpPsh | wire::kTcpFin : 0) |
                                 (i == 0 ? wire::kTcpCwr : 0));
        if (f.a.v4()) {
          EXPECT_EQ(wire::Load16(p + 4), 500 + i);
        }
        joined += out[i].substr(f.ip_bytes + 32);
      }
      EXPECT_EQ(joined, payload);
      EXPECT_EQ(node.ip.counters().super_frames_cut, 1u);
      ExpectClean(node);
    }
  }
}

TEST(Forward, CutsSuperFramesOfSegmentsThatAPortRefuses) {
  for (const uint16_t segment : {255, 256, 257}) {
    TestNode node({.segment_bytes_min = 256});
    node.Warm();
    SendAndForward(node, SuperFramePacket(node, kV4, std::string(2000, 's'), segment));
    const bool cut = segment < 256;
    EXPECT_EQ(node.TakeIp(kUplink).size(), cut ? 8u : 1u) << node.Drops();
    EXPECT_EQ(node.ip.counters().super_frames_cut, cut ? 1u : 0u);
    ExpectClean(node);
  }
}

TEST(Forward, CutsUdpSuperFrames) {
  TestNode node;
  node.Warm();
  const std::string packet =
      wire::Ip({.source = kV6.a, .destination = kV6.far}, Udp({.payload = std::string(2500, 'q')}));
  packet::Packet* p = wire::ToPacket(
      &node.pool,
      wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, packet));
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_LRO;
  p->tso_segsz = 1200;
  node.SendPacket(kPodA, p);
  const auto out = node.TakePackets(kUplink);
  ASSERT_EQ(out.size(), 3u) << node.Drops();
  for (packet::Packet* part : out) {
    EXPECT_EQ(part->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
    EXPECT_EQ(wire::Load16(packet::Data(part) + 14 + 40 + 4), part->pkt_len - 54);
    node.pool.Free(part);
  }
  ExpectClean(node);
}

TEST(Forward, RefusesSuperFramesThatCannotBeCut) {
  const size_t most = limits::kSuperFrameSegmentsMax;
  for (const size_t parts : {most - 1, most, most + 1}) {
    TestNode node({.offload = false});
    node.Warm();
    SendAndForward(node, SuperFramePacket(node, kV4, std::string(parts * 8, 's'), 8));
    const bool fits = parts <= most;
    EXPECT_EQ(node.TakeIp(kUplink).size(), fits ? parts : 0);
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_super_frame=1");
    ExpectClean(node);
  }
}

TEST(Forward, GivesBackAllPartsWhenMemoryRunsOut) {
  TestNode node({.offload = false, .segment_count_max = 20});
  node.Warm();
  SendAndForward(node, SuperFramePacket(node, kV4, std::string(60'000, 's'), 1448));
  EXPECT_EQ(node.Drops(), "drop_no_memory=1");
  EXPECT_TRUE(node.Take(kUplink).empty());
  ExpectClean(node);
}

TEST(Forward, KeepsToTheMtu) {
  for (const Family& f : {kV4, kV6}) {
    for (const int excess : {-1, 0, 1}) {
      TestNode node({.uplink_mtu = 1400});
      node.Warm();
      node.Send(kPodA, UdpPacket(f.a, f.far, 64, 1400 - f.ip_bytes - 8 + excess));
      EXPECT_EQ(node.TakeIp(kUplink).size(), excess <= 0 ? 1u : 0u);
      EXPECT_EQ(node.Drops(), excess <= 0 ? "" : "drop_too_big=1");
      const auto answers = node.TakeIp(kPodA);
      ASSERT_EQ(answers.size(), excess <= 0 ? 0u : 1u);
      if (excess > 0) {
        EXPECT_TRUE(wire::ChecksumsCorrect(answers[0]));
        const auto icmp = *wire::IcmpHeader::Parse(
            reinterpret_cast<const uint8_t*>(answers[0].data()) + f.ip_bytes, 8);
        EXPECT_EQ(icmp.type, f.a.v4() ? wire::kIcmpUnreachable + 0 : wire::kIcmpv6PacketTooBig + 0);
        EXPECT_EQ(icmp.code, f.a.v4() ? wire::kIcmpFragmentationNeeded + 0 : 0);
        EXPECT_EQ(icmp.rest, 1400u);
      }
      ExpectClean(node);
    }
  }
}

TEST(Forward, JudgesSuperFramesByTheirParts) {
  for (const uint16_t size : {1348, 1349}) {  // 20 + 32 + 1348 = 1400
    TestNode node({.uplink_mtu = 1400});
    node.Warm();
    SendAndForward(node, SuperFramePacket(node, kV4, std::string(20'000, 's'), size));
    EXPECT_EQ(node.Drops(), size == 1348 ? "" : "drop_too_big=1");
    ExpectClean(node);
  }
}

TEST(Forward, DropsWhenThePortsQueueIsFull) {
  TestNode node;
  node.Warm();
  for (size_t i = 0; i < limits::kPortTxQueuePackets + 1; ++i) {
    node.Send(kPodA, UdpPacket(kV4.a, kV4.b, 64, 1));
  }
  EXPECT_EQ(node.Drops(), "drop_tx_queue_full=1");
  ExpectClean(node);
}

// A TCP packet as dataplane/tcp makes it.
packet::Packet* TcpOut(TestNode& node, const IpAddr& from, const IpAddr& to, size_t bytes,
                       uint16_t segment_size = 0) {
  wire::IpFields fields{.source = from, .destination = to};
  packet::Packet* p = wire::ToPacket(
      &node.pool,
      Tcp({.sequence = 77, .payload = std::string(bytes, 't'), .partial_checksum = true})
          .bytes(fields));
  p->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  if (segment_size != 0) {
    p->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    p->tso_segsz = segment_size;
    p->l4_len = 20;
  }
  return p;
}

TEST(SendTcp, MakesWholePackets) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node({.offload = false});
    node.Warm();
    node.ip.SendTcp(TcpOut(node, f.gateway, f.a, 3), f.gateway, f.a, 2, node.now);
    node.ip.SendTcp(TcpOut(node, f.uplink, f.far, 3), f.uplink, f.far, 0, node.now);
    const auto at_a = node.Take(kPodA);
    ASSERT_EQ(at_a.size(), 1u) << node.Drops();
    const auto ethernet = *wire::EthernetHeader::Parse(
        reinterpret_cast<const uint8_t*>(at_a[0].data()), at_a[0].size());
    EXPECT_EQ(ethernet.destination, PeerMac(kPodA));
    EXPECT_EQ(ethernet.source, PlaneMac(kPodA));
    const std::string ip = at_a[0].substr(14);
    EXPECT_TRUE(wire::ChecksumsCorrect(ip));
    const auto* p = reinterpret_cast<const uint8_t*>(ip.data());
    if (f.a.v4()) {
      const auto h = *wire::Ipv4Header::Parse(p, ip.size());
      EXPECT_TRUE(h.dont_fragment);
      EXPECT_EQ(h.ecn, 2);
      EXPECT_EQ(h.ttl, 64);
      EXPECT_EQ(h.source, f.gateway);
    } else {
      const auto h = *wire::Ipv6Header::Parse(p, ip.size());
      EXPECT_EQ(h.ecn, 2);
      EXPECT_NE(h.flow_label, 0u);
      EXPECT_EQ(h.source, f.gateway);
    }
    const auto at_uplink = node.TakeIp(kUplink);
    ASSERT_EQ(at_uplink.size(), 1u);
    EXPECT_TRUE(wire::ChecksumsCorrect(at_uplink[0]));
    ExpectClean(node);
  }
}

TEST(SendTcp, AnswersAsAServiceAddress) {
  TestNode node({.offload = false});
  node.Warm();
  const IpAddr service = Addr("10.96.0.10");
  node.ip.SendTcp(TcpOut(node, service, kV4.a, 3), service, kV4.a, 0, node.now);
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
  ExpectClean(node);
}

TEST(SendTcp, HandsSuperFramesToPortsOrCutsThem) {
  for (const bool offload : {false, true}) {
    TestNode node({.offload = offload});
    node.Warm();
    node.ip.SendTcp(TcpOut(node, kV4.uplink, kV4.far, 14'600, 1460), kV4.uplink, kV4.far, 0,
                    node.now);
    const auto out = node.TakePackets(kUplink);
    ASSERT_EQ(out.size(), offload ? 1u : 10u) << node.Drops();
    for (packet::Packet* p : out) {
      EXPECT_EQ((p->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, offload);
      if (!offload) {
        EXPECT_TRUE(wire::ChecksumsCorrect(wire::ToString(p).substr(14)));
      }
      node.pool.Free(p);
    }
    ExpectClean(node);
  }
}

TEST(SendTcp, TellsTcpWhenThePacketIsBeyondTheMtu) {
  TestNode node({.uplink_mtu = 1400});
  node.Warm();
  node.ip.SendTcp(TcpOut(node, kV4.uplink, kV4.far, 1361), kV4.uplink, kV4.far, 0, node.now);
  EXPECT_EQ(node.Drops(), "drop_too_big=1");
  ASSERT_EQ(node.ip.icmp_errors().size(), 1u);
  const IcmpError& e = node.ip.icmp_errors()[0];
  EXPECT_EQ(e.kind, IcmpError::Kind::kTooBig);
  EXPECT_EQ(e.mtu, 1400u);
  EXPECT_EQ(e.local, (SockAddr{kV4.uplink, 1000}));
  EXPECT_EQ(e.remote, (SockAddr{kV4.far, 80}));
  EXPECT_EQ(e.sequence, 77u);
  ExpectClean(node);
}

TEST(Lookup, NamesPortAndSource) {
  TestNode node;
  struct Row {
    const char* destination;
    PortId port;  // kNoPort: nothing
    const char* source;
  };
  const Row rows[] = {
      {"10.1.0.11", kPodA, "10.1.0.1"},    {"10.1.0.12", kPodB, "10.1.0.1"},
      {"10.2.0.9", kUplink, "172.16.0.1"}, {"172.16.0.9", kUplink, "172.16.0.1"},
      {"fd00:1::12", kPodB, "fd00:1::1"},  {"fd00:2::9", kUplink, "fd00:f::1"},
      {"10.1.0.99", kNoPort, ""},          {"8.8.8.8", kNoPort, ""},
      {"10.1.0.1", kNoPort, ""},
  };
  for (const Row& row : rows) {
    const auto egress = node.ip.Lookup(Addr(row.destination));
    ASSERT_EQ(egress.has_value(), row.port != kNoPort) << row.destination;
    if (!egress) continue;
    EXPECT_EQ(egress->port, row.port) << row.destination;
    EXPECT_EQ(egress->source, Addr(row.source)) << row.destination;
    EXPECT_EQ(egress->super_frame_bytes_max, 65'535u);
  }
}

TEST(Routes, LongestPrefixWinsAndPortsTakeTheirRoutesAway) {
  TestNode node;
  node.ip.SetRoutes(
      {{.prefix = *IpPrefix::Parse("0.0.0.0/0"), .port = kUplink, .via = Addr("172.16.0.9")},
       {.prefix = *IpPrefix::Parse("20.0.0.0/8"), .port = kPodA, .via = {}},
       {.prefix = *IpPrefix::Parse("20.1.0.0/16"), .port = kPodB, .via = {}},
       {.prefix = *IpPrefix::Parse("20.1.1.1/32"), .port = kUplink, .via = {}}});
  EXPECT_EQ(node.ip.Lookup(Addr("8.8.8.8"))->port, kUplink);
  EXPECT_EQ(node.ip.Lookup(Addr("20.9.9.9"))->port, kPodA);
  EXPECT_EQ(node.ip.Lookup(Addr("20.1.9.9"))->port, kPodB);
  EXPECT_EQ(node.ip.Lookup(Addr("20.1.1.1"))->port, kUplink);
  node.ip.RemovePort(kPodB);
  EXPECT_EQ(node.ip.Lookup(Addr("20.1.9.9"))->port, kPodA);
  EXPECT_FALSE(node.ip.Lookup(Addr("10.1.0.12")).has_value());
  node.ip.AddPort(kPodB, node.PortOptionsOf(kPodB));
  EXPECT_EQ(node.ip.Lookup(Addr("20.1.9.9"))->port, kPodB);
}

}  // namespace
}  // namespace meltemi::ip
