// Goal: fragments for the plane become the datagram that was sent, in whatever order they come, and
// nothing else does. Method: a small node, echo requests in fragments; what is dropped is compared
// whole. What many fragments can cost: reassembly_limits_test.cc.
#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/ip/testing/fragments.h"

namespace meltemi::ip {
namespace {

using wire::IpFields;

const uint8_t* Bytes(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

void ExpectClean(TestNode& node) {
  for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  EXPECT_TRUE(node.Balanced());
  EXPECT_EQ(node.ip.held_fragments(), 0u);
  EXPECT_EQ(node.ip.held_datagrams(), 0u);
  EXPECT_EQ(node.ip.reassembly_bytes(), 0u);
  EXPECT_EQ(node.pool.outstanding(), 0);
}

TEST(Reassembly, MakesTheDatagramInEveryOrder) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    std::vector<int> order = {0, 1, 2, 3};
    do {
      TestNode node;
      node.Warm();
      const std::string echo = EchoBytes(ends, 200);
      const std::vector<std::string> parts = {Part(ends, echo, 0, 64), Part(ends, echo, 64, 72),
                                              Part(ends, echo, 136, 8),
                                              Part(ends, echo, 144, 64, /*more=*/false)};
      for (size_t i = 0; i < order.size(); ++i) {
        EXPECT_EQ(node.ip.held_fragments(), i);
        EXPECT_TRUE(node.TakeIp(kPodA).empty());
        node.Send(kPodA, parts[order[i]]);
        EXPECT_TRUE(node.Balanced());
      }
      const auto out = node.TakeIp(kPodA);
      ASSERT_EQ(out.size(), 1u) << node.Drops();
      EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
      EXPECT_EQ(out[0].substr(ends.ip_bytes + 4), echo.substr(4));
      EXPECT_EQ(node.ip.counters().fragments_joined, 4u);
      EXPECT_EQ(node.ip.counters().reassembled, 1u);
      EXPECT_EQ(node.Drops(), "");
      ExpectClean(node);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(Reassembly, ReadsFragmentsThatAreCutIntoPieces) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const uint32_t piece : {3u, 14u, 34u, 62u, 100u}) {
      TestNode node;
      node.Warm();
      const std::string echo = EchoBytes(ends, 200);
      for (const std::string& part :
           {Part(ends, echo, 104, 104, /*more=*/false), Part(ends, echo, 0, 104)}) {
        node.SendPacket(
            kPodA,
            wire::ToPacket(
                &node.pool,
                wire::Ethernet({.destination = PlaneMac(kPodA), .source = PeerMac(kPodA)}, part),
                piece));
      }
      const auto out = node.TakeIp(kPodA);
      ASSERT_EQ(out.size(), 1u) << node.Drops();
      EXPECT_EQ(out[0].substr(ends.ip_bytes + 4), echo.substr(4));
      ExpectClean(node);
    }
  }
}

// As long as they can be: 65 507 and 65 527 bytes of ICMP payload, answered in fragments.
TEST(Reassembly, MakesTheLongestDatagram) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    TestNode node;
    node.Warm();
    const std::string echo = EchoBytes(ends, ends.a.v4() ? 65'507 : 65'527);
    const size_t size = ends.a.v4() ? 1480 : 1448;
    for (size_t at = 0; at < echo.size(); at += size) {
      node.Send(kPodA, Part(ends, echo, at, size, at + size < echo.size()));
    }
    EXPECT_EQ(node.Drops(), "");
    EXPECT_EQ(node.ip.counters().reassembled, 1u);
    EXPECT_EQ(node.TakeIp(kPodA).size(), (echo.size() + size - 1) / size);
    ExpectClean(node);
  }
}

TEST(Reassembly, AnswersForAPortAboutTheWholeDatagram) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    TestNode node;
    node.Warm();
    const IpFields fields{.source = ends.a, .destination = ends.gateway};
    const std::string udp = wire::Udp({.payload = std::string(92, 'u')}).bytes(fields);
    node.Send(kPodA, Part(ends, udp, 48, 52, /*more=*/false, wire::kProtoUdp));
    node.Send(kPodA, Part(ends, udp, 0, 48, /*more=*/true, wire::kProtoUdp));
    EXPECT_EQ(node.Drops(), "drop_protocol=1");
    const auto out = node.TakeIp(kPodA);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
    EXPECT_EQ(out[0].substr(ends.ip_bytes + 8 + ends.ip_bytes), udp);
    ExpectClean(node);
  }
}

