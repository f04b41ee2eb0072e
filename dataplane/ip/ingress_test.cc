// Goal: every reason to drop a packet is found and counted under its name, and no packet is lost
// track of. Method: one packet with one fault per row, the whole set of drop counters compared.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/node.h"

namespace meltemi::ip {
namespace {

using wire::Icmp;
using wire::Icmpv6;
using wire::IpFields;
using wire::Tcp;
using wire::Udp;

const IpAddr kA4 = Addr("10.1.0.11"), kB4 = Addr("10.1.0.12"), kGateway4 = Addr("10.1.0.1");
const IpAddr kA6 = Addr("fd00:1::11"), kB6 = Addr("fd00:1::12"), kGateway6 = Addr("fd00:1::1");
const IpAddr kFar4 = Addr("10.2.0.5"), kFar6 = Addr("fd00:2::5");

struct DropRow {
  const char* drops;  // expected
  const char* name;
  PortId port;
  std::string frame;
};

std::string FromA(std::string_view packet) {
  return wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, packet);
}
std::string FromUplink(std::string_view packet) {
  return wire::Ethernet({.destination = PlaneMac(kUplink), .source = PeerMac(kUplink)}, packet);
}
std::string Udp4(IpFields fields) {
  if (fields.source.unspecified() && !fields.source.v4()) fields.source = kA4;
  if (fields.destination.unspecified() && !fields.destination.v4()) fields.destination = kFar4;
  return wire::Ip(fields, Udp({.payload = "data"}));
}
std::string Udp6(IpFields fields) {
  if (fields.destination.unspecified()) fields.destination = kFar6;
  return wire::Ip(fields, Udp({.payload = "data"}));
}
// The byte at `offset` of the frame changed.
std::string With(std::string frame, size_t offset, uint8_t value) {
  frame[offset] = static_cast<char>(value);
  return frame;
}
std::string Arp(uint16_t operation, const char* sender, const char* target) {
  return wire::Arp({operation, PeerMac(kPodA), Addr(sender), {}, Addr(target)});
}

void ExpectDrops(const std::vector<DropRow>& rows) {
  for (const DropRow& row : rows) {
    SCOPED_TRACE(row.name);
    TestNode node;
    node.Warm();
    node.SendFrame(row.port, row.frame);
    EXPECT_EQ(node.Drops(), row.drops);
    EXPECT_TRUE(node.segments.empty());
    EXPECT_TRUE(node.Balanced());
    for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
}

TEST(Ingress, DropsBadLinkFrames) {
  const std::string good = Udp4({});
  ExpectDrops({
      {"drop_link_truncated=1", "13 bytes", kPodA, FromA(good).substr(0, 13)},
      {"drop_link_truncated=1", "nothing", kPodA, ""},
      {"drop_link_address=1", "another's MAC", kPodA,
       wire::Ethernet({.destination = {2, 9, 9, 9, 9, 9}, .source = PeerMac(kPodA)}, good)},
      {"drop_link_address=1", "group source", kPodA,
       wire::Ethernet({.destination = PlaneMac(kPodA), .source = {1, 0, 0, 0, 0, 1}}, good)},
      {"drop_vlan=1", "802.1Q", kPodA, With(With(FromA(good), 12, 0x81), 13, 0x00)},
      {"drop_vlan=1", "802.1ad", kPodA, With(With(FromA(good), 12, 0x88), 13, 0xa8)},
      {"drop_ether_type=1", "LLDP", kPodA, With(With(FromA(good), 12, 0x88), 13, 0xcc)},
      {"drop_port_gone=1", "no such port", 77, FromA(good)},
  });
}

TEST(Ingress, DropsBadIpv4) {
  const auto v4 = [](IpFields f) { return FromA(Udp4(std::move(f))); };
  ExpectDrops({
      {"drop_ip_truncated=1", "19 bytes", kPodA, v4({}).substr(0, 14 + 19)},
      {"drop_ip_version=1", "version 6 in 0x0800", kPodA, With(v4({}), 14, 0x65)},
      {"drop_ip_header_length=1", "header of 16", kPodA, With(v4({}), 14, 0x44)},
      {"drop_ip_header_length=1", "header beyond the end", kPodA, With(v4({}), 14, 0x4f)},
      {"drop_ip_length=1", "length beyond the end", kPodA, v4({.length_change = 1})},
      {"drop_ip_length=1", "length below the header's", kPodA, v4({.length_change = -13})},
      {"drop_ip_checksum=1", "checksum", kPodA, v4({.bad_checksum = true})},
      {"drop_source_route=1", "loose source route", kPodA,
       v4({.options = std::string("\x83\x03\x04\x00", 4)})},
      {"drop_source_route=1", "strict, after a nop", kPodA,
       v4({.options = std::string("\x01\x89\x03\x04", 4)})},
      {"drop_martian_source=1", "0.0.0.0", kPodA, v4({.source = Addr("0.0.0.0")})},
      {"drop_martian_source=1", "127.0.0.1", kPodA, v4({.source = Addr("127.0.0.1")})},
      {"drop_martian_source=1", "multicast source", kPodA, v4({.source = Addr("224.0.0.1")})},
      {"drop_martian_source=1", "class E", kUplink,
       FromUplink(Udp4({.source = Addr("240.0.0.1"), .destination = kA4}))},
      {"drop_martian_destination=1", "to 127.0.0.1", kPodA, v4({.destination = Addr("127.0.0.1")})},
      {"drop_martian_destination=1", "to 0.0.0.0", kPodA, v4({.destination = Addr("0.0.0.0")})},
      {"drop_martian_destination=1", "to class E", kPodA, v4({.destination = Addr("250.0.0.1")})},
      {"drop_broadcast=1", "limited broadcast", kPodA,
       v4({.destination = Addr("255.255.255.255")})},
      {"drop_broadcast=1", "subnet broadcast", kPodA, v4({.destination = Addr("10.1.0.255")})},
      {"drop_multicast=1", "multicast", kPodA, v4({.destination = Addr("224.0.0.251")})},
      {"drop_link_broadcast=1", "unicast in a broadcast frame", kPodA,
       wire::Ethernet({.destination = wire::kBroadcastMac, .source = PeerMac(kPodA)}, Udp4({}))},
      {"drop_link_local=1", "to 169.254.0.1", kPodA, v4({.destination = Addr("169.254.0.1")})},
      {"drop_fragment_tcp=1", "TCP fragment", kPodA,
       FromA(wire::Ip({.source = kA4, .destination = kFar4, .more_fragments = true}, Tcp({})))},
      {"drop_fragment_tcp=1", "last TCP fragment", kPodA,
       FromA(wire::Ip({.source = kA4, .destination = kFar4, .fragment_offset = 8}, Tcp({})))},
      {"drop_fragment_local=1", "fragment of ESP for the plane", kPodA,
       FromA(wire::Ip({.source = kA4, .destination = kGateway4, .more_fragments = true},
                      wire::Raw(wire::kProtoEsp, "12345678")))},
      {"drop_protocol=1", "UDP for the plane", kPodA, v4({.destination = kGateway4})},
      {"drop_hop_limit=1", "TTL 1", kPodA, v4({.ttl = 1})},
      {"drop_hop_limit=1", "TTL 0", kPodA, v4({.ttl = 0})},
      {"drop_no_route=1", "no route", kPodA, v4({.destination = Addr("8.8.8.8")})},
      {"drop_host_unreachable=1", "no such pod", kPodA, v4({.destination = Addr("10.1.0.77")})},
  });
}

TEST(Ingress, DropsBadIpv6) {
  const auto v6 = [](IpFields f) {
    if (f.source.unspecified()) f.source = kA6;
    return FromA(Udp6(std::move(f)));
  };
  const auto extension = [](uint8_t first, std::string bytes) {
    return FromA(wire::Ip(
        {.source = kA6, .destination = kGateway6, .options = bytes, .first_extension = first},
        Udp({})));
  };
  std::string short_extension =
      extension(wire::kProtoHopByHop, std::string("\x11\x09\0\0\0\0\0\0", 8));
  ExpectDrops({
      {"drop_ip_truncated=1", "39 bytes", kPodA, v6({}).substr(0, 14 + 39)},
      {"drop_ip_version=1", "version 4 in 0x86dd", kPodA, With(v6({}), 14, 0x45)},
      {"drop_ip_length=1", "length beyond the end", kPodA, v6({.length_change = 1})},
      {"drop_martian_source=1", "::1", kPodA, v6({.source = Addr("::1")})},
      {"drop_martian_source=1", "multicast source", kPodA, v6({.source = Addr("ff02::5")})},
      {"drop_martian_source=1", ":: to a unicast address", kPodA,
       FromA(Udp6({.source = Addr("::"), .destination = kFar6}))},
      // IPv4-mapped addresses, made of correct ones after the fact.
      {"drop_martian_source=1", "mapped source", kPodA,
       [&] {
         std::string f = v6({});
         return f.replace(14 + 8, 16,
                          std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x00\x0b", 16));
       }()},
      {"drop_martian_destination=1", "mapped destination", kPodA,
       [&] {
         std::string f = v6({});
         return f.replace(14 + 24, 16,
                          std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x02\x00\x05", 16));
       }()},
      {"drop_martian_destination=1", "to ::1", kPodA, v6({.destination = Addr("::1")})},
      {"drop_multicast=1", "mDNS", kPodA, v6({.destination = Addr("ff02::fb")})},
      {"drop_link_local=1", "another's link-local", kPodA, v6({.destination = Addr("fe80::77")})},
      {"drop_link_local=1", "from link-local, beyond the link", kPodA,
       v6({.source = Addr("fe80::5"), .destination = kFar6})},
      {"drop_link_broadcast=1", "unicast in a multicast frame", kPodA,
       wire::Ethernet({.destination = {0x33, 0x33, 0, 0, 0, 1}, .source = PeerMac(kPodA)},
                      Udp6({.source = kA6}))},
      {"drop_extension_header=1", "extension beyond the end", kPodA, short_extension},
      {"drop_extension_header=1", "unknown option", kPodA,
       extension(wire::kProtoDestinationOptions, std::string("\x11\x00\xc0\x04\0\0\0\0", 8))},
      {"drop_extension_header=1", "source route", kPodA,
       extension(wire::kProtoRouting, std::string("\x11\x00\0\1\0\0\0\0", 8))},
      {"drop_fragment_tcp=1", "TCP fragment", kPodA,
       FromA(wire::Ip({.source = kA6, .destination = kFar6, .more_fragments = true}, Tcp({})))},
      {"drop_fragment_local=1", "fragment of ESP for the plane", kPodA,
       FromA(wire::Ip({.source = kA6, .destination = kGateway6, .more_fragments = true},
                      wire::Raw(wire::kProtoEsp, "12345678")))},
      {"drop_protocol=1", "UDP for the plane", kPodA, v6({.destination = kGateway6})},
      {"drop_hop_limit=1", "hop limit 1", kPodA, v6({.ttl = 1})},
      {"drop_no_route=1", "no route", kPodA, v6({.destination = Addr("2001:db8::1")})},
      {"drop_host_unreachable=1", "no such pod", kPodA, v6({.destination = Addr("fd00:1::77")})},
  });
}

TEST(Ingress, DropsSpoofedSources) {
  ExpectDrops({
      {"drop_spoofed_source=1", "another pod's", kPodA, FromA(Udp4({.source = kB4}))},
      {"drop_spoofed_source=1", "a far address", kPodA,
       FromA(Udp4({.source = kFar4, .destination = kB4}))},
      {"drop_spoofed_source=1", "the gateway's", kPodA, FromA(Udp4({.source = kGateway4}))},
      {"drop_spoofed_source=1", "another pod's, v6", kPodA, FromA(Udp6({.source = kB6}))},
      {"drop_spoofed_source=1", "a pod's, from the uplink", kUplink,
       FromUplink(Udp4({.source = kA4, .destination = kB4}))},
      {"drop_spoofed_source=1", "the plane's, from the uplink", kUplink,
       FromUplink(Udp4({.source = Addr("172.16.0.1"), .destination = kA4}))},
      {"drop_spoofed_source=1", "a pod's, from the uplink, v6", kUplink,
       FromUplink(Udp6({.source = kA6, .destination = kB6}))},
      {"drop_spoofed_source=1", "TCP too", kPodA,
       FromA(wire::Ip({.source = kB4, .destination = kFar4}, Tcp({})))},
      {"drop_arp_spoofed=1", "ARP for another pod", kPodA,
       FromA(Arp(wire::kArpReply, "10.1.0.12", "10.1.0.1"))},
      {"drop_arp_spoofed=1", "ARP for the gateway", kPodA,
       FromA(Arp(wire::kArpRequest, "10.1.0.1", "10.1.0.1"))},
  });
}

TEST(Ingress, DropsBadArpAndIcmp) {
  const auto icmp = [](wire::IcmpFields f) {
    return FromA(wire::Ip({.source = kA4, .destination = kGateway4}, Icmp(std::move(f))));
  };
  const auto icmp6 = [](wire::IcmpFields f) {
    return FromA(wire::Ip({.source = kA6, .destination = kGateway6}, Icmpv6(std::move(f))));
  };
  const auto nd = [](uint8_t ttl, wire::NdMessage m) {
    return FromA(wire::Ip({.source = kA6, .destination = kGateway6, .ttl = ttl}, wire::Nd(m)));
  };
  const uint8_t ns = wire::kIcmpv6NeighbourSolicitation, na = wire::kIcmpv6NeighbourAdvertisement;
  ExpectDrops({
      {"drop_arp_malformed=1", "short", kPodA,
       FromA(Arp(wire::kArpRequest, "10.1.0.11", "10.1.0.1")).substr(0, 14 + 27)},
      {"drop_arp_malformed=1", "hardware type", kPodA,
       With(FromA(Arp(wire::kArpRequest, "10.1.0.11", "10.1.0.1")), 15, 9)},
      {"drop_icmp_checksum=1", "echo", kPodA,
       icmp({.type = wire::kIcmpEchoRequest, .bad_checksum = true})},
      {"drop_icmp_checksum=1", "echo v6", kPodA,
       icmp6({.type = wire::kIcmpv6EchoRequest, .bad_checksum = true})},
      {"drop_icmp_ignored=1", "timestamp", kPodA, icmp({.type = 13})},
      {"drop_icmp_ignored=1", "router solicitation", kPodA,
       icmp6({.type = wire::kIcmpv6RouterSolicitation})},
      {"drop_icmp_ignored=1", "error about nothing", kPodA, icmp({.type = wire::kIcmpUnreachable})},
      {"drop_icmp_malformed=1", "7 bytes", kPodA,
       FromA(
           wire::Ip({.source = kA4, .destination = kGateway4}, wire::Raw(1, "\x08\0\0\0\0\0\0")))},
      {"drop_nd_invalid=1", "hop limit 254", kPodA, nd(254, {.type = ns, .target = kGateway6})},
      {"drop_nd_ignored=1", "NS for nobody", kPodA,
       nd(255, {.type = ns, .target = Addr("fd00:1::99")})},
      {"drop_nd_spoofed=1", "NA for another pod", kPodA,
       nd(255, {.type = na, .flags = wire::kNaSolicited, .target = kB6})},
      {"drop_nd_spoofed=1", "NA for the gateway", kPodA,
       nd(255, {.type = na, .target = kGateway6})},
  });
}

TEST(Ingress, TrimsLinkPaddingFromSegments) {
  for (const bool v6 : {false, true}) {
    TestNode node;
    const std::string packet =
        wire::Ip({.source = v6 ? kA6 : kA4, .destination = v6 ? kFar6 : kFar4, .ecn = 2},
                 Tcp({.source_port = 4000, .destination_port = 80, .payload = "x"}));
    node.Send(kPodA, packet + std::string(20, '\xee'));
    ASSERT_EQ(node.segments.size(), 1u);
    const Segment& s = node.segments[0];
    EXPECT_EQ(wire::ToString(s.packet), packet.substr(v6 ? 40 : 20));
    EXPECT_EQ(s.source, (SockAddr{v6 ? kA6 : kA4, 4000}));
    EXPECT_EQ(s.destination, (SockAddr{v6 ? kFar6 : kFar4, 80}));
    EXPECT_EQ(s.port, kPodA);
    EXPECT_EQ(s.ip_header_bytes, v6 ? 40 : 20);
    EXPECT_EQ(s.ecn, 2);
    EXPECT_FALSE(s.checksum_trusted);
    EXPECT_FALSE(s.for_us);
    node.FreeSegments();
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
}

TEST(Ingress, SaysWhoseSegmentItIsAndWhetherItsChecksumIsTrusted) {
  TestNode node;
  packet::Packet* p = wire::ToPacket(
      &node.pool, FromUplink(wire::Ip({.source = kFar4, .destination = Addr("10.1.0.1")},
                                      Tcp({.partial_checksum = true}))));
  p->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  node.SendPacket(kUplink, p);
  ASSERT_EQ(node.segments.size(), 1u);
  EXPECT_TRUE(node.segments[0].for_us);
  EXPECT_TRUE(node.segments[0].checksum_trusted);
}

TEST(Ingress, ReadsHeadersThatAreCutIntoPieces) {
  for (uint32_t piece = 1; piece <= 60; ++piece) {
    TestNode node;
    const std::string frame =
        FromA(wire::Ip({.source = kA6, .destination = kFar6}, Tcp({.payload = "hello"})));
    node.SendPacket(kPodA, wire::ToPacket(&node.pool, frame, piece));
    ASSERT_EQ(node.segments.size(), 1u) << piece << " " << node.Drops();
    EXPECT_EQ(node.segments[0].source.port, 1000);
    EXPECT_EQ(wire::ToString(node.segments[0].packet), frame.substr(54));
    node.FreeSegments();
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
}

}  // namespace
}  // namespace meltemi::ip
