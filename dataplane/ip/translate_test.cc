// Goal: a datagram for a service reaches the worker whole, goes on between the ends it says with a
// right checksum, and errors about it go back as if the service had told them. Method: a small
// node; checksums are judged by building the wanted packet anew.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::ip {
namespace {

using wire::Udp;

struct Ends {
  SockAddr client, service, local, endpoint;
};
const Ends kV4{{Addr("10.1.0.11"), 4000},
               {Addr("10.96.0.10"), 53},
               {Addr("172.16.0.1"), 40'000},
               {Addr("10.2.0.5"), 5353}};
const Ends kV6{{Addr("fd00:1::11"), 4000},
               {Addr("fd00:96::10"), 53},
               {Addr("fd00:f::1"), 40'000},
               {Addr("fd00:2::5"), 5353}};

std::string Datagram(const SockAddr& from, const SockAddr& to, const std::string& payload,
                     uint16_t id = 0, bool dont_fragment = true) {
  return wire::Ip(
      {.source = from.ip, .destination = to.ip, .id = id, .dont_fragment = dont_fragment},
      Udp({.source_port = from.port, .destination_port = to.port, .payload = payload}));
}

class TranslateTest : public ::testing::Test {
 protected:
  explicit TranslateTest(const NodeOptions& options = {}) : node(options) {
    node.Warm();
    node.ip.SetUdpServices({kV4.service.ip, kV6.service.ip});
  }
  ~TranslateTest() override {
    for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
    EXPECT_TRUE(node.Balanced()) << node.Drops();
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
  // The one datagram that is there for the worker.
  Segment Taken() {
    EXPECT_EQ(node.ip.datagrams().size(), 1u) << node.Drops();
    const Segment datagram = node.ip.datagrams().at(0);
    node.ip.datagrams().clear();
    return datagram;
  }
  // Through from `from`, to be sent on between other ends: what leaves at `port`.
  std::vector<std::string> Through(PortId port, const std::string& packet, const SockAddr& source,
                                   const SockAddr& destination) {
    node.Send(kPodA, packet);
    node.ip.Translate(Taken(), source, destination, node.now);
    return node.TakeIp(port);
  }
  static uint16_t Id(const std::string& packet) {
    return wire::Load16(reinterpret_cast<const uint8_t*>(packet.data()) + 4);
  }

  TestNode node;
};

TEST_F(TranslateTest, BothEndsAndTheChecksumChange) {
  const Ends* const all[] = {&kV4, &kV6};
  for (const Ends* from : all) {
    for (const Ends* to : all) {
      for (const std::string payload : {"", "a", "abcdefg"}) {
        const auto out = Through(kUplink, Datagram(from->client, from->service, payload), to->local,
                                 to->endpoint);
        ASSERT_EQ(out.size(), 1u);
        // An IPv6 packet may be cut once it is IPv4's.
        const bool dont_fragment = from == &kV4;
        EXPECT_EQ(out[0], Datagram(to->local, to->endpoint, payload,
                                   to == &kV4 ? Id(out[0]) : uint16_t{0}, dont_fragment));
      }
    }
  }
  EXPECT_EQ(node.ip.counters().datagrams_translated, 12u);
}

TEST_F(TranslateTest, NoChecksumStaysNoneInIpv4AndIsMadeForIpv6) {
  std::string packet = Datagram(kV4.client, kV4.service, "text");
  packet[26] = packet[27] = 0;
  auto out = Through(kUplink, packet, kV4.local, kV4.endpoint);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].substr(26, 2), std::string(2, '\0'));
  out = Through(kUplink, packet, kV6.local, kV6.endpoint);
  ASSERT_EQ(out.size(), 1u);
  // Left to the port: the field has the pseudo-header's sum.
  EXPECT_EQ(wire::Load16(reinterpret_cast<const uint8_t*>(out[0].data()) + 46),
            wire::PseudoHeaderSum(kV6.local.ip, kV6.endpoint.ip, wire::kProtoUdp, 12));
}

TEST_F(TranslateTest, AWrongChecksumStaysWrong) {
  const std::string packet =
      wire::Ip({.source = kV4.client.ip, .destination = kV4.service.ip},
               Udp({.source_port = 4000, .payload = "text", .bad_checksum = true}));
  const auto out = Through(kUplink, packet, kV4.local, kV4.endpoint);
  ASSERT_EQ(out.size(), 1u);
  const auto* p = reinterpret_cast<const uint8_t*>(out[0].data());
  const uint16_t sum =
      wire::SumAdd(wire::SumBytes(p + 20, 12),
                   wire::PseudoHeaderSum(kV4.local.ip, kV4.endpoint.ip, wire::kProtoUdp, 12));
  EXPECT_NE(sum, wire::kSumOfCorrect);
}

TEST_F(TranslateTest, DscpAndEcnStay) {
  std::string packet = wire::Ip({.source = kV4.client.ip, .destination = kV4.service.ip, .ecn = 1},
                                Udp({.source_port = 4000, .payload = "text"}));
  auto* p = reinterpret_cast<uint8_t*>(packet.data());
  p[1] |= 46 << 2;
  wire::Store16(p + 10, 0);
  wire::Store16(p + 10, static_cast<uint16_t>(~wire::SumBytes(p, 20)));
  const auto out = Through(kUplink, packet, kV4.local, kV4.endpoint);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(static_cast<uint8_t>(out[0][1]), 46 << 2 | 1);
}

TEST_F(TranslateTest, WhatIsNoServicesIsRouted) {
  node.Send(kPodA, Datagram(kV4.client, kV4.endpoint, "x"));
  EXPECT_TRUE(node.ip.datagrams().empty());
  EXPECT_EQ(node.TakeIp(kUplink).size(), 1u);
}

TEST_F(TranslateTest, WhatComesToThePlaneIsTheWorkersAndMayBeRejected) {
  node.Send(kUplink, Datagram(kV4.endpoint, kV4.local, "answer"));
  const Segment datagram = Taken();
  EXPECT_TRUE(datagram.for_us);
  EXPECT_EQ(datagram.source, kV4.endpoint);
  EXPECT_EQ(datagram.destination, kV4.local);
  node.ip.Reject(datagram, node.now);
  const auto out = node.TakeIp(kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0][20], char{wire::kIcmpUnreachable});
  EXPECT_EQ(out[0][21], char{wire::kIcmpPortUnreachable});
  EXPECT_EQ(node.Drops(), "drop_udp_refused=1");
}

TEST_F(TranslateTest, LengthsThatCannotBeAreDropped) {
  std::string packet = Datagram(kV4.client, kV4.service, "text");
  packet[25] = 13;  // one more than is there
  node.Send(kPodA, packet);
  packet[25] = 7;  // less than a header
  node.Send(kPodA, packet);
  node.Send(kPodA, wire::Ip({.source = kV4.client.ip, .destination = kV4.service.ip},
                            wire::Raw(wire::kProtoUdp, "1234567")));
  EXPECT_TRUE(node.ip.datagrams().empty());
  EXPECT_EQ(node.Drops(), "drop_udp_length=3");
}

TEST_F(TranslateTest, LongDatagramsAreMadeWholeAndCutAgain) {
  const std::string payload(4000, 'p');
  for (const Ends* ends : {&kV4, &kV6}) {
    const bool v4 = ends == &kV4;
    const std::string whole = Datagram(ends->client, ends->service, payload, 7, false);
    const size_t header_bytes = v4 ? 20 : 40;
    for (size_t at = 0; at < 4008; at += 1400) {
      const bool more = at + 1400 < 4008;
      node.Send(kPodA, wire::Ip({.source = ends->client.ip,
                                 .destination = ends->service.ip,
                                 .id = 7,
                                 .dont_fragment = false,
                                 .more_fragments = more,
                                 .fragment_offset = static_cast<uint16_t>(at)},
                                wire::Raw(wire::kProtoUdp, whole.substr(header_bytes + at, 1400))));
    }
    const Segment datagram = Taken();
    EXPECT_FALSE(datagram.for_us);
    EXPECT_EQ(datagram.packet->pkt_len, 4008u);
    node.ip.Translate(datagram, ends->local, ends->endpoint, node.now);
    const auto out = node.TakeIp(kUplink);
    ASSERT_EQ(out.size(), 3u) << node.Drops();
    std::string joined;
    for (const std::string& part : out) joined += part.substr(v4 ? 20 : 48);
    EXPECT_EQ(joined, Datagram(ends->local, ends->endpoint, payload).substr(header_bytes));
  }
}

class TranslateToSmallMtu : public TranslateTest {
 protected:
  TranslateToSmallMtu() : TranslateTest({.uplink_mtu = 1400}) {}
};

TEST_F(TranslateToSmallMtu, WhatMustNotBeCutIsToldToItsSource) {
  for (const size_t bytes : {1372, 1373}) {
    const auto out = Through(kUplink, Datagram(kV4.client, kV4.service, std::string(bytes, 'x')),
                             kV4.local, kV4.endpoint);
    EXPECT_EQ(out.size(), bytes == 1372 ? 1u : 0u);
  }
  const auto told = node.TakeIp(kPodA);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0][21], char{wire::kIcmpFragmentationNeeded});
  EXPECT_EQ(wire::Load16(reinterpret_cast<const uint8_t*>(told[0].data()) + 26), 1400);
  // Towards IPv6 it is the plane's own packet, and cut.
  const auto out = Through(kUplink, Datagram(kV4.client, kV4.service, std::string(1353, 'x')),
                           kV6.local, kV6.endpoint);
  EXPECT_EQ(out.size(), 2u);
  EXPECT_TRUE(node.TakeIp(kPodA).empty());
}

