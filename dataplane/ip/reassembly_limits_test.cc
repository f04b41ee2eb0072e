// Goal: fragments cost no more than the bounds say, whoever sends however many, and a source at its
// bound takes nothing from others. Method: bounds at n-1, n and n+1, then a flood of fragments.
#include <gtest/gtest.h>

#include "dataplane/ip/testing/fragments.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

// What a datagram of one small fragment, or of one beyond 2 KB, is charged.
constexpr uint32_t kSmallCharge = 2048 + packet::kSmallRoom;
constexpr uint32_t kLargeCharge = 2048 + packet::kLargeRoom;

const std::string kBytes(8192, 'x');

// One of 250 far senders to the plane's uplink address.
Ends Far(uint32_t i) { return {IpAddr::V4(0x0a02'0001 + i % 250), Addr("172.16.0.1"), 20}; }

TEST(ReassemblyLimits, FragmentsOfADatagram) {
  const int most = limits::kReassemblyFragmentsMax;
  for (const int n : {most - 1, most, most + 1}) {
    TestNode node;
    node.Warm();
    const std::string echo = EchoBytes(kEnds4, 8 * n - 8);
    for (int i = 0; i < n; ++i) node.Send(kPodA, Part(kEnds4, echo, 8 * i, 8, i + 1 < n));
    const bool fits = n <= most;
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_fragment_too_many=" + std::to_string(n));
    EXPECT_EQ(node.TakeIp(kPodA).size(), fits ? 1u : 0u);
    EXPECT_EQ(node.ip.held_fragments(), 0u);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(ReassemblyLimits, Datagrams) {
  const uint32_t most = limits::kReassemblyDatagramsMax;
  for (const uint32_t n : {most - 1, most, most + 1}) {
    TestNode node;
    node.Warm();
    for (uint32_t i = 0; i < n; ++i) {
      node.Send(kUplink, Part(Far(i), kBytes, 0, 8, true, 0, static_cast<uint16_t>(i)));
    }
    const bool fits = n <= most;
    EXPECT_EQ(node.ip.held_datagrams(), fits ? n : most);
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_fragment_evicted=1");
    // The first one had to go, the second is there.
    node.Send(kUplink, Part(Far(1), kBytes, 8, 8, false, 0, 1));
    EXPECT_EQ(node.ip.counters().reassembled, 1u);
    node.Send(kUplink, Part(Far(0), kBytes, 8, 8, false, 0, 0));
    EXPECT_EQ(node.ip.counters().reassembled, fits ? 2u : 1u);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(ReassemblyLimits, BytesOfOneSource) {
  const uint32_t most = limits::kReassemblyBytesPerSource / kSmallCharge;
  for (const uint32_t n : {most - 1, most, most + 1}) {
    TestNode node;
    node.Warm();
    node.Send(kUplink, Part(Far(1), kBytes, 0, 8));  // somebody else's, and older
    for (uint32_t i = 0; i < n; ++i) {
      node.Send(kUplink, Part(Far(0), kBytes, 0, 8, true, 0, static_cast<uint16_t>(i)));
    }
    const bool fits = n <= most;
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_fragment_evicted=1");
    EXPECT_EQ(node.ip.reassembly_bytes(), (1 + (fits ? n : most)) * kSmallCharge);
    node.Send(kUplink, Part(Far(1), kBytes, 8, 8, /*more=*/false));
    EXPECT_EQ(node.ip.counters().reassembled, 1u);
    node.Send(kUplink, Part(Far(0), kBytes, 8, 8, false, 0, 0));  // its own oldest
    EXPECT_EQ(node.ip.counters().reassembled, fits ? 2u : 1u);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(ReassemblyLimits, BytesOfAll) {
  const uint32_t most = limits::kReassemblyBytesMax / kLargeCharge;
  ASSERT_LT(most, limits::kReassemblyDatagramsMax);
  for (const uint32_t n : {most - 1, most, most + 1}) {
    TestNode node;
    node.Warm();
    for (uint32_t i = 0; i < n; ++i) {
      node.Send(kUplink, Part(Far(i), kBytes, 0, 4000, true, 0, static_cast<uint16_t>(i)));
    }
    const bool fits = n <= most;
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_fragment_evicted=1");
    EXPECT_EQ(node.ip.reassembly_bytes(), (fits ? n : most) * kLargeCharge);
    EXPECT_LE(node.ip.reassembly_bytes(), limits::kReassemblyBytesMax);
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(ReassemblyLimits, OneDatagramBeyondItsSourcesBytes) {
  const uint32_t most = (limits::kReassemblyBytesPerSource - 2048) / packet::kLargeRoom;
  const std::string bytes(65'400, 'x');
  for (const uint32_t n : {most - 1, most, most + 1}) {
    TestNode node;
    node.Warm();
    for (uint32_t i = 0; i < n; ++i) node.Send(kUplink, Part(Far(0), bytes, i * 2032, 2032));
    const bool fits = n <= most;
    EXPECT_EQ(node.Drops(), fits ? "" : "drop_fragment_memory=" + std::to_string(n));
    EXPECT_EQ(node.ip.held_fragments(), fits ? n : 0u);
    EXPECT_EQ(node.ip.reassembly_bytes(), 2048 + (fits ? n * packet::kLargeRoom : 0));
    EXPECT_TRUE(node.Balanced());
  }
}

TEST(ReassemblyLimits, AFloodOfFragmentsIsHeldWithinThem) {
  TestNode node;
  node.Warm();
  Prng prng(7);
  for (int i = 0; i < 30'000; ++i) {
    const auto source = static_cast<uint32_t>(prng.Below(prng.Below(2) == 0 ? 250 : 2));
    const size_t at = prng.Below(500) * 8;
    const size_t bytes = prng.Below(20) == 0 ? 4000 : 8 + prng.Below(4) * 8;
    node.Send(kUplink, Part(Far(source), kBytes, at, bytes, prng.Below(8) != 0, 0,
                            static_cast<uint16_t>(prng.Below(400))));
    ASSERT_LE(node.ip.reassembly_bytes(), limits::kReassemblyBytesMax);
    ASSERT_LE(node.ip.held_datagrams(), limits::kReassemblyDatagramsMax);
    // Each held fragment is a packet of one segment; the rest is ICMP that waits for the uplink.
    ASSERT_LE(node.ip.held_fragments(), limits::kReassemblyBytesMax / packet::kSmallRoom);
    if (i % 1000 == 0) {
      ASSERT_TRUE(node.Balanced());
      node.Advance(Duration::Seconds(1));
    }
  }
  EXPECT_GT(node.ip.counters().drop_fragment_evicted, 0u);
  EXPECT_GT(node.ip.counters().drop_fragment_overlap, 0u);
  EXPECT_GT(node.ip.counters().drop_fragment_refused, 0u);
  node.Advance(Duration::Seconds(61));
  EXPECT_GT(node.ip.counters().drop_fragment_timeout, 0u);
  node.Take(kUplink);
  EXPECT_EQ(node.ip.held_fragments(), 0u);
  EXPECT_EQ(node.ip.reassembly_bytes(), 0u);
  EXPECT_TRUE(node.Balanced());
  EXPECT_EQ(node.pool.outstanding(), 0);
}

}  // namespace
}  // namespace meltemi::ip