struct OverlapRow {
  const char* name;
  struct {
    size_t at, bytes;
    bool more;
  } parts[3];
  int count;
};

TEST(Reassembly, RefusesWhatOverlapsWhole) {
  const OverlapRow rows[] = {
      {"its front", {{0, 64, true}, {56, 64, true}}, 2},
      {"its back", {{64, 64, true}, {0, 72, true}}, 2},
      {"lies in it", {{0, 64, true}, {8, 8, true}}, 2},
      {"covers it", {{8, 8, true}, {0, 64, true}}, 2},
      {"same place, longer", {{0, 8, true}, {0, 16, true}}, 2},
      {"same place, shorter", {{0, 16, true}, {0, 8, true}}, 2},
      {"in between", {{0, 16, true}, {32, 16, true}, {8, 32, true}}, 3},
      {"another end", {{144, 64, false}, {128, 8, false}}, 2},
      {"behind the end", {{144, 64, false}, {208, 8, true}}, 2},
      {"the end goes on", {{144, 64, false}, {144, 64, true}}, 2},
      {"an end before what is there", {{144, 64, true}, {64, 16, false}}, 2},
  };
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const OverlapRow& row : rows) {
      SCOPED_TRACE(row.name);
      TestNode node;
      node.Warm();
      const std::string echo = EchoBytes(ends, 400);
      for (int i = 0; i < row.count; ++i) {
        const auto& p = row.parts[i];
        node.Send(kPodA, Part(ends, echo, p.at, p.bytes, p.more));
      }
      const std::string overlap = "drop_fragment_overlap=" + std::to_string(row.count);
      EXPECT_EQ(node.Drops(), overlap);
      EXPECT_EQ(node.ip.counters().datagrams_refused, 1u);
      EXPECT_EQ(node.ip.held_fragments(), 0u);
      // RFC 5722: what still comes is refused too, until it is forgotten.
      node.Send(kPodA, Part(ends, echo, 0, 208));
      node.Send(kPodA, Part(ends, echo, 208, 200, /*more=*/false));
      EXPECT_EQ(node.Drops(), overlap + " drop_fragment_refused=2");
      EXPECT_TRUE(node.TakeIp(kPodA).empty());
      node.Advance(Duration::Seconds(61));
      EXPECT_TRUE(node.TakeIp(kPodA).empty());
      node.Send(kPodA, Part(ends, echo, 0, 208));
      node.Send(kPodA, Part(ends, echo, 208, 200, /*more=*/false));
      EXPECT_EQ(node.ip.counters().reassembled, 1u);
      ExpectClean(node);
    }
  }
}

TEST(Reassembly, PassesOverDuplicates) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    TestNode node;
    node.Warm();
    const std::string echo = EchoBytes(ends, 200);
    for (int i = 0; i < 3; ++i) node.Send(kPodA, Part(ends, echo, 104, 104, /*more=*/false));
    node.Send(kPodA, Part(ends, echo, 0, 104));
    EXPECT_EQ(node.Drops(), "drop_fragment_duplicate=2");
    EXPECT_EQ(node.TakeIp(kPodA).size(), 1u);
    ExpectClean(node);
  }
}

TEST(Reassembly, TellsDatagramsApart) {
  // One is whole only with parts of its own: another id, source, destination or protocol is another
  // datagram.
  const std::string echo = EchoBytes(kEnds4, 200);
  const Ends from_b{Addr("10.1.0.12"), kEnds4.gateway, 20};
  const Ends to_uplink{kEnds4.a, Addr("172.16.0.1"), 20};
  TestNode node;
  node.Warm();
  node.Send(kPodA, Part(kEnds4, echo, 0, 104));
  node.Send(kPodA, Part(kEnds4, echo, 104, 104, /*more=*/false, wire::kProtoIcmp, /*id=*/8));
  node.Send(kPodB, Part(from_b, echo, 104, 104, /*more=*/false));
  node.Send(kPodA, Part(to_uplink, echo, 104, 104, /*more=*/false));
  node.Send(kPodA, Part(kEnds4, echo, 104, 104, /*more=*/false, wire::kProtoUdp));
  EXPECT_EQ(node.ip.held_datagrams(), 5u);
  EXPECT_EQ(node.ip.counters().reassembled, 0u);
  node.Send(kPodA, Part(kEnds4, echo, 104, 104, /*more=*/false));
  EXPECT_EQ(node.ip.counters().reassembled, 1u);
  EXPECT_EQ(node.ip.held_datagrams(), 4u);
  node.Advance(Duration::Seconds(31));
  EXPECT_EQ(node.Drops(), "drop_fragment_timeout=4");
  ExpectClean(node);
}

