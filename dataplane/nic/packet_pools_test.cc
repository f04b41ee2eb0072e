// Goal: the kind of packet memory follows from the ports. Method: both kinds, once each.
#include "dataplane/nic/packet_pools.h"

#include "dataplane/nic/make_port.h"
#include "gtest/gtest.h"

namespace meltemi::nic {
namespace {

TEST(PacketPools, AreOnTheHeapForKernelPorts) {
  const std::string devices[] = {"veth:a", "tap:b"};
  const auto pools = PacketPools::Create(devices, {.workers = 2, .memory_mb = 8});
  ASSERT_TRUE(pools.ok()) << pools.status();
  EXPECT_TRUE((*pools)->dpdk().empty());
  packet::Packet* p = (*pools)->pool(1).Alloc();
  ASSERT_NE(p, nullptr);
  (*pools)->pool(1).Free(p);
}

// EAL starts once in a process: the one test that does. With more than the default of 128 MB.
TEST(PacketPools, AreDpdkMemoryWhenADriverNeedsIt) {
  const std::string devices[] = {"veth:a", "null:", "nonsense"};
  const auto pools = PacketPools::Create(devices, {.workers = 2, .memory_mb = 256});
  ASSERT_TRUE(pools.ok()) << pools.status();
  ASSERT_EQ((*pools)->dpdk().size(), 2u);
  const auto port = MakePort("null:", {.name = "n", .workers = 2, .pools = (*pools)->dpdk()});
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_TRUE((*port)->caps().thread_safe_tx);  // one queue of the device's, two workers
  for (int worker = 0; worker < 2; ++worker) {
    packet::PacketPool& pool = (*pools)->pool(worker);
    std::array<packet::Packet*, 1> one = {pool.Alloc()};
    packet::Append(one[0], 60);
    EXPECT_EQ((*port)->TxBurst(worker, pool, one), 1);
    EXPECT_EQ((*port)->tx_counters(worker).tx_packets, 1u);
    EXPECT_EQ(pool.outstanding(), 0);
  }
  (*port)->Close();
}

}  // namespace
}  // namespace meltemi::nic
