#include "l7/base/ip_addr.h"

#include "gtest/gtest.h"
#include "l7/base/counter.h"

namespace meltemi {
namespace {

TEST(IpAddr, ParsesAndPrints) {
  for (const char* text : {"10.0.0.1", "::1", "fd00::11", "0.0.0.0", "::", "2001:db8::1"}) {
    const auto a = IpAddr::Parse(text);
    ASSERT_TRUE(a) << text;
    EXPECT_EQ(a->ToString(), text);
  }
  for (const char* text : {"", "10.0.0", "10.0.0.256", "::1%eth0", "[::1]", "1:2", "010.0.0.1"}) {
    EXPECT_FALSE(IpAddr::Parse(text)) << text;
  }
  EXPECT_EQ(IpAddr::V4(0x0a000001).ToString(), "10.0.0.1");
}

TEST(IpPrefix, ContainsByBits) {
  EXPECT_TRUE(IpPrefix::Parse("10.0.0.0/9")->Contains(*IpAddr::Parse("10.127.0.1")));
  EXPECT_FALSE(IpPrefix::Parse("10.0.0.0/9")->Contains(*IpAddr::Parse("10.128.0.1")));
  EXPECT_TRUE(IpPrefix::Parse("0.0.0.0/0")->Contains(*IpAddr::Parse("1.2.3.4")));
  EXPECT_FALSE(IpPrefix::Parse("0.0.0.0/0")->Contains(*IpAddr::Parse("fd00::1")));
  EXPECT_TRUE(IpPrefix::Parse("fd00::/63")->Contains(*IpAddr::Parse("fd00:0:0:1::5")));
  EXPECT_EQ(IpPrefix::Parse("10.1.2.3/24")->ToString(), "10.1.2.0/24");
  EXPECT_FALSE(IpPrefix::Parse("10.0.0.0/33"));
  EXPECT_FALSE(IpPrefix::Parse("10.0.0.0/"));
}

TEST(SymmetricHash, IsTheSameForBothDirectionsAndSpreads) {
  int buckets[4] = {};
  for (uint16_t port = 1; port < 4000; ++port) {
    const SockAddr a{*IpAddr::Parse("10.0.0.1"), port}, b{*IpAddr::Parse("10.0.0.2"), 80};
    EXPECT_EQ(SymmetricHash(a, b), SymmetricHash(b, a));
    ++buckets[SymmetricHash(a, b) % 4];
  }
  for (int count : buckets) EXPECT_NEAR(count, 1000, 200);
}

#define TEST_COUNTERS(C)              \
  C(alpha, "packets", "first things") \
  C(beta, "bytes", "second things")
MELTEMI_COUNTER_TABLE(TestCounters, "meltemi_test", TEST_COUNTERS)

TEST(Counters, TableMakesStructAndText) {
  TestCounters c;
  c.beta = 7;
  c.Add(c);
  EXPECT_EQ(c.Values()[1], 14u);
  std::string text;
  AppendPrometheus(TestCounters::kPrefix, TestCounters::kTable, c.Values(), "worker=\"0\"", &text);
  EXPECT_EQ(text,
            "# HELP meltemi_test_alpha_total first things (packets)\n"
            "# TYPE meltemi_test_alpha_total counter\n"
            "meltemi_test_alpha_total{worker=\"0\"} 0\n"
            "# HELP meltemi_test_beta_total second things (bytes)\n"
            "# TYPE meltemi_test_beta_total counter\n"
            "meltemi_test_beta_total{worker=\"0\"} 14\n");
}

}  // namespace
}  // namespace meltemi