TEST(Reassembly, GivesUpAfterAWhileAndSaysSo) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const bool first : {true, false}) {
      TestNode node;
      node.Warm();
      const std::string echo = EchoBytes(ends, 200);
      node.Send(kPodA, first ? Part(ends, echo, 0, 104) : Part(ends, echo, 8, 96));
      const Duration timeout = Duration::Seconds(ends.a.v4() ? 30 : 60);
      node.Advance(timeout - Duration::Millis(1));
      EXPECT_EQ(node.ip.held_fragments(), 1u);
      node.Resolve();  // answers are sent to whom one knows
      node.Advance(Duration::Millis(2));
      EXPECT_EQ(node.Drops(), "drop_fragment_timeout=1");
      const auto out = node.TakeIp(kPodA);
      ASSERT_EQ(out.size(), first ? 1u : 0u);
      if (first) {
        EXPECT_TRUE(wire::ChecksumsCorrect(out[0]));
        const uint8_t* icmp = Bytes(out[0]) + ends.ip_bytes;
        EXPECT_EQ(icmp[0],
                  ends.a.v4() ? wire::kIcmpTimeExceeded + 0 : wire::kIcmpv6TimeExceeded + 0);
        EXPECT_EQ(icmp[1], 1);
      }
      ExpectClean(node);
    }
  }
}

