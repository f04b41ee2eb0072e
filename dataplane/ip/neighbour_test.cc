// Goal: neighbours are found, kept, probed and forgotten as RFC 826 and RFC 4861 say; the plane
// answers for its own addresses and as a proxy. Method: a small node in virtual time.
#include <gtest/gtest.h>

#include <set>

#include "dataplane/ip/testing/node.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

using wire::Udp;

struct Family {
  IpAddr a, b, far, gateway, next_hop;
};
const Family kV4{Addr("10.1.0.11"), Addr("10.1.0.12"), Addr("10.2.0.5"), Addr("10.1.0.1"),
                 Addr("172.16.0.2")};
const Family kV6{Addr("fd00:1::11"), Addr("fd00:1::12"), Addr("fd00:2::5"), Addr("fd00:1::1"),
                 Addr("fd00:f::2")};

const uint8_t* Bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

std::string UdpPacket(const IpAddr& from, const IpAddr& to, const std::string& payload,
                      uint8_t ttl = 64) {
  return wire::Ip({.source = from, .destination = to, .ttl = ttl}, Udp({.payload = payload}));
}

// Who is asked for by this frame, if it is a request or solicitation.
std::optional<IpAddr> AskedFor(const std::string& frame) {
  const std::string body = frame.substr(14);
  if (const auto arp = wire::ArpMessage::Parse(Bytes(body), body.size())) {
    return arp->operation == wire::kArpRequest ? std::optional(arp->target_ip) : std::nullopt;
  }
  if (body.size() < 64 || body[6] != wire::kProtoIcmpv6 || !wire::ChecksumsCorrect(body))
    return std::nullopt;
  const auto nd = wire::NdMessage::Parse(Bytes(body) + 40, body.size() - 40);
  if (!nd || nd->type != wire::kIcmpv6NeighbourSolicitation) return std::nullopt;
  return nd->target;
}
MacAddr DestinationOf(const std::string& frame) { return wire::LoadMac(Bytes(frame)); }

TEST(Neighbours, PacketsWaitForTheAnswerInOrder) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    for (const char* text : {"1", "2", "3"}) node.Send(kPodA, UdpPacket(f.a, f.far, text));
    EXPECT_EQ(node.ip.pending_packets(), 3u);
    EXPECT_TRUE(node.Balanced());
    ASSERT_EQ(node.ip.tx(kUplink).size(), 1u);  // asked once
    const std::string question = wire::ToString(node.ip.tx(kUplink)[0]);
    EXPECT_EQ(AskedFor(question), f.next_hop);
    EXPECT_EQ(DestinationOf(question),
              f.a.v4() ? wire::kBroadcastMac : wire::MulticastMac(wire::SolicitedNode(f.next_hop)));
    node.Resolve();
    EXPECT_EQ(node.TakeIp(kUplink), (std::vector<std::string>{UdpPacket(f.a, f.far, "1", 63),
                                                              UdpPacket(f.a, f.far, "2", 63),
                                                              UdpPacket(f.a, f.far, "3", 63)}));
    EXPECT_EQ(node.ip.pending_packets(), 0u);
    EXPECT_EQ(node.Drops(), "");
    EXPECT_TRUE(node.Balanced());
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
}

