// What is merged, what is not, and that nothing is lost by it.
#include "dataplane/ip/merge.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/checksum.h"
#include "gtest/gtest.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr uint16_t kText = 1000;

struct Ends {
  IpAddr far, pod;
  uint16_t ip_bytes;
};
const Ends kEnds4{Addr("10.2.0.5"), Addr("10.1.0.11"), 20};
const Ends kEnds6{Addr("fd00:2::5"), Addr("fd00:1::11"), 40};

struct Piece {
  wire::IpFields ip;
  wire::TcpFields tcp;
};

// Number `index` of a row of segments of kText bytes.
Piece Next(const Ends& ends, uint32_t index) {
  std::string text(kText, static_cast<char>('a' + index % 26));
  return {
      .ip = {.source = ends.far, .destination = ends.pod, .id = static_cast<uint16_t>(index * 7)},
      .tcp = {.sequence = 0xffff'fe00 + index * kText,
              .acknowledgment = 77,
              .options = std::string("\x01\x01\x08\x0a\0\0\0\x05\0\0\0\x06", 12),
              .payload = std::move(text)}};
}

std::string Bytes(const Piece& p) { return wire::Ip(p.ip, wire::Tcp(p.tcp)); }

class MergeTest : public ::testing::Test {
 protected:
  MergeTest() { node_.Warm(); }
  ~MergeTest() override {
    node_.FreeSegments();
    for (const PortId port : {kPodA, kPodB, kUplink}) node_.Take(port);
    EXPECT_EQ(node_.pool.outstanding(), 0);
    EXPECT_TRUE(node_.Balanced());
  }

  void Receive(const Piece& p, PortId port = kUplink) { node_.Send(port, Bytes(p)); }
  int MergeAll() { return Merge(&node_.segments); }
  void ForwardAll() {
    for (const Segment& s : node_.segments) node_.ip.Forward(s, node_.now);
    node_.segments.clear();
  }
  std::string Text(const Segment& s) {
    const size_t header = size_t{packet::Data(s.packet)[12]} / 16 * 4;
    return wire::ToString(s.packet).substr(header);
  }

  TestNode node_;
};

TEST_F(MergeTest, JoinsWhatFollowsInOrder) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    std::string text;
    for (uint32_t i = 0; i < 5; ++i) {
      Piece p = Next(ends, i);
      if (i == 4) {
        p.tcp.payload.resize(300);
        p.tcp.flags |= wire::kTcpPsh | wire::kTcpFin;
      }
      text += p.tcp.payload;
      Receive(p);
    }
    EXPECT_EQ(MergeAll(), 4);
    ASSERT_EQ(node_.segments.size(), 1u);
    const Segment& s = node_.segments[0];
    EXPECT_EQ(s.parts, 5);
    EXPECT_EQ(s.part_bytes, kText);
    EXPECT_TRUE(s.checksum_trusted);
    EXPECT_EQ(Text(s), text);
    EXPECT_EQ(packet::Data(s.packet)[13], wire::kTcpAck | wire::kTcpPsh | wire::kTcpFin);
    node_.FreeSegments();
  }
}

// A rule each: a change of the second of three segments that parts it from the first.
struct Rule {
  const char* name;
  std::function<void(Piece*)> change;
  int joined = 0;  // of the three
  bool v4_only = false;
};

const std::vector<Rule>& Rules() {
  static const auto* rules = new std::vector<Rule>{
      {"nothing", [](Piece*) {}, 2},
      {"hole", [](Piece* p) { ++p->tcp.sequence; }},
      {"overlap", [](Piece* p) { --p->tcp.sequence; }},
      {"ack", [](Piece* p) { ++p->tcp.acknowledgment; }},
      {"window", [](Piece* p) { --p->tcp.window; }},
      {"timestamp", [](Piece* p) { ++p->tcp.options[7]; }},
      {"option length", [](Piece* p) { p->tcp.options += std::string(4, '\x01'); }},
      {"longer", [](Piece* p) { p->tcp.payload += 'x'; }},
      {"shorter ends", [](Piece* p) { p->tcp.payload.pop_back(); }, 1},
      {"push ends", [](Piece* p) { p->tcp.flags |= wire::kTcpPsh; }, 1},
      {"fin ends", [](Piece* p) { p->tcp.flags |= wire::kTcpFin; }, 1},
      {"no text", [](Piece* p) { p->tcp.payload.clear(); }},
      {"ece", [](Piece* p) { p->tcp.flags |= wire::kTcpEce; }},
      {"cwr", [](Piece* p) { p->tcp.flags |= wire::kTcpCwr; }},
      {"urgent", [](Piece* p) { p->tcp.flags |= wire::kTcpUrg; }},
      {"reset", [](Piece* p) { p->tcp.flags |= wire::kTcpRst; }},
      {"syn", [](Piece* p) { p->tcp.flags |= wire::kTcpSyn; }},
      {"not ack", [](Piece* p) { p->tcp.flags = 0; }},
      {"source port", [](Piece* p) { ++p->tcp.source_port; }},
      {"destination port", [](Piece* p) { ++p->tcp.destination_port; }},
      {"checksum", [](Piece* p) { p->tcp.bad_checksum = true; }},
      {"congestion", [](Piece* p) { p->ip.ecn = 3; }},
      {"ttl", [](Piece* p) { --p->ip.ttl; }},
      {"may be fragmented", [](Piece* p) { p->ip.dont_fragment = false; }, 0, true},
      {"ip options", [](Piece* p) { p->ip.options = std::string(4, '\x01'); }, 0, true},
  };
  return *rules;
}

