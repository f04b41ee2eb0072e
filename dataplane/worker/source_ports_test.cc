#include "dataplane/worker/source_ports.h"

#include <gtest/gtest.h>

#include <set>

namespace meltemi::worker {
namespace {

const IpAddr kLocal = IpAddr::V4(0x0a000001);
SockAddr Remote(uint32_t n) { return {IpAddr::V4(0x0a000100 + n), 80}; }
bool Any(uint16_t) { return true; }

TEST(SourcePorts, Rfc6056PortsToOneEndDoNotComeAgainSoon) {
  // As many as there are, less what the drawn steps leave out: none twice.
  SourcePorts ports({1});
  Prng prng(1);
  std::set<uint16_t> seen;
  constexpr int kDraws = SourcePorts::kCount / 2;
  for (int i = 0; i < kDraws; ++i) {
    const uint16_t port = ports.Choose(kLocal, Remote(0), 1, &prng, Any);
    ASSERT_GE(port, SourcePorts::kFirst);
    ASSERT_TRUE(seen.insert(port).second) << i;
  }
}

TEST(SourcePorts, Rfc6056EndsDoNotTellOfEachOther) {
  // Starts are as good as random: of 200 ends' first ports nearly all differ, in the whole range.
  SourcePorts ports({2});
  Prng prng(2);
  std::set<uint16_t> seen;
  uint32_t upper_half = 0;
  for (uint32_t n = 0; n < 200; ++n) {
    const uint16_t port = ports.Choose(kLocal, Remote(n), 1, &prng, Any);
    seen.insert(port);
    if (port >= SourcePorts::kFirst + SourcePorts::kCount / 2) ++upper_half;
  }
  EXPECT_GT(seen.size(), 190u);
  EXPECT_GT(upper_half, 60u);
  EXPECT_LT(upper_half, 140u);
}

TEST(SourcePorts, AnotherSecretIsAnotherStart) {
  Prng prng(3);
  SourcePorts a({1}), b({2});
  EXPECT_NE(a.Choose(kLocal, Remote(0), 1, &prng, Any), b.Choose(kLocal, Remote(0), 1, &prng, Any));
}

TEST(SourcePorts, TriesAreBoundedAndUnusablePortsPassedOver) {
  SourcePorts ports({1});
  Prng prng(4);
  int asked = 0;
  const auto third = [&asked](uint16_t) { return ++asked == 3; };
  EXPECT_NE(ports.Choose(kLocal, Remote(0), 3, &prng, third), 0);
  asked = 0;
  EXPECT_EQ(ports.Choose(kLocal, Remote(0), 2, &prng, third), 0);
  EXPECT_EQ(asked, 2);
}

TEST(SourcePorts, ALongRunOfUsedPortsIsJumpedOver) {
  SourcePorts ports({1});
  Prng prng(5);
  // Used: half of all ports, from the next one on.
  const uint32_t first = ports.Choose(kLocal, Remote(0), 1, &prng, Any) - SourcePorts::kFirst;
  const auto usable = [first](uint16_t port) {
    const uint32_t after = (port - SourcePorts::kFirst + SourcePorts::kCount - first);
    return after % SourcePorts::kCount > SourcePorts::kCount / 2;
  };
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(ports.Choose(kLocal, Remote(0), 256, &prng, usable), 0) << i;
  }
}

}  // namespace
}  // namespace meltemi::worker
