// Goal: headers read back as they were written, and damaged ones do not parse. Method: round trips
// and tables of single faults.
#include <gtest/gtest.h>

#include <string>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/wire/builders.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::wire {
namespace {

const uint8_t* Bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }
IpAddr A(const char* text) { return *IpAddr::Parse(text); }

TEST(Ipv4Header, RoundTrips) {
  const Ipv4Header out{.dscp = 46,
                       .ecn = 3,
                       .total_bytes = 1500,
                       .id = 0xbeef,
                       .dont_fragment = false,
                       .more_fragments = true,
                       .fragment_offset = 1480,
                       .ttl = 7,
                       .protocol = kProtoUdp,
                       .source = A("10.0.0.1"),
                       .destination = A("10.0.0.2")};
  uint8_t bytes[kIpv4Bytes];
  out.Emit(bytes);
  EXPECT_EQ(SumBytes(bytes, sizeof bytes), kSumOfCorrect);
  const auto in = Ipv4Header::Parse(bytes, sizeof bytes);
  ASSERT_TRUE(in);
  EXPECT_EQ(in->dscp, 46);
  EXPECT_EQ(in->ecn, 3);
  EXPECT_EQ(in->total_bytes, 1500);
  EXPECT_EQ(in->id, 0xbeef);
  EXPECT_FALSE(in->dont_fragment);
  EXPECT_TRUE(in->more_fragments);
  EXPECT_EQ(in->fragment_offset, 1480);
  EXPECT_TRUE(in->fragment());
  EXPECT_EQ(in->ttl, 7);
  EXPECT_EQ(in->source, out.source);
  EXPECT_EQ(in->destination, out.destination);
}

TEST(Ipv4Header, RefusesWhatCannotBeRead) {
  uint8_t good[24] = {};
  Ipv4Header{.total_bytes = 24, .source = A("1.1.1.1"), .destination = A("2.2.2.2")}.Emit(good);
  EXPECT_TRUE(Ipv4Header::Parse(good, 20));
  EXPECT_FALSE(Ipv4Header::Parse(good, 19));
  for (const uint8_t first : {0x65, 0x44, 0x00}) {
    uint8_t bad[24];
    std::copy(std::begin(good), std::end(good), bad);
    bad[0] = first;
    EXPECT_FALSE(Ipv4Header::Parse(bad, 24)) << int{first};
  }
  good[0] = 0x46;  // 24 bytes of header
  EXPECT_TRUE(Ipv4Header::Parse(good, 24));
  EXPECT_FALSE(Ipv4Header::Parse(good, 23));
  good[3] = 23;  // total length below the header's
  EXPECT_FALSE(Ipv4Header::Parse(good, 24));
}

TEST(Ipv6Header, RoundTrips) {
  uint8_t bytes[kIpv6Bytes];
  Ipv6Header{.dscp = 10,
             .ecn = 1,
             .flow_label = 0xabcde,
             .payload_bytes = 99,
             .next_header = kProtoTcp,
             .hop_limit = 3,
             .source = A("fd00::1"),
             .destination = A("fd00::2")}
      .Emit(bytes);
  const auto in = Ipv6Header::Parse(bytes, sizeof bytes);
  ASSERT_TRUE(in);
  EXPECT_EQ(in->dscp, 10);
  EXPECT_EQ(in->ecn, 1);
  EXPECT_EQ(in->flow_label, 0xabcdeu);
  EXPECT_EQ(in->payload_bytes, 99);
  EXPECT_EQ(in->next_header, kProtoTcp);
  EXPECT_EQ(in->hop_limit, 3);
  EXPECT_EQ(in->source, A("fd00::1"));
  EXPECT_EQ(in->destination, A("fd00::2"));
  EXPECT_FALSE(Ipv6Header::Parse(bytes, 39));
  bytes[0] = 0x45;
  EXPECT_FALSE(Ipv6Header::Parse(bytes, 40));
}

struct WalkRow {
  const char* name;
  uint8_t first;
  std::string extensions;
  WalkFor reader;
  Ipv6Walk::Result result;
  uint8_t protocol;
  uint16_t offset;
};

std::string Extension(uint8_t next, std::string body) {
  return std::string(1, static_cast<char>(next)) + '\0' + body;
}

