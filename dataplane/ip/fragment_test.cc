// Goal: what is beyond a port's MTU leaves in fragments when it may, each one right by itself and
// all of them together the datagram that came. Method: a small node, fragments read back and
// joined.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

using wire::IpFields;
using wire::Ipv4Header;

const IpAddr kA4 = Addr("10.1.0.11"), kFar4 = Addr("10.2.0.5"), kGateway4 = Addr("10.1.0.1");
const IpAddr kA6 = Addr("fd00:1::11"), kFar6 = Addr("fd00:2::5"), kGateway6 = Addr("fd00:1::1");

const uint8_t* Bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

std::string Pattern(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i * 7 + i / 256);
  return s;
}

IpFields MayBeCut() {
  return {.source = kA4, .destination = kFar4, .id = 77, .dont_fragment = false};
}

// The payload of IPv4 fragments in order; checks what each one says of itself.
std::string Join(const std::vector<std::string>& fragments, uint16_t mtu, uint32_t base = 0,
                 bool more_behind = false) {
  std::string payload;
  for (size_t i = 0; i < fragments.size(); ++i) {
    const std::string& f = fragments[i];
    const auto header = Ipv4Header::Parse(Bytes(f), f.size());
    EXPECT_TRUE(header.has_value());
    if (!header) return "";
    EXPECT_EQ(wire::SumBytes(Bytes(f), header->header_bytes), wire::kSumOfCorrect);
    EXPECT_LE(f.size(), mtu);
    EXPECT_EQ(header->total_bytes, f.size());
    EXPECT_EQ(header->id, 77);
    EXPECT_FALSE(header->dont_fragment);
    EXPECT_EQ(header->fragment_offset, base + payload.size());
    EXPECT_EQ(header->more_fragments, i + 1 < fragments.size() || more_behind);
    EXPECT_EQ(header->ttl, 63);
    EXPECT_EQ(header->source, kA4);
    EXPECT_EQ(header->destination, kFar4);
    payload += f.substr(header->header_bytes);
  }
  return payload;
}

void ExpectClean(TestNode& node) {
  for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  EXPECT_TRUE(node.Balanced());
  EXPECT_EQ(node.pool.outstanding(), 0);
}

TEST(Fragment, CutsWhatIsBeyondTheMtu) {
  // 1400 - 20 = 1380 in a last one, 1376 in the others.
  const struct {
    size_t payload, fragments;
  } rows[] = {{1379, 1}, {1380, 1}, {1381, 2}, {2756, 2}, {2757, 3}, {60'000, 44}, {65'515, 48}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.payload);
    TestNode node({.uplink_mtu = 1400});
    node.Warm();
    const std::string payload = Pattern(row.payload);
    node.Send(kPodA, wire::Ip(MayBeCut(), wire::Raw(wire::kProtoUdp, payload)));
    const auto out = node.TakeIp(kUplink);
    ASSERT_EQ(out.size(), row.fragments) << node.Drops();
    EXPECT_EQ(Join(out, 1400), payload);
    EXPECT_EQ(node.ip.counters().fragmented, row.fragments > 1 ? 1u : 0u);
    EXPECT_EQ(node.ip.counters().fragments_made, row.fragments > 1 ? row.fragments : 0u);
    EXPECT_TRUE(node.TakeIp(kPodA).empty());
    ExpectClean(node);
  }
}

TEST(Fragment, MakesOnlySoMany) {
  const size_t most = limits::kFragmentsMadeMax;
  for (const size_t fragments : {most - 1, most, most + 1}) {
    TestNode node({.uplink_mtu = 576});
    node.Warm();
    const std::string payload = Pattern(fragments * 552);
    node.Send(kPodA, wire::Ip(MayBeCut(), wire::Raw(wire::kProtoUdp, payload)));
    const auto out = node.TakeIp(kUplink);
    const bool fits = fragments <= most;
    EXPECT_EQ(out.size(), fits ? fragments : 0u);
    EXPECT_EQ(Join(out, 576), fits ? payload : "");
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_needs_fragmentation=1");
    ExpectClean(node);
  }
}

TEST(Fragment, CutsFragmentsFurther) {
  for (const bool more : {false, true}) {
    TestNode node({.uplink_mtu = 1400});
    node.Warm();
    IpFields fields = MayBeCut();
    fields.fragment_offset = 2960;
    fields.more_fragments = more;
    const std::string payload = Pattern(1480);
    node.Send(kPodA, wire::Ip(fields, wire::Raw(wire::kProtoUdp, payload)));
    const auto out = node.TakeIp(kUplink);
    ASSERT_EQ(out.size(), 2u) << node.Drops();
    EXPECT_EQ(Join(out, 1400, 2960, more), payload);
    ExpectClean(node);
  }
}

TEST(Fragment, RefusesWhatWouldEndBeyondADatagram) {
  for (const size_t excess : {0u, 1u}) {
    TestNode node({.uplink_mtu = 1400});
    node.Warm();
    IpFields fields = MayBeCut();
    fields.fragment_offset = 64'000;
    node.Send(kPodA, wire::Ip(fields, wire::Raw(wire::kProtoUdp, Pattern(1535 + excess))));
    EXPECT_EQ(node.TakeIp(kUplink).size(), excess == 0 ? 2u : 0u);
    EXPECT_EQ(node.Drops(), excess == 0 ? "" : "drop_fragment_invalid=1");
    ExpectClean(node);
  }
}

