// Goal: echo is answered, errors are sent when and only when the standards say so, and errors about
// TCP reach TCP. Method: a small node, whole messages read back.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/node.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

using wire::Icmp;
using wire::Icmpv6;
using wire::IpFields;
using wire::Tcp;
using wire::Udp;

struct Family {
  IpAddr a, b, far, gateway;
  uint16_t ip_bytes;
};
const Family kV4{Addr("10.1.0.11"), Addr("10.1.0.12"), Addr("10.2.0.5"), Addr("10.1.0.1"), 20};
const Family kV6{Addr("fd00:1::11"), Addr("fd00:1::12"), Addr("fd00:2::5"), Addr("fd00:1::1"), 40};

const uint8_t* Bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

std::string Echo(const IpAddr& from, const IpAddr& to, const std::string& payload,
                 bool reply = false) {
  const uint8_t v4 = reply ? wire::kIcmpEchoReply : wire::kIcmpEchoRequest;
  const uint8_t v6 = reply ? wire::kIcmpv6EchoReply : wire::kIcmpv6EchoRequest;
  const IpFields f{.source = from, .destination = to};
  return from.v4() ? wire::Ip(f, Icmp({.type = v4, .rest = 0x00010002, .payload = payload}))
                   : wire::Ip(f, Icmpv6({.type = v6, .rest = 0x00010002, .payload = payload}));
}

TEST(Echo, IsAnsweredForEveryAddressOfThePlane) {
  struct Row {
    const char* name;
    PortId port;
    IpAddr from, to;
  };
  const Row rows[] = {
      {"gateway", kPodA, kV4.a, kV4.gateway},
      {"gateway v6", kPodA, kV6.a, kV6.gateway},
      {"gateway from the other pod", kPodB, kV4.b, kV4.gateway},
      {"uplink address from a pod", kPodA, kV4.a, Addr("172.16.0.1")},
      {"uplink", kUplink, kV4.far, Addr("172.16.0.1")},
      {"link-local", kPodA, Addr("fe80::11"), wire::LinkLocalAddress(PlaneMac(kPodA))},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    for (const size_t n : {0u, 1u, 56u, 1400u}) {
      TestNode node;
      node.Warm();
      node.ip.LearnNeighbour({kPodA, Addr("fe80::11"), PeerMac(kPodA)}, node.now);
      node.Send(row.port, Echo(row.from, row.to, std::string(n, 'p')));
      const auto out = node.TakeIp(row.port);
      ASSERT_EQ(out.size(), 1u) << node.Drops();
      EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
      const std::string expected = Echo(row.to, row.from, std::string(n, 'p'), /*reply=*/true);
      const size_t header = row.from.v4() ? 20 : 40;
      EXPECT_EQ(out[0].substr(header), expected.substr(header));
      EXPECT_EQ(out[0].substr(header - (row.from.v4() ? 8 : 32), row.from.v4() ? 8 : 32),
                expected.substr(header - (row.from.v4() ? 8 : 32), row.from.v4() ? 8 : 32));
      EXPECT_TRUE(node.Balanced());
      EXPECT_EQ(node.pool.outstanding(), 0);
    }
  }
}

TEST(Echo, ToAnotherPodIsForwarded) {
  TestNode node;
  node.Warm();
  node.Send(kPodA, Echo(kV4.a, kV4.b, "ping"));
  EXPECT_EQ(node.TakeIp(kPodB).size(), 1u);
  EXPECT_TRUE(node.TakeIp(kPodA).empty());
}

struct ErrorRow {
  const char* name;
  uint8_t v4_type, v4_code, v6_type, v6_code;
  std::string (*make)(const Family&);
};

std::string UdpTo(const Family& f, const IpAddr& to, uint8_t ttl = 64) {
  return wire::Ip({.source = f.a, .destination = to, .ttl = ttl}, Udp({.payload = "quoted"}));
}

TEST(IcmpErrors, SayWhatWentWrongAndQuoteThePacket) {
  const ErrorRow rows[] = {
      {"hop limit", 11, 0, 3, 0, [](const Family& f) { return UdpTo(f, f.far, 1); }},
      {"no route", 3, 0, 1, 0,
       [](const Family& f) { return UdpTo(f, f.a.v4() ? Addr("8.8.8.8") : Addr("2001:db8::8")); }},
      {"no such pod", 3, 1, 1, 3,
       [](const Family& f) { return UdpTo(f, f.a.v4() ? Addr("10.1.0.99") : Addr("fd00:1::99")); }},
      {"port", 3, 3, 1, 4, [](const Family& f) { return UdpTo(f, f.gateway); }},
      {"protocol", 3, 2, 4, 1,
       [](const Family& f) {
         return wire::Ip({.source = f.a, .destination = f.gateway}, wire::Raw(132, "sctp"));
       }},
  };
  for (const Family& f : {kV4, kV6}) {
    for (const ErrorRow& row : rows) {
      SCOPED_TRACE(row.name);
      TestNode node;
      node.Warm();
      const std::string packet = row.make(f);
      node.Send(kPodA, packet);
      const auto out = node.TakeIp(kPodA);
      ASSERT_EQ(out.size(), 1u) << node.Drops();
      EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
      const auto icmp = *wire::IcmpHeader::Parse(Bytes(out[0]) + f.ip_bytes, 8);
      EXPECT_EQ(icmp.type, f.a.v4() ? row.v4_type : row.v6_type);
      EXPECT_EQ(icmp.code, f.a.v4() ? row.v4_code : row.v6_code);
      EXPECT_EQ(out[0].substr(f.ip_bytes + 8), packet);
      const IpAddr source = f.a.v4() ? wire::Ipv4Header::Parse(Bytes(out[0]), 20)->source
                                     : wire::Ipv6Header::Parse(Bytes(out[0]), 40)->source;
      EXPECT_EQ(source, f.gateway);
      EXPECT_TRUE(node.Balanced());
      EXPECT_EQ(node.pool.outstanding(), 0);
    }
  }
}