TEST(WalkIpv6, FindsTheUpperLayerOrSaysWhyNot) {
  using R = Ipv6Walk::Result;
  const std::string pad("\x01\x04\0\0\0\0", 6);
  const std::string six(6, '\0');
  std::string many;
  for (int i = 0; i < kExtensionHeadersMax; ++i) {
    many += Extension(i + 1 < kExtensionHeadersMax ? kProtoDestinationOptions : kProtoTcp, pad);
  }
  const std::string too_many = Extension(kProtoDestinationOptions, pad) + many;
  const WalkRow rows[] = {
      {"none", kProtoTcp, "", WalkFor::kDestination, R::kUpperLayer, kProtoTcp, 40},
      {"padded hop-by-hop", kProtoHopByHop, Extension(kProtoTcp, pad), WalkFor::kDestination,
       R::kUpperLayer, kProtoTcp, 48},
      {"8 headers", kProtoDestinationOptions, many, WalkFor::kDestination, R::kUpperLayer,
       kProtoTcp, 104},
      {"9 headers", kProtoDestinationOptions, too_many, WalkFor::kDestination, R::kTooMany,
       kProtoDestinationOptions, 104},
      {"hop-by-hop second", kProtoDestinationOptions,
       Extension(kProtoHopByHop, pad) + Extension(kProtoTcp, pad), WalkFor::kDestination,
       R::kBadOrder, kProtoHopByHop, 48},
      {"option to discard", kProtoDestinationOptions,
       Extension(kProtoTcp, std::string("\x80\x04\0\0\0\0", 6)), WalkFor::kDestination,
       R::kBadOption, kProtoDestinationOptions, 40},
      {"a router passes it", kProtoDestinationOptions,
       Extension(kProtoTcp, std::string("\x80\x04\0\0\0\0", 6)), WalkFor::kRouter, R::kUpperLayer,
       kProtoTcp, 48},
      {"option longer than its header", kProtoHopByHop,
       Extension(kProtoTcp, std::string("\x01\x05\0\0\0\0", 6)), WalkFor::kRouter, R::kBadOption,
       kProtoHopByHop, 40},
      {"routing with segments left", kProtoRouting,
       Extension(kProtoTcp, std::string("\0\1\0\0\0\0", 6)), WalkFor::kDestination, R::kBadRouting,
       kProtoRouting, 40},
      {"routing used up", kProtoRouting, Extension(kProtoTcp, six), WalkFor::kDestination,
       R::kUpperLayer, kProtoTcp, 48},
      {"atomic fragment", kProtoFragment, Extension(kProtoTcp, six), WalkFor::kDestination,
       R::kUpperLayer, kProtoTcp, 48},
      {"first fragment", kProtoFragment, Extension(kProtoTcp, std::string("\0\1\0\0\0\0", 6)),
       WalkFor::kDestination, R::kFragment, kProtoTcp, 48},
      {"truncated", kProtoHopByHop, "\x06\x01\x01\x04", WalkFor::kDestination, R::kTruncated,
       kProtoHopByHop, 40},
      {"no next header", kProtoNoNext, "", WalkFor::kDestination, R::kUpperLayer, kProtoNoNext, 40},
  };
  for (const WalkRow& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string packet = Ip({.source = A("fd00::1"),
                                   .destination = A("fd00::2"),
                                   .options = row.extensions,
                                   .first_extension = row.first},
                                  Raw(row.first, ""));
    const Ipv6Walk walk = WalkIpv6(Bytes(packet), packet.size(), row.reader);
    EXPECT_EQ(walk.result, row.result);
    EXPECT_EQ(walk.protocol, row.protocol);
    EXPECT_EQ(walk.offset, row.offset);
  }
}

TEST(NdMessage, RoundTripsWithAndWithoutOption) {
  for (const bool option : {false, true}) {
    NdMessage out{.type = kIcmpv6NeighbourAdvertisement,
                  .flags = kNaSolicited | kNaOverride,
                  .target = A("fd00::1"),
                  .link_address = {}};
    if (option) out.link_address = MacAddr{2, 0, 0, 0, 0, 9};
    uint8_t bytes[32];
    const uint16_t n = out.Emit(bytes);
    EXPECT_EQ(n, option ? 32 : 24);
    const auto in = NdMessage::Parse(bytes, n);
    ASSERT_TRUE(in);
    EXPECT_EQ(in->flags, out.flags);
    EXPECT_EQ(in->target, out.target);
    EXPECT_EQ(in->link_address, out.link_address);
    EXPECT_FALSE(NdMessage::Parse(bytes, n - 1));
  }
}