TEST(Fragment, RepeatsTheOptionsThatAreOfEveryFragment) {
  TestNode node({.uplink_mtu = 1400});
  node.Warm();
  IpFields fields = MayBeCut();
  const std::string alert("\x94\x04\x00\x00", 4), stamp("\x44\x04\x05\x00", 4);
  fields.options = stamp + alert;
  const std::string payload = Pattern(3000);
  node.Send(kPodA, wire::Ip(fields, wire::Raw(wire::kProtoUdp, payload)));
  const auto out = node.TakeIp(kUplink);
  ASSERT_EQ(out.size(), 3u) << node.Drops();
  EXPECT_EQ(Join(out, 1400), payload);
  EXPECT_EQ(out[0].substr(20, 8), stamp + alert);
  for (const size_t i : {1, 2}) {
    EXPECT_EQ(Bytes(out[i])[0], 0x46) << i;
    EXPECT_EQ(out[i].substr(20, 4), alert) << i;
  }
  ExpectClean(node);
}

TEST(Fragment, CompletesPartialChecksumsFirst) {
  TestNode node({.uplink_mtu = 1400});  // its ports complete checksums, but not of pieces
  node.Warm();
  const std::string whole = wire::Ip(MayBeCut(), wire::Udp({.payload = Pattern(2001)}));
  std::string partial = whole;
  wire::Store16(reinterpret_cast<uint8_t*>(partial.data()) + 26,
                wire::PseudoHeaderSum(kA4, kFar4, wire::kProtoUdp, 2009));
  packet::Packet* p = wire::ToPacket(
      &node.pool,
      wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, partial), 701);
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  node.SendPacket(kPodA, p);
  const auto out = node.TakePackets(kUplink);
  ASSERT_EQ(out.size(), 2u) << node.Drops();
  std::vector<std::string> fragments;
  for (packet::Packet* part : out) {
    EXPECT_EQ(part->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0u);
    fragments.push_back(wire::ToString(part).substr(wire::kEthernetBytes));
    node.pool.Free(part);
  }
  EXPECT_EQ(Join(fragments, 1400), whole.substr(20));
  ExpectClean(node);
}

TEST(Fragment, GivesBackAllPartsWhenMemoryRunsOut) {
  TestNode node({.uplink_mtu = 1400, .segment_count_max = 12});
  node.Warm();
  node.Send(kPodA, wire::Ip(MayBeCut(), wire::Raw(wire::kProtoUdp, Pattern(60'000))));
  EXPECT_EQ(node.Drops(), "drop_no_memory=1");
  EXPECT_TRUE(node.TakeIp(kUplink).empty());
  ExpectClean(node);
}

TEST(Fragment, WaitsForTheNeighbourInOrder) {
  TestNode node({.uplink_mtu = 1400});
  const std::string payload = Pattern(5000);
  node.Send(kPodA, wire::Ip(MayBeCut(), wire::Raw(wire::kProtoUdp, payload)));
  EXPECT_EQ(node.ip.pending_packets(), 4u);
  EXPECT_TRUE(node.Balanced());
  node.Resolve();
  EXPECT_EQ(Join(node.TakeIp(kUplink), 1400), payload);
  ExpectClean(node);
}

TEST(Fragment, LeavesSuperFramesThatDoNotFit) {
  TestNode node({.uplink_mtu = 1400});
  node.Warm();
  packet::Packet* p = wire::ToPacket(
      &node.pool, wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)},
                                 wire::Ip(MayBeCut(), wire::Udp({.payload = Pattern(4000)}))));
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_LRO;
  p->tso_segsz = 1373;  // 20 + 8 + 1373 = 1401
  node.SendPacket(kPodA, p);
  EXPECT_EQ(node.Drops(), "drop_needs_fragmentation=1");
  ExpectClean(node);
}

TEST(Fragment, CutsThePlanesOwnAnswers) {
  // A jumbo frame asks, the answer is as long: 8 + 3000 bytes in pieces of 1480 or 1448.
  const std::string payload = Pattern(3000);
  TestNode node;
  node.Warm();
  node.Send(kPodA, wire::Ip({.source = kA4, .destination = kGateway4},
                            wire::Icmp({.type = wire::kIcmpEchoRequest, .payload = payload})));
  node.Send(kPodA, wire::Ip({.source = kA6, .destination = kGateway6},
                            wire::Icmpv6({.type = wire::kIcmpv6EchoRequest, .payload = payload})));
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 6u) << node.Drops();
  std::string joined;
  for (const size_t i : {0, 1, 2}) {
    const auto header = *Ipv4Header::Parse(Bytes(out[i]), out[i].size());
    EXPECT_EQ(header.fragment_offset, joined.size());
    EXPECT_EQ(header.more_fragments, i < 2);
    joined += out[i].substr(20);
  }
  EXPECT_EQ(joined.substr(8), payload);
  joined.clear();
  for (const size_t i : {3, 4, 5}) {
    const uint8_t* p = Bytes(out[i]);
    EXPECT_LE(out[i].size(), 1500u);
    EXPECT_EQ(wire::Load16(p + 4), out[i].size() - 40);
    EXPECT_EQ(p[6], wire::kProtoFragment);
    EXPECT_EQ(p[40], wire::kProtoIcmpv6);
    EXPECT_EQ(wire::Load16(p + 42), joined.size() | (i < 5 ? 1 : 0));
    EXPECT_EQ(out[i].substr(44, 4), out[3].substr(44, 4));
    joined += out[i].substr(48);
  }
  EXPECT_EQ(joined.substr(8), payload);
  ExpectClean(node);
}

}  // namespace
}  // namespace meltemi::ip
