// Goal: a routed SYN says no more than the ports on its way carry, its checksum stays what it was,
// right or wrong; everything else passes as it came. Method: a small node with an uplink of 1400
// bytes, whole packets compared.
#include <gtest/gtest.h>

#include <string>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kMtu = 1400;

struct Family {
  IpAddr pod, far;
  uint16_t ip_bytes;
};
const Family kV4{Addr("10.1.0.11"), Addr("10.2.0.5"), 20};
const Family kV6{Addr("fd00:1::11"), Addr("fd00:2::5"), 40};

std::string Mss(uint16_t value) {
  return {2, 4, static_cast<char>(value >> 8), static_cast<char>(value)};
}

struct Shape {
  uint8_t flags = wire::kTcpSyn;
  uint8_t ttl = 64;
  std::string options;
  bool partial = false;
  std::string payload;
};

std::string Packet(const IpAddr& from, const IpAddr& to, const Shape& s) {
  return wire::Ip({.source = from, .destination = to, .ttl = s.ttl},
                  wire::Tcp({.flags = s.flags,
                             .options = s.options,
                             .payload = s.payload,
                             .partial_checksum = s.partial}));
}

std::string Forwarded(TestNode* node, PortId in, PortId out, const std::string& packet,
                      bool trusted = false) {
  packet::Packet* p = wire::ToPacket(
      &node->pool, wire::Ethernet({.destination = PlaneMac(in), .source = PeerMac(in)}, packet));
  if (trusted) p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  node->SendPacket(in, p);
  for (const Segment& s : node->segments) node->ip.Forward(s, node->now);
  node->segments.clear();
  const std::vector<std::string> sent = node->TakeIp(out);
  EXPECT_EQ(sent.size(), 1u) << node->Drops();
  return sent.empty() ? "" : sent[0];
}

TEST(ClampMss, SynAndSynAckSayNoMoreThanTheEgressMtuCarries) {
  for (const Family& f : {kV4, kV6}) {
    const auto most = static_cast<uint16_t>(kMtu - f.ip_bytes - 20);
    for (const uint8_t flags : {uint8_t{wire::kTcpSyn}, uint8_t{wire::kTcpSyn | wire::kTcpAck}}) {
      for (const int more : {-1, 0, 1, 100}) {
        TestNode node({.offload = false, .uplink_mtu = kMtu});
        node.Warm();
        const auto said = static_cast<uint16_t>(most + more);
        const std::string out = Forwarded(
            &node, kPodA, kUplink, Packet(f.pod, f.far, {.flags = flags, .options = Mss(said)}));
        const uint16_t left = std::min(said, most);
        EXPECT_EQ(out, Packet(f.pod, f.far, {.flags = flags, .ttl = 63, .options = Mss(left)}));
        EXPECT_TRUE(wire::ChecksumsCorrect(out));
        EXPECT_EQ(node.ip.counters().mss_clamped, more > 0 ? 1u : 0u);
      }
    }
  }
}

// The other way the small MTU is that of the port it came from: answers leave by that one.
TEST(ClampMss, TheMtuOfTheWayBackCountsToo) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node({.offload = false, .uplink_mtu = kMtu});
    node.Warm();
    const std::string out =
        Forwarded(&node, kUplink, kPodA, Packet(f.far, f.pod, {.options = Mss(1460)}));
    const auto most = static_cast<uint16_t>(kMtu - f.ip_bytes - 20);
    EXPECT_EQ(out, Packet(f.far, f.pod, {.ttl = 63, .options = Mss(most)}));
  }
}

TEST(ClampMss, AnywhereAmongTheOptionsAtOddPlacesToo) {
  const std::string rest = std::string("\x01\x03\x03\x07", 4);
  const std::string before[] = {"", "\x01", "\x01\x01", std::string("\x04\x02\x01", 3),
                                std::string("\x08\x0a", 2) + std::string(8, 't')};
  for (const std::string& options : before) {
    for (const std::string& payload : {std::string(), std::string("early")}) {
      TestNode node({.offload = false, .uplink_mtu = kMtu});
      node.Warm();
      const auto with = [&](uint16_t mss, uint8_t ttl) {
        return Packet(kV4.pod, kV4.far,
                      {.ttl = ttl, .options = options + Mss(mss) + rest, .payload = payload});
      };
      EXPECT_EQ(Forwarded(&node, kPodA, kUplink, with(8960, 64)), with(1360, 63));
    }
  }
}

TEST(ClampMss, APartialChecksumStaysPartial) {
  for (const Family& f : {kV4, kV6}) {
    for (const bool offload : {true, false}) {
      TestNode node({.offload = offload, .uplink_mtu = kMtu});
      node.Warm();
      const auto most = static_cast<uint16_t>(kMtu - f.ip_bytes - 20);
      const Shape in{.options = Mss(1460), .partial = true};
      const Shape out{.ttl = 63, .options = Mss(most), .partial = offload};
      EXPECT_EQ(Forwarded(&node, kPodA, kUplink, Packet(f.pod, f.far, in), true),
                Packet(f.pod, f.far, out));
    }
  }
}

TEST(ClampMss, AWrongChecksumStaysWrong) {
  TestNode node({.offload = false, .uplink_mtu = kMtu});
  node.Warm();
  std::string in = Packet(kV4.pod, kV4.far, {.options = Mss(1460)});
  in[20 + 16] = static_cast<char>(in[20 + 16] ^ 0x55);
  EXPECT_FALSE(wire::ChecksumsCorrect(Forwarded(&node, kPodA, kUplink, in)));
  EXPECT_EQ(node.ip.counters().mss_clamped, 1u);
}

TEST(ClampMss, WhatIsMalformedOrNoSynPassesAsItCame) {
  const struct {
    const char* name;
    Shape shape;
  } kRows[] = {
      {"no options", {}},
      {"no SYN", {.flags = wire::kTcpAck, .options = Mss(9000)}},
      {"length 0 before it", {.options = std::string("\x03\x00", 2) + Mss(9000)}},
      {"length 1 before it", {.options = std::string("\x03\x01", 2) + Mss(9000)}},
      {"an option beyond the header", {.options = std::string("\x02\x05\x23\x28", 4)}},
      {"of a wrong length", {.options = std::string("\x02\x03\x23\x28", 4)}},
      {"after the end of options", {.options = std::string("\x00\x00\x00\x00", 4) + Mss(9000)}},
      {"cut off by the header's end", {.options = std::string("\x01\x01\x01\x02", 4)}},
  };
  for (const auto& row : kRows) {
    TestNode node({.offload = false, .uplink_mtu = kMtu});
    node.Warm();
    Shape out = row.shape;
    out.ttl = 63;
    EXPECT_EQ(Forwarded(&node, kPodA, kUplink, Packet(kV4.pod, kV4.far, row.shape)),
              Packet(kV4.pod, kV4.far, out))
        << row.name;
    EXPECT_EQ(node.ip.counters().mss_clamped, 0u) << row.name;
  }
}

}  // namespace
}  // namespace meltemi::ip