TEST(IcmpErrors, NameTheRefusedOption) {
  TestNode node;
  node.Warm();
  node.Send(kPodA, wire::Ip({.source = kV6.a,
                             .destination = kV6.gateway,
                             .options = std::string("\x11\x00\x80\x04\0\0\0\0", 8),
                             .first_extension = wire::kProtoDestinationOptions},
                            Udp({})));
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 1u);
  const auto icmp = *wire::IcmpHeader::Parse(Bytes(out[0]) + 40, 8);
  EXPECT_EQ(icmp.type, wire::kIcmpv6ParameterProblem);
  EXPECT_EQ(icmp.code, 2);
  EXPECT_EQ(icmp.rest, 42u);
}

TEST(IcmpErrors, QuoteNoMoreThanAllowed) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.Warm();
    node.Send(kPodA, wire::Ip({.source = f.a, .destination = f.far, .ttl = 1},
                              Udp({.payload = std::string(1400, 'u')})));
    const auto out = node.TakeIp(kPodA);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].size(), f.a.v4() ? 576u : 1280u);
    EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
  }
}

TEST(IcmpErrors, AreNotSentWhenStandardsForbid) {
  const auto error4 = Icmp({.type = wire::kIcmpUnreachable, .payload = std::string(28, 'x')});
  const auto error6 = Icmpv6({.type = wire::kIcmpv6Unreachable, .payload = std::string(48, 'x')});
  struct Row {
    const char* name;
    PortId port;
    std::string packet;
    MacAddr to;
  };
  const Row rows[] = {
      {"about an ICMP error", kPodA,
       wire::Ip({.source = kV4.a, .destination = kV4.far, .ttl = 1}, error4), PlaneMac(kPodA)},
      {"about an ICMPv6 error", kPodA,
       wire::Ip({.source = kV6.a, .destination = kV6.far, .ttl = 1}, error6), PlaneMac(kPodA)},
      {"about a later fragment", kPodA,
       wire::Ip({.source = kV4.a, .destination = kV4.far, .ttl = 1, .fragment_offset = 8},
                wire::Raw(17, "12345678")),
       PlaneMac(kPodA)},
      {"about a later fragment, v6", kPodA,
       wire::Ip({.source = kV6.a, .destination = kV6.far, .ttl = 1, .fragment_offset = 8},
                wire::Raw(17, "12345678")),
       PlaneMac(kPodA)},
      {"about a multicast option",
       kPodA,
       wire::Ip({.source = kV6.a,
                 .destination = Addr("ff02::1"),
                 .options = std::string("\x11\x00\xc0\x04\0\0\0\0", 8),
                 .first_extension = wire::kProtoDestinationOptions},
                Udp({})),
       {0x33, 0x33, 0, 0, 0, 1}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    TestNode node;
    node.Warm();
    node.Send(row.port, row.packet, row.to);
    EXPECT_EQ(node.ip.counters().icmp_errors_suppressed, 1u) << node.Drops();
    EXPECT_EQ(node.ip.counters().icmp_errors_out, 0u);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(IcmpErrors, AreLimitedPerSecond) {
  TestNode node;
  node.Warm();
  const int limit = limits::kIcmpErrorsPerSecond;
  for (int i = 0; i < limit + 50; ++i) node.Send(kPodA, UdpTo(kV4, kV4.far, 1));
  EXPECT_EQ(node.ip.counters().icmp_errors_out, static_cast<uint64_t>(limit));
  EXPECT_EQ(node.ip.counters().icmp_errors_limited, 50u);
  node.now = node.now + Duration::Millis(100);
  for (int i = 0; i < 50; ++i) node.Send(kPodA, UdpTo(kV4, kV4.far, 1));
  EXPECT_EQ(node.ip.counters().icmp_errors_out, static_cast<uint64_t>(limit + limit / 10));
  EXPECT_TRUE(node.Balanced());
}

// What the plane had sent: from `local` to `remote`.
std::string Quoted(const IpAddr& local, const IpAddr& remote) {
  return wire::Ip({.source = local, .destination = remote},
                  Tcp({.source_port = 40'000, .destination_port = 80, .sequence = 0xabcdef01}));
}

struct TellRow {
  const char* name;
  uint8_t type, code;
  uint32_t rest;
  IcmpError::Kind kind;
  uint32_t mtu;
};

TEST(IcmpAboutTcp, IsToldToTcp) {
  using Kind = IcmpError::Kind;
  const TellRow v4[] = {
      {"net", 3, 0, 0, Kind::kUnreachable, 0},
      {"port", 3, 3, 0, Kind::kUnreachable, 0},
      {"too big", 3, 4, 1400, Kind::kTooBig, 1400},
      {"too big, no MTU", 3, 4, 0, Kind::kTooBig, 68},
      {"too big, silly", 3, 4, 10, Kind::kTooBig, 68},
      {"time", 11, 0, 0, Kind::kTimeExceeded, 0},
      {"parameter", 12, 0, 0, Kind::kOther, 0},
      {"quench", 4, 0, 0, Kind::kOther, 0},
  };
  const TellRow v6[] = {
      {"no route", 1, 0, 0, Kind::kUnreachable, 0},
      {"too big", 2, 0, 1400, Kind::kTooBig, 1400},
      {"too big, below the least", 2, 0, 600, Kind::kTooBig, 1280},
      {"time", 3, 0, 0, Kind::kTimeExceeded, 0},
      {"parameter", 4, 0, 0, Kind::kOther, 0},
  };
  const auto check = [](const TellRow& row, const Family& f, const IpAddr& own) {
    SCOPED_TRACE(row.name);
    TestNode node;
    node.Warm();
    const wire::IcmpFields icmp{.type = row.type,
                                .code = row.code,
                                .rest = row.rest,
                                .payload = Quoted(own, f.far).substr(0, f.ip_bytes + 8)};
    const IpFields ip{.source = f.far, .destination = own};
    node.Send(kUplink, f.a.v4() ? wire::Ip(ip, Icmp(icmp)) : wire::Ip(ip, Icmpv6(icmp)));
    ASSERT_EQ(node.ip.icmp_errors().size(), 1u) << node.Drops();
    const IcmpError& e = node.ip.icmp_errors()[0];
    EXPECT_EQ(e.kind, row.kind);
    EXPECT_EQ(e.mtu, row.mtu);
    EXPECT_EQ(e.local, (SockAddr{own, 40'000}));
    EXPECT_EQ(e.remote, (SockAddr{f.far, 80}));
    EXPECT_EQ(e.sequence, 0xabcdef01u);
    EXPECT_EQ(node.Drops(), "");
    EXPECT_TRUE(node.Balanced());
  };
  for (const TellRow& row : v4) check(row, kV4, Addr("172.16.0.1"));
  for (const TellRow& row : v6) check(row, kV6, Addr("fd00:f::1"));
}

TEST(IcmpAboutTcp, IsToldAlsoForServiceAddresses) {
  TestNode node;
  node.Warm();
  const IpAddr service = Addr("10.96.0.10");
  node.Send(kPodA, wire::Ip({.source = kV4.a, .destination = service},
                            Icmp({.type = wire::kIcmpUnreachable,
                                  .code = 4,
                                  .rest = 1300,
                                  .payload = Quoted(service, kV4.a)})));
  ASSERT_EQ(node.ip.icmp_errors().size(), 1u);
  EXPECT_EQ(node.ip.icmp_errors()[0].local.ip, service);
  EXPECT_EQ(node.Drops(), "drop_no_route=1");  // and nobody else wants it
  EXPECT_TRUE(node.Balanced());
}

TEST(IcmpAboutTcp, IsIgnoredWhenItQuotesTooLittleOrSomethingElse) {
  const IpAddr own = Addr("172.16.0.1");
  const std::string udp = wire::Ip({.source = own, .destination = kV4.far}, Udp({}));
  std::string fragment =
      wire::Ip({.source = own, .destination = kV4.far, .fragment_offset = 8}, Tcp({}));
  for (const std::string& quoted :
       {Quoted(own, kV4.far).substr(0, 27), udp, fragment, std::string(28, '\0')}) {
    TestNode node;
    node.Warm();
    node.Send(kUplink, wire::Ip({.source = kV4.far, .destination = own},
                                Icmp({.type = wire::kIcmpUnreachable, .payload = quoted})));
    EXPECT_TRUE(node.ip.icmp_errors().empty());
    EXPECT_EQ(node.Drops(), "drop_icmp_ignored=1");
  }
}

TEST(IcmpAboutTcp, IsToldOnlySoOftenPerTurn) {
  TestNode node;
  node.Warm();
  const IpAddr own = Addr("172.16.0.1");
  for (size_t i = 0; i < limits::kIcmpErrorsToldPerTurn + 1; ++i) {
    node.Send(kUplink,
              wire::Ip({.source = kV4.far, .destination = own},
                       Icmp({.type = wire::kIcmpUnreachable, .payload = Quoted(own, kV4.far)})));
  }
  EXPECT_EQ(node.ip.icmp_errors().size(), limits::kIcmpErrorsToldPerTurn);
  EXPECT_EQ(node.ip.counters().icmp_error_overflow, 1u);
  EXPECT_TRUE(node.Balanced());
}

}  // namespace
}  // namespace meltemi::ip
