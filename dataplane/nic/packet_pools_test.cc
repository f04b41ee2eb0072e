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

// Goal: memory_mb bounds all workers' packets together. Method: every segment of every class that
// the pools give is taken, and what they are made of is counted.
TEST(PacketPools, OnTheHeapTakeNoMoreThanWasAllowed) {
  struct Row {
    int workers, memory_mb;
  };
  for (const Row row : {Row{1, 16}, Row{2, 16}, Row{1, 128}, Row{3, 64}, Row{8, 17}}) {
    const std::string devices[] = {"veth:a"};
    const auto pools =
        PacketPools::Create(devices, {.workers = row.workers, .memory_mb = row.memory_mb});
    ASSERT_TRUE(pools.ok()) << pools.status();
    uint64_t bytes = 0;
    std::vector<std::pair<packet::PacketPool*, packet::Packet*>> all;
    for (int worker = 0; worker < row.workers; ++worker) {
      packet::PacketPool& pool = (*pools)->pool(worker);
      for (const auto size : {packet::kSmall, packet::kLarge, packet::kHeaderOnly}) {
        while (packet::Packet* p = pool.Alloc(size)) {
          bytes += sizeof(packet::Packet) + packet::kMetaBytes + p->buf_len;
          all.emplace_back(&pool, p);
        }
      }
    }
    const uint64_t allowed = static_cast<uint64_t>(row.memory_mb) << 20;
    EXPECT_LE(bytes, allowed) << row.workers << " workers, " << row.memory_mb << " MB";
    EXPECT_GT(bytes, allowed / 10 * 8);
    for (auto& [pool, p] : all) pool->Free(p);
  }
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