TEST(Reassembly, RefusesFragmentsThatCannotBe) {
  struct Row {
    const char* name;
    size_t at, bytes;
    bool more, refused;
    bool told;  // IPv6: Parameter Problem
  };
  const Row rows[] = {
      {"nothing in it", 8, 0, false, true, false},
      {"ragged", 0, 65, true, true, true},
      {"the last may be ragged", 8, 65, false, false, false},
      {"ends where a datagram must", 65'472, 43, false, false, false},
      {"ends behind (IPv4)", 65'472, 44, false, true, false},
  };
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      const size_t extra =
          !ends.a.v4() && row.at > 1000 ? 20 : 0;  // its length leaves the header out
      TestNode node;
      node.Warm();
      node.Send(kPodA, Part(ends, EchoBytes(ends, 65'600), row.at, row.bytes + extra, row.more));
      EXPECT_EQ(node.Drops(), row.refused ? "drop_fragment_invalid=1" : "");
      EXPECT_EQ(node.ip.held_fragments(), row.refused ? 0u : 1u);
      const auto out = node.TakeIp(kPodA);
      ASSERT_EQ(out.size(), row.told && !ends.a.v4() ? 1u : 0u);
      if (!out.empty()) {
        EXPECT_EQ(Bytes(out[0])[40], wire::kIcmpv6ParameterProblem);
        EXPECT_EQ(wire::Load32(Bytes(out[0]) + 44), 4u);  // the Payload Length field
      }
      node.Advance(Duration::Seconds(61));
      ExpectClean(node);
    }
  }
}

// The first fragment's options make the whole longer than any one of its fragments could tell.
TEST(Reassembly, RefusesADatagramLongerThanItsHeaderCanSay) {
  TestNode node;
  node.Warm();
  const std::string payload(65'515, 'x');
  IpFields fields{.source = kEnds4.a,
                  .destination = kEnds4.gateway,
                  .id = 7,
                  .dont_fragment = false,
                  .more_fragments = true};
  fields.options = std::string(4, '\x01');
  node.Send(kPodA, wire::Ip(fields, wire::Raw(wire::kProtoIcmp, payload.substr(0, 32'000))));
  node.Send(kPodA, Part(kEnds4, payload, 32'000, 33'515, /*more=*/false));
  EXPECT_EQ(node.Drops(), "drop_fragment_invalid=2");
  EXPECT_EQ(node.ip.held_fragments(), 0u);
  node.Advance(Duration::Seconds(31));
  ExpectClean(node);
}

TEST(Reassembly, JoinsCongestionMarks) {
  struct Row {
    uint8_t first, second;
    const char* drops;
  };
  const Row rows[] = {{2, 2, ""},
                      {2, 3, ""},
                      {3, 1, ""},
                      {0, 0, ""},
                      {0, 3, "drop_fragment_ecn=2"},
                      {3, 0, "drop_fragment_ecn=2"}};
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const Row& row : rows) {
      TestNode node;
      node.Warm();
      const std::string echo = EchoBytes(ends, 200);
      node.Send(kPodA, Part(ends, echo, 0, 104, true, 0, 7, row.first));
      node.Send(kPodA, Part(ends, echo, 104, 104, false, 0, 7, row.second));
      EXPECT_EQ(node.Drops(), row.drops);
      node.Advance(Duration::Seconds(61));
      ExpectClean(node);
    }
  }
}

// Hop-by-Hop options, here padding, stand in front of the Fragment header in every fragment.
std::string WithHopByHop(std::string part) {
  part[6] = wire::kProtoHopByHop;
  part.insert(40, std::string("\x2c\x00\x01\x04\0\0\0\0", 8));
  wire::Store16(reinterpret_cast<uint8_t*>(part.data()) + 4,
                static_cast<uint16_t>(part.size() - 40));
  return part;
}

TEST(Reassembly, KeepsTheHeadersInFrontOfTheFragmentHeader) {
  TestNode node;
  node.Warm();
  const std::string echo = EchoBytes(kEnds6, 200);
  node.Send(kPodA, WithHopByHop(Part(kEnds6, echo, 0, 104)));
  node.Send(kPodA, WithHopByHop(Part(kEnds6, echo, 104, 104, /*more=*/false)));
  const auto out = node.TakeIp(kPodA);
  ASSERT_EQ(out.size(), 1u) << node.Drops();
  EXPECT_EQ(out[0].substr(44), echo.substr(4));
  ExpectClean(node);
}

TEST(Reassembly, HoldsOnlyWhatThePlaneSpeaks) {
  for (const uint8_t protocol :
       {wire::kProtoFragment, wire::kProtoDestinationOptions, wire::kProtoEsp, wire::kProtoIcmp}) {
    TestNode node;
    node.Warm();
    node.Send(kPodA, Part(kEnds6, std::string(64, '\0'), 0, 32, /*more=*/true, protocol));
    EXPECT_EQ(node.Drops(), "drop_fragment_local=1");
    ExpectClean(node);
  }
}

TEST(Reassembly, TakesNoNeighbourDiscoveryInFragments) {  // RFC 6980 5
  TestNode node;
  node.Warm();
  const IpFields fields{.source = kEnds6.a, .destination = kEnds6.gateway, .ttl = 255};
  const std::string nd = wire::Nd({.type = wire::kIcmpv6NeighbourSolicitation,
                                   .target = kEnds6.gateway,
                                   .link_address = PeerMac(kPodA)})
                             .bytes(fields);
  node.Send(kPodA, Part(kEnds6, nd, 0, 16));
  node.Send(kPodA, Part(kEnds6, nd, 16, nd.size() - 16, /*more=*/false));
  EXPECT_EQ(node.Drops(), "drop_nd_invalid=1");
  ExpectClean(node);
}

TEST(Reassembly, GoesWithItsPort) {
  TestNode node;
  node.Warm();
  for (const Ends& ends : {kEnds4, kEnds6}) {
    node.Send(kPodA, Part(ends, EchoBytes(ends, 200), 0, 104));
  }
  node.ip.RemovePort(kPodB);
  EXPECT_EQ(node.ip.held_fragments(), 2u);
  node.ip.RemovePort(kPodA);
  EXPECT_EQ(node.Drops(), "drop_port_gone=2");
  ExpectClean(node);
}

}  // namespace
}  // namespace meltemi::ip