TEST_F(TranslateTest, ErrorsGoBackAsTheServices) {
  for (const Ends* ends : {&kV4, &kV6}) {
    const bool v4 = ends == &kV4;
    const std::string quoted = Datagram(ends->local, ends->endpoint, "query");
    const uint8_t code = v4 ? 3 : 4;
    const wire::IcmpFields unreachable{
        .type = static_cast<uint8_t>(v4 ? 3 : 1), .code = code, .payload = quoted};
    node.Send(kUplink, wire::Ip({.source = ends->endpoint.ip, .destination = ends->local.ip},
                                v4 ? wire::Icmp(unreachable) : wire::Icmpv6(unreachable)));
    ASSERT_EQ(node.ip.icmp_errors().size(), 1u) << node.Drops();
    const IcmpError error = node.ip.icmp_errors()[0];
    node.ip.icmp_errors().clear();
    EXPECT_TRUE(error.udp);
    EXPECT_EQ(error.local, ends->local);
    EXPECT_EQ(error.remote, ends->endpoint);
    EXPECT_EQ(error.code, code);
    node.ip.TellSender(ends->client, ends->service, error, node.now);
    const auto out = node.TakeIp(kPodA);
    ASSERT_EQ(out.size(), 1u) << node.Drops();
    const wire::IcmpFields wanted{
        .type = unreachable.type,
        .code = code,
        .payload = wire::Ip(
            {.source = ends->client.ip,
             .destination = ends->service.ip,
             .id = v4 ? Id(out[0].substr(28)) : uint16_t{0},
             .dont_fragment = false},
            Udp({.source_port = ends->client.port, .destination_port = ends->service.port}))};
    std::string expected = wire::Ip({.source = ends->service.ip,
                                     .destination = ends->client.ip,
                                     .id = v4 ? Id(out[0]) : uint16_t{0},
                                     .dont_fragment = false},
                                    v4 ? wire::Icmp(wanted) : wire::Icmpv6(wanted));
    EXPECT_EQ(out[0].size(), expected.size());
    // All but the quoted UDP checksum, which nobody looks at, and what sums it up.
    const size_t icmp = v4 ? 20 : 40;
    EXPECT_EQ(out[0].substr(0, icmp + 2), expected.substr(0, icmp + 2));
    EXPECT_EQ(out[0].substr(icmp + 4, icmp + 10), expected.substr(icmp + 4, icmp + 10));
    const auto* p = reinterpret_cast<const uint8_t*>(out[0].data());
    uint16_t sum = wire::SumBytes(p + icmp, out[0].size() - icmp);
    if (!v4) {
      const auto bytes = static_cast<uint32_t>(out[0].size() - icmp);
      sum = wire::SumAdd(
          sum, wire::PseudoHeaderSum(ends->service.ip, ends->client.ip, wire::kProtoIcmpv6, bytes));
    }
    EXPECT_EQ(sum, wire::kSumOfCorrect);
  }
}

TEST_F(TranslateTest, AnErrorOfTheOtherFamilyIsSaidInTheSenders) {
  const IcmpError gone{.kind = IcmpError::Kind::kUnreachable,
                       .udp = true,
                       .code = 0,  // no route
                       .local = kV6.local,
                       .remote = kV6.endpoint};
  node.ip.TellSender(kV4.client, kV4.service, gone, node.now);
  const IcmpError big{.kind = IcmpError::Kind::kTooBig,
                      .udp = true,
                      .local = kV6.local,
                      .remote = kV6.endpoint,
                      .mtu = 1300};
  node.ip.TellSender(kV4.client, kV4.service, big, node.now);
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].substr(20, 2), std::string({char{3}, char{3}}));
  EXPECT_EQ(out[1].substr(20, 2), std::string({char{3}, char{4}}));
  EXPECT_EQ(wire::Load16(reinterpret_cast<const uint8_t*>(out[1].data()) + 26), 1280);
}

}  // namespace
}  // namespace meltemi::ip