// The third follows the second as it would have been unchanged: it is joined to what is as it is.
TEST_F(MergeTest, KeepsEveryRule) {
  for (const Ends& ends : {kEnds4, kEnds6}) {
    for (const Rule& rule : Rules()) {
      if (rule.v4_only && !ends.far.v4()) continue;
      for (uint32_t i = 0; i < 3; ++i) {
        Piece p = Next(ends, i);
        if (i == 1) rule.change(&p);
        Receive(p);
      }
      ASSERT_EQ(node_.segments.size(), 3u) << rule.name;
      EXPECT_EQ(MergeAll(), rule.joined) << rule.name;
      node_.FreeSegments();
    }
  }
}

// The first of a row decides too: with a flag that ends a run, or a bad checksum, none begins.
TEST_F(MergeTest, BeginsNoRunWithWhatEndsOne) {
  for (const uint8_t flag : {wire::kTcpPsh, wire::kTcpFin, wire::kTcpCwr, wire::kTcpUrg}) {
    Piece p = Next(kEnds4, 0);
    p.tcp.flags |= flag;
    Receive(p);
    Receive(Next(kEnds4, 1));
    EXPECT_EQ(MergeAll(), 0);
    node_.FreeSegments();
  }
  Piece bad = Next(kEnds4, 0);
  bad.tcp.bad_checksum = true;
  Receive(bad);
  for (const uint32_t i : {1, 2}) Receive(Next(kEnds4, i));
  EXPECT_EQ(MergeAll(), 1);
  EXPECT_FALSE(node_.segments[0].checksum_trusted);
}

TEST_F(MergeTest, KeepsShortOnesApart) {
  const uint32_t most = limits::kMergeBytesMin;
  for (const uint32_t bytes : {most - 1, most, most + 1}) {
    for (uint32_t i = 0; i < 2; ++i) {
      Piece p = Next(kEnds4, i);
      p.tcp.payload.resize(bytes - 32);
      p.tcp.sequence = 5 + i * (bytes - 32);
      Receive(p);
    }
    EXPECT_EQ(MergeAll(), bytes >= most ? 1 : 0);
    node_.FreeSegments();
  }
}

// With one connection more than the table has, each packet of the second round finds its run gone.
TEST_F(MergeTest, FollowsSoManyConnections) {
  const int most = limits::kMergeRunsMax;
  for (const int flows : {most - 1, most, most + 1}) {
    for (uint32_t i = 0; i < 2; ++i) {
      for (int flow = 0; flow < flows; ++flow) {
        Piece p = Next(kEnds4, i);
        p.tcp.source_port = static_cast<uint16_t>(2000 + flow);
        Receive(p);
      }
    }
    EXPECT_EQ(MergeAll(), flows <= most ? flows : 0);
    node_.FreeSegments();
  }
}

TEST_F(MergeTest, StaysAnIpPacket) {
  for (uint32_t i = 0; i < 35; ++i) {
    Piece p = Next(kEnds4, i);
    p.tcp.payload = std::string(2000, 'x');
    p.tcp.sequence = i * 2000;
    Receive(p);
  }
  EXPECT_EQ(MergeAll(), 33);
  EXPECT_EQ(node_.segments[0].parts, 32);  // 20 + 32 + 32 x 2000 bytes; a thing of its own after it
  EXPECT_EQ(node_.segments[1].parts, 3);
}

TEST_F(MergeTest, StaysWithinItsPieces) {
  const int most = limits::kMergePiecesMax;
  for (const int count : {most - 1, most, most + 1}) {
    for (int i = 0; i < count; ++i) Receive(Next(kEnds4, static_cast<uint32_t>(i)));
    EXPECT_EQ(MergeAll(), std::min(count, most) - 1);
    EXPECT_EQ(node_.segments[0].packet->nb_segs, std::min(count, most));
    node_.FreeSegments();
  }
}

// Between them and behind them: others keep their order.
TEST_F(MergeTest, LeavesTheOthersInTheirOrder) {
  Piece other = Next(kEnds4, 9);
  other.tcp.source_port = 9;
  Piece small = Next(kEnds4, 0);
  small.tcp.source_port = 8;
  small.tcp.payload = "x";
  Receive(Next(kEnds4, 0));
  Receive(other);
  Receive(Next(kEnds4, 1));
  Receive(small);
  Receive(Next(kEnds4, 2));
  EXPECT_EQ(MergeAll(), 2);
  ASSERT_EQ(node_.segments.size(), 3u);
  EXPECT_EQ(node_.segments[0].parts, 3);
  EXPECT_EQ(node_.segments[1].source.port, 9);
  EXPECT_EQ(node_.segments[2].source.port, 8);
}

}  // namespace
}  // namespace meltemi::ip