TEST(Neighbours, OnlySoManyPacketsWait) {
  for (const int extra : {-1, 0, 1}) {
    TestNode node;
    const int n = limits::kNeighbourPendingPackets + extra;
    for (int i = 0; i < n; ++i) node.Send(kPodA, UdpPacket(kV4.a, kV4.far, std::to_string(i)));
    EXPECT_EQ(node.Drops(), extra > 0 ? "drop_neighbour_queue_full=1" : "");
    node.Resolve();
    const auto out = node.TakeIp(kUplink);
    ASSERT_EQ(out.size(), static_cast<size_t>(n - std::max(extra, 0)));
    // The latest are kept.
    EXPECT_EQ(out.back(), UdpPacket(kV4.a, kV4.far, std::to_string(n - 1), 63));
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(Neighbours, AreAskedThreeTimesThenPacketsAreAnsweredUnreachable) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.ip.LearnNeighbour({kPodA, f.a, PeerMac(kPodA)}, node.now);
    node.Send(kPodA, UdpPacket(f.a, f.far, "lost"));
    int questions = 0;
    for (int half_seconds = 0; half_seconds < 7; ++half_seconds) {
      for (const std::string& frame : node.Take(kUplink))
        questions += AskedFor(frame) == f.next_hop;
      node.Advance(Duration::Millis(500));
    }
    EXPECT_EQ(questions, 3);
    EXPECT_EQ(node.Drops(), "drop_neighbour_failed=1");
    const auto out = node.TakeIp(kPodA);
    ASSERT_EQ(out.size(), 1u);
    const size_t at = f.a.v4() ? 20 : 40;
    EXPECT_EQ(out[0][at], f.a.v4() ? 3 : 1);      // unreachable
    EXPECT_EQ(out[0][at + 1], f.a.v4() ? 1 : 3);  // host, address
    // For a while nothing is asked for it; then again.
    node.Send(kPodA, UdpPacket(f.a, f.far, "too soon"));
    EXPECT_EQ(node.Drops(), "drop_neighbour_failed=2");
    EXPECT_TRUE(node.Take(kUplink).empty());
    node.Advance(Duration::Seconds(2));
    node.Send(kPodA, UdpPacket(f.a, f.far, "again"));
    node.Resolve();
    EXPECT_EQ(node.TakeIp(kUplink).size(), 1u);
    EXPECT_TRUE(node.Balanced());
    EXPECT_EQ(node.pool.outstanding(), 0);
  }
}