TEST(NdMessage, RefusesOptionOfLengthZero) {
  uint8_t bytes[32];
  NdMessage{.type = kIcmpv6NeighbourSolicitation, .target = A("fd00::1"), .link_address = MacAddr{}}
      .Emit(bytes);
  EXPECT_TRUE(NdMessage::Parse(bytes, 32));
  bytes[25] = 0;
  EXPECT_FALSE(NdMessage::Parse(bytes, 32));
}

TEST(TcpHeader, RoundTripsAndChecksItsDataOffset) {
  const TcpHeader out{1, 2, 3, 4, 24, kTcpSyn | kTcpAck, 5, 6, 7};
  uint8_t bytes[24] = {};
  out.Emit(bytes);
  EXPECT_EQ(TcpHeader::Parse(bytes, 24), out);
  EXPECT_FALSE(TcpHeader::Parse(bytes, 23));
  bytes[12] = 0x40;  // 16 bytes
  EXPECT_FALSE(TcpHeader::Parse(bytes, 24));
}

TEST(Arp, RoundTripsAndRefusesOtherHardware) {
  const ArpMessage out{
      kArpReply, {2, 0, 0, 0, 0, 1}, A("10.0.0.1"), {2, 0, 0, 0, 0, 2}, A("10.0.0.2")};
  uint8_t bytes[kArpBytes];
  out.Emit(bytes);
  const auto in = ArpMessage::Parse(bytes, sizeof bytes);
  ASSERT_TRUE(in);
  EXPECT_EQ(in->operation, kArpReply);
  EXPECT_EQ(in->sender_mac, out.sender_mac);
  EXPECT_EQ(in->sender_ip, out.sender_ip);
  EXPECT_EQ(in->target_mac, out.target_mac);
  EXPECT_EQ(in->target_ip, out.target_ip);
  EXPECT_FALSE(ArpMessage::Parse(bytes, kArpBytes - 1));
  for (const int at : {1, 2, 4, 5}) {
    uint8_t bad[kArpBytes];
    std::copy(std::begin(bytes), std::end(bytes), bad);
    ++bad[at];
    EXPECT_FALSE(ArpMessage::Parse(bad, sizeof bad)) << at;
  }
}

TEST(Groups, HaveTheStandardsAddresses) {
  EXPECT_EQ(SolicitedNode(A("fd00::12:3456")), A("ff02::1:ff12:3456"));
  EXPECT_EQ(MulticastMac(A("ff02::1:ff12:3456")), (MacAddr{0x33, 0x33, 0xff, 0x12, 0x34, 0x56}));
  EXPECT_EQ(MulticastMac(A("239.129.2.3")), (MacAddr{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}));
  EXPECT_EQ(LinkLocalAddress({0x02, 0, 0, 0, 0, 1}), A("fe80::ff:fe00:1"));
}

TEST(Builders, MakePacketsWithCorrectChecksums) {
  const IpFields v4{.source = A("10.0.0.1"), .destination = A("10.0.0.2")};
  const IpFields v6{.source = A("fd00::1"), .destination = A("fd00::2")};
  EXPECT_TRUE(ChecksumsCorrect(Ip(v4, Tcp({.options = "\x02\x04\x05\xb4", .payload = "hello"}))));
  EXPECT_TRUE(ChecksumsCorrect(Ip(v6, Tcp({.payload = "odd"}))));
  EXPECT_TRUE(ChecksumsCorrect(Ip(v4, Udp({.payload = "x"}))));
  EXPECT_TRUE(ChecksumsCorrect(Ip(v6, Udp({.payload = "x"}))));
  EXPECT_TRUE(ChecksumsCorrect(Ip(v4, Icmp({.type = kIcmpEchoRequest}))));
  EXPECT_TRUE(ChecksumsCorrect(Ip(v6, Icmpv6({.type = kIcmpv6EchoRequest}))));
  EXPECT_FALSE(ChecksumsCorrect(Ip(v4, Tcp({.bad_checksum = true}))));
  EXPECT_FALSE(ChecksumsCorrect(Ip(v4, Tcp({.partial_checksum = true}))));
}

}  // namespace
}  // namespace meltemi::wire
