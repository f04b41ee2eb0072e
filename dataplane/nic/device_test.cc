// Goal: device strings are read exactly and refused by name. Method: tables.
#include "dataplane/nic/device.h"

#include "gtest/gtest.h"
#include "l7/base/prng.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

TEST(Device, ReadsEveryKind) {
  const struct {
    std::string_view text;
    Device want;
  } kRows[] = {
      {"veth:vpp", {DeviceKind::kVeth, "vpp", ""}},
      {"tap:eth0", {DeviceKind::kTap, "eth0", ""}},
      {"tap:eth0,reviews-v1", {DeviceKind::kTap, "eth0", "reviews-v1"}},
      {"tap:eth0,/proc/7/ns/net", {DeviceKind::kTap, "eth0", "/proc/7/ns/net"}},
      {"pci:0000:01:00.0", {DeviceKind::kPci, "0000:01:00.0", ""}},
      {"pci:af:1f.7", {DeviceKind::kPci, "af:1f.7", ""}},
      {"af_xdp:eth1", {DeviceKind::kAfXdp, "eth1", ""}},
      {"vhost:/run/v.sock", {DeviceKind::kVhost, "/run/v.sock", ""}},
      {"virtio:/run/v.sock", {DeviceKind::kVirtio, "/run/v.sock", ""}},
      {"ring:a-b_1", {DeviceKind::kRing, "a-b_1", ""}},
      {"null:", {DeviceKind::kNull, "", ""}},
  };
  for (const auto& row : kRows) {
    const absl::StatusOr<Device> device = ParseDevice(row.text);
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(*device, row.want) << row.text;
    EXPECT_EQ(FormatDevice(*device), row.text);
  }
}

TEST(Device, RefusesAndNamesTheDevice) {
  const std::string_view kRows[] = {
      "",
      "veth",
      "veth:",
      "veth:a/b",
      "veth:sixteencharacter",
      "eth:vpp",
      "tap:eth0,",
      "tap:,ns",
      "pci:1:2.3",
      "pci:0000:01:00.8",
      "pci:01:00",
      "pci:0000:01:00.0x",
      "vhost:",
      "vhost:/a,b",
      "null:x",
      "ring:",
      "ring:a/b",
      "ring:a name",
      "af_xdp:a,b=c",
      "veth:..",
      "veth:a b",
      "ring:a23456789012345678901",
  };
  for (const std::string_view text : kRows) {
    const absl::StatusOr<Device> device = ParseDevice(text);
    ASSERT_FALSE(device.ok()) << text;
    EXPECT_NE(Std(device.status().message()).find(text), std::string_view::npos) << device.status();
  }
}

TEST(Device, LimitsHoldAtTheirEdge) {
  EXPECT_TRUE(ParseDevice("veth:" + std::string(15, 'a')).ok());
  EXPECT_FALSE(ParseDevice("veth:" + std::string(16, 'a')).ok());
  EXPECT_TRUE(ParseDevice("vhost:" + std::string(107, 'a')).ok());
  EXPECT_FALSE(ParseDevice("vhost:" + std::string(108, 'a')).ok());
  EXPECT_TRUE(ParseDevice("ring:" + std::string(20, 'a')).ok());
  EXPECT_FALSE(ParseDevice("ring:" + std::string(21, 'a')).ok());
}

// Goal: no bytes crash the parser, and what it takes reads back the same. Method: random mutations
// of good strings.
TEST(Device, SurvivesAnyBytes) {
  const std::string kSeeds[] = {"veth:vpp",         "tap:eth0,/proc/7/ns/net",
                                "pci:0000:01:00.0", "vhost:/run/v.sock",
                                "ring:a-b_1",       "null:",
                                "af_xdp:eth1"};
  Prng prng(11);
  int taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text = kSeeds[prng.Below(std::size(kSeeds))];
    for (uint64_t i = prng.Below(4); i > 0; --i) {
      const size_t at = prng.Below(text.size() + 1);
      if (prng.Below(2) == 0) {
        text.insert(at, 1, static_cast<char>(prng.Below(256)));
      } else if (at < text.size()) {
        text.erase(at, 1 + prng.Below(3));
      }
    }
    const absl::StatusOr<Device> device = ParseDevice(text);
    if (!device.ok()) continue;
    ++taken;
    ASSERT_EQ(FormatDevice(*device), text);
  }
  EXPECT_GT(taken, 10'000);
}

}  // namespace
}  // namespace meltemi::nic