TEST(Neighbours, StaleOnesInUseAreProbedByUnicastWhilePacketsGoOn) {
  for (const Family& f : {kV4, kV6}) {
    TestNode node;
    node.Warm();
    node.Advance(Duration::Seconds(46));  // beyond 1.5 x 30 s
    EXPECT_TRUE(node.Take(kUplink).empty());
    node.Send(kPodA, UdpPacket(f.a, f.far, "x"));
    const auto out = node.Take(kUplink);
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(AskedFor(out[0]), f.next_hop);
    EXPECT_EQ(DestinationOf(out[0]), PeerMac(kUplink));
    EXPECT_EQ(out[1].substr(14), UdpPacket(f.a, f.far, "x", 63));
    // Nobody answers: forgotten, and asked for from the start.
    node.Advance(Duration::Seconds(1));
    node.Advance(Duration::Seconds(1));
    node.Advance(Duration::Seconds(1));
    node.Advance(Duration::Seconds(1));
    node.Take(kUplink);
    node.Send(kPodA, UdpPacket(f.a, f.far, "y"));
    EXPECT_EQ(node.ip.pending_packets(), 1u);
    node.Resolve();
    EXPECT_EQ(node.TakeIp(kUplink).size(), 1u);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(Neighbours, UnusedOnesAreForgotten) {
  TestNode node;
  node.Warm();
  EXPECT_EQ(node.ip.neighbour_count(), 6u);
  node.Advance(Duration::Seconds(46));
  node.Advance(Duration::Seconds(601));
  EXPECT_EQ(node.ip.neighbour_count(), 0u);
  EXPECT_EQ(node.timers.size(), 0u);
}

TEST(Neighbours, AFullTableForgetsTheLeastRecentlyUsed) {
  TestNode node;
  for (uint32_t i = 0; i < limits::kNeighbourCountMax; ++i) {
    node.now = node.now + Duration::Micros(1);
    node.ip.LearnNeighbour({kUplink, IpAddr::V4(0x0c000000u + i), PeerMac(kUplink)}, node.now);
  }
  EXPECT_EQ(node.ip.neighbour_count(), limits::kNeighbourCountMax);
  EXPECT_EQ(node.ip.counters().neighbour_evictions, 0u);
  node.Send(kPodA, UdpPacket(kV4.a, kV4.far, "new"));
  EXPECT_EQ(node.ip.neighbour_count(), limits::kNeighbourCountMax);
  EXPECT_EQ(node.ip.counters().neighbour_evictions, 1u);
  node.Resolve();
  EXPECT_EQ(node.TakeIp(kUplink).size(), 1u);
}

TEST(Neighbours, AFullTableOfUnansweredOnesRefusesMore) {
  TestNode node;
  node.ip.SetRoutes({{.prefix = *IpPrefix::Parse("12.0.0.0/8"), .port = kUplink, .via = {}}});
  for (uint32_t i = 0; i < limits::kNeighbourCountMax + 1; ++i) {
    node.Send(kPodA, UdpPacket(kV4.a, IpAddr::V4(0x0c000000u + i), "x"));
    node.Take(kUplink);
  }
  EXPECT_EQ(node.Drops(), "drop_neighbour_table_full=1");
  EXPECT_EQ(node.ip.pending_packets(), limits::kNeighbourCountMax);
  EXPECT_TRUE(node.Balanced());
  node.ip.RemovePort(kUplink);
  EXPECT_EQ(node.ip.pending_packets(), 0u);
  EXPECT_TRUE(node.Balanced());
  EXPECT_EQ(node.pool.outstanding(), 0);
}

TEST(Neighbours, ANewMacIsUsedAtOnce) {
  TestNode node;
  node.Warm();
  const MacAddr moved{2, 0, 0, 0, 7, 7};
  // Gratuitous ARP, and an unsolicited NA that overrides.
  node.Send(kUplink, wire::Arp({wire::kArpRequest, moved, kV4.next_hop, {}, kV4.next_hop}),
            wire::kBroadcastMac);
  node.Send(kUplink,
            wire::Ip({.source = kV6.next_hop, .destination = wire::AllNodes(), .ttl = 255},
                     wire::Nd({.type = wire::kIcmpv6NeighbourAdvertisement,
                               .flags = wire::kNaOverride,
                               .target = kV6.next_hop,
                               .link_address = moved})),
            wire::MulticastMac(wire::AllNodes()));
  EXPECT_EQ(node.Drops(), "");
  for (const Family& f : {kV4, kV6}) {
    node.Send(kPodA, UdpPacket(f.a, f.far, "x"));
    const auto out = node.Take(kUplink);
    ASSERT_FALSE(out.empty());
    EXPECT_EQ(DestinationOf(out.back()), moved);
  }
  EXPECT_TRUE(node.Balanced());
}

TEST(Neighbours, AnNaWithoutOverrideDoesNotReplaceAMac) {
  TestNode node;
  node.Warm();
  node.Send(kUplink,
            wire::Ip({.source = kV6.next_hop, .destination = Addr("fd00:f::1"), .ttl = 255},
                     wire::Nd({.type = wire::kIcmpv6NeighbourAdvertisement,
                               .flags = wire::kNaSolicited,
                               .target = kV6.next_hop,
                               .link_address = MacAddr{2, 0, 0, 0, 7, 7}})));
  node.Send(kPodA, UdpPacket(kV6.a, kV6.far, "x"));
  EXPECT_EQ(DestinationOf(node.Take(kUplink).back()), PeerMac(kUplink));
}

TEST(Neighbours, AreToldToOtherWorkersAndTakenFromThem) {
  TestNode asker, receiver;
  asker.Send(kPodA, UdpPacket(kV4.a, kV4.far, "x"));
  asker.Send(kPodA, UdpPacket(kV6.a, kV6.far, "y"));
  // The answers arrive at the other worker, which had not asked.
  receiver.Send(kUplink, wire::Arp({wire::kArpReply, PeerMac(kUplink), kV4.next_hop,
                                    PlaneMac(kUplink), Addr("172.16.0.1")}));
  receiver.Send(kUplink,
                wire::Ip({.source = kV6.next_hop, .destination = Addr("fd00:f::1"), .ttl = 255},
                         wire::Nd({.type = wire::kIcmpv6NeighbourAdvertisement,
                                   .flags = wire::kNaSolicited | wire::kNaOverride,
                                   .target = kV6.next_hop,
                                   .link_address = PeerMac(kUplink)})));
  ASSERT_EQ(receiver.ip.learned().size(), 2u);
  for (const Neighbour& n : receiver.ip.learned()) asker.ip.LearnNeighbour(n, asker.now);
  EXPECT_EQ(asker.TakeIp(kUplink).size(), 2u);
  EXPECT_TRUE(asker.ip.learned().empty());  // not told on
  EXPECT_TRUE(receiver.Balanced());
}

struct AnswerRow {
  const char* name;
  PortId port;
  const char* sender;
  const char* target;
  bool answered;
};

TEST(Arp, AnswersForOwnAndProxiedAddresses) {
  const AnswerRow rows[] = {
      {"gateway", kPodA, "10.1.0.11", "10.1.0.1", true},
      {"gateway on the other port", kPodB, "10.1.0.12", "10.1.0.1", true},
      {"another pod of the subnet", kPodA, "10.1.0.11", "10.1.0.12", true},
      {"the pod itself", kPodA, "10.1.0.11", "10.1.0.11", false},
      {"the pod probes its own address", kPodA, "0.0.0.0", "10.1.0.11", false},
      {"the pod probes another's", kPodA, "0.0.0.0", "10.1.0.12", true},
      {"nobody's", kPodA, "10.1.0.11", "10.1.0.99", false},
      {"off the link", kPodA, "10.1.0.11", "10.2.0.5", false},
      {"the uplink's own", kUplink, "172.16.0.2", "172.16.0.1", true},
      {"a neighbour of the uplink", kUplink, "172.16.0.2", "172.16.0.3", false},
      {"a pod, on the uplink", kUplink, "172.16.0.2", "10.1.0.11", false},
  };
  for (const AnswerRow& row : rows) {
    SCOPED_TRACE(row.name);
    TestNode node;
    node.Send(
        row.port,
        wire::Arp({wire::kArpRequest, PeerMac(row.port), Addr(row.sender), {}, Addr(row.target)}),
        wire::kBroadcastMac);
    const auto out = node.Take(row.port);
    ASSERT_EQ(out.size(), row.answered ? 1u : 0u);
    EXPECT_TRUE(node.Balanced());
    if (!row.answered) continue;
    EXPECT_EQ(out[0],
              wire::Ethernet({.destination = PeerMac(row.port), .source = PlaneMac(row.port)},
                             wire::Arp({wire::kArpReply, PlaneMac(row.port), Addr(row.target),
                                        PeerMac(row.port), Addr(row.sender)})));
  }
}

TEST(Nd, AnswersForOwnAndProxiedAddresses) {
  const AnswerRow rows[] = {
      {"gateway", kPodA, "fd00:1::11", "fd00:1::1", true},
      {"link-local of the port", kPodA, "fd00:1::11", "fe80::ff:fe00:0", true},
      {"asked from link-local", kPodA, "fe80::11", "fd00:1::1", true},
      {"another pod of the subnet", kPodA, "fd00:1::11", "fd00:1::12", true},
      {"DAD for its own address", kPodA, "::", "fd00:1::11", false},
      {"DAD for the gateway's", kPodA, "::", "fd00:1::1", true},
      {"nobody's", kPodA, "fd00:1::11", "fd00:1::99", false},
      {"off the link", kPodA, "fd00:1::11", "fd00:2::5", false},
      {"the uplink's own", kUplink, "fd00:f::2", "fd00:f::1", true},
  };
  for (const AnswerRow& row : rows) {
    SCOPED_TRACE(row.name);
    TestNode node;
    const IpAddr sender = Addr(row.sender), target = Addr(row.target);
    const bool dad = sender.unspecified();
    wire::NdMessage ns{
        .type = wire::kIcmpv6NeighbourSolicitation, .target = target, .link_address = {}};
    if (!dad) ns.link_address = PeerMac(row.port);
    const IpAddr group = wire::SolicitedNode(target);
    node.Send(row.port,
              wire::Ip({.source = sender, .destination = group, .ttl = 255}, wire::Nd(ns)),
              wire::MulticastMac(group));
    const auto out = node.Take(row.port);
    ASSERT_EQ(out.size(), row.answered ? 1u : 0u) << node.Drops();
    EXPECT_TRUE(node.Balanced());
    if (!row.answered) continue;
    EXPECT_EQ(DestinationOf(out[0]),
              dad ? wire::MulticastMac(wire::AllNodes()) : PeerMac(row.port));
    const std::string packet = out[0].substr(14);
    EXPECT_TRUE(wire::ChecksumsCorrect(packet));
    const auto header = *wire::Ipv6Header::Parse(Bytes(packet), packet.size());
    EXPECT_EQ(header.hop_limit, 255);
    EXPECT_EQ(header.destination, dad ? wire::AllNodes() : sender);
    const auto na = *wire::NdMessage::Parse(Bytes(packet) + 40, packet.size() - 40);
    EXPECT_EQ(na.target, target);
    EXPECT_EQ(na.link_address, PlaneMac(row.port));
    const bool own = target != Addr("fd00:1::12");
    EXPECT_EQ(na.flags,
              wire::kNaRouter | (dad ? 0 : wire::kNaSolicited) | (own ? wire::kNaOverride : 0));
  }
}

TEST(Arp, LearnsFromQuestionsToUs) {
  TestNode node;
  node.Send(kPodA, wire::Arp({wire::kArpRequest, PeerMac(kPodA), kV4.a, {}, kV4.gateway}),
            wire::kBroadcastMac);
  node.Take(kPodA);
  node.Send(kUplink, UdpPacket(kV4.far, kV4.a, "x"));
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 1u);  // nobody had to be asked first
  EXPECT_EQ(out[0], UdpPacket(kV4.far, kV4.a, "x", 63));
}

TEST(Announcements, TellTheLinkOurMacWhenAPortIsAdded) {
  TestNode node;
  node.ip.AddPort(kPodA, node.PortOptionsOf(kPodA));
  const auto out = node.Take(kPodA);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].substr(14),
            wire::Arp({wire::kArpRequest, PlaneMac(kPodA), kV4.gateway, {}, kV4.gateway}));
  EXPECT_EQ(DestinationOf(out[0]), wire::kBroadcastMac);
  EXPECT_TRUE(wire::ChecksumsCorrect(out[1].substr(14)));
  EXPECT_EQ(DestinationOf(out[1]), wire::MulticastMac(wire::AllNodes()));
}

TEST(Ports, TakeTheirQueuesAndNeighboursAlong) {
  TestNode node;
  node.Send(kPodA, UdpPacket(kV4.a, kV4.far, "waits"));
  EXPECT_EQ(node.ip.pending_packets(), 1u);
  node.ip.RemovePort(kUplink);
  EXPECT_EQ(node.Drops(), "drop_port_gone=1");
  EXPECT_EQ(node.pool.outstanding(), 0);
  EXPECT_EQ(node.timers.size(), 0u);
  node.Send(kPodA, UdpPacket(kV4.a, kV4.far, "no route now"));
  EXPECT_EQ(node.ip.counters().drop_no_route, 1u);
  EXPECT_TRUE(node.ip.tx(kUplink).empty());
  EXPECT_TRUE(node.Balanced());
}

}  // namespace
}  // namespace meltemi::ip
