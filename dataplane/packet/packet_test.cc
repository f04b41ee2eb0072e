#include "dataplane/packet/packet.h"

#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::packet {
namespace {

void Fill(Packet* p, std::string_view text) {
  std::memcpy(Append(p, static_cast<uint16_t>(text.size())), text.data(), text.size());
}
std::string Text(const Packet* p) {
  std::string text;
  for (; p != nullptr; p = p->next)
    text.append(reinterpret_cast<const char*>(Data(p)), p->data_len);
  return text;
}

TEST(PacketPool, PayloadLivesAsSlicesAfterThePacket) {
  HeapPacketPool pool;
  Packet* p = pool.Alloc();
  Fill(p, "headerbody");
  Chain bytes;
  pool.TakePayload(p, 6, 4, &bytes);
  EXPECT_EQ(bytes.ToString(), "body");
  EXPECT_EQ(pool.outstanding(), 1);
  bytes.Clear();
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(PacketPool, ABorrowedRoomOutlivesItsSlices) {
  HeapPacketPool pool;
  Chain bytes;
  ASSERT_TRUE(AppendCopy(&pool, std::string(3000, 'x') + "end", &bytes));
  Packet* out = pool.Alloc();
  Fill(out, "head");
  ASSERT_TRUE(pool.AppendBytes(out, bytes, 1, 3002, 100));
  bytes.Clear();
  EXPECT_GT(pool.outstanding(), 0);
  EXPECT_EQ(Text(out), "head" + std::string(2999, 'x') + "end");
  EXPECT_EQ(out->pkt_len, 3006u);
  Packet* linear = pool.CopyLinear(out);
  EXPECT_EQ(Text(linear), Text(out));
  pool.Free(out);
  pool.Free(linear);
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(PacketPool, SlicesOutliveTheSegmentThatBorrowed) {
  HeapPacketPool pool;
  Chain bytes;
  ASSERT_TRUE(AppendCopy(&pool, std::string(200, 'y'), &bytes));
  Packet* out = pool.Alloc();
  ASSERT_TRUE(pool.AppendBytes(out, bytes, 0, 200, 0));
  pool.Free(out);
  EXPECT_EQ(bytes.ToString(), std::string(200, 'y'));
  bytes.Clear();
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(PacketPool, SmallAppendsAreCopied) {
  HeapPacketPool pool;
  Chain bytes;
  ASSERT_TRUE(AppendCopy(&pool, "abc", &bytes));
  Packet* out = pool.Alloc();
  ASSERT_TRUE(pool.AppendBytes(out, bytes, 0, 3, 100));
  EXPECT_EQ(out->nb_segs, 1);
  pool.Free(out);
  bytes.Clear();
  EXPECT_EQ(pool.outstanding(), 0);
}

TEST(PacketPool, RefusesAtItsBoundAndCounts) {
  HeapPacketPool pool(2);
  Packet* a = pool.Alloc();
  Packet* b = pool.Alloc();
  EXPECT_NE(b, nullptr);
  EXPECT_EQ(pool.Alloc(), nullptr);
  EXPECT_EQ(pool.counters().alloc_failures, 1u);
  EXPECT_TRUE(pool.Allocate(10).empty());
  pool.Free(a);
  EXPECT_FALSE(pool.Allocate(10).empty());
  pool.Free(b);
  EXPECT_EQ(pool.outstanding(), 0);
}

// Goal: the whole of a split never takes more than what was split. Method: every segment there may
// be is taken and its bytes counted; the bounds of classes hold each for itself.
TEST(PacketPool, ASplitTakesNoMoreThanItsMemory) {
  for (const uint64_t bytes : {0ul, 2'367ul, 1ul << 20, 3ul << 20, (17ul << 20) + 12'345}) {
    const SegmentCounts counts = SplitMemory(bytes);
    HeapPacketPool pool(counts, nullptr);
    std::vector<Packet*> all;
    uint64_t taken = 0;
    for (const SizeClass size : {kLarge, kSmall, kHeaderOnly}) {
      uint32_t count = 0;
      for (Packet* p = pool.Alloc(size); p != nullptr; p = pool.Alloc(size), ++count) {
        all.push_back(p);
        taken += sizeof(Packet) + kMetaBytes + p->buf_len;
      }
      EXPECT_EQ(count, counts[size]) << bytes << " class " << int{size};
    }
    EXPECT_LE(taken, bytes);
    if (bytes >= 1 << 20) EXPECT_GT(taken, bytes / 10 * 8);  // and most of it is used
    for (Packet* p : all) pool.Free(p);
  }
}

TEST(Packet, TrimAndPullKeepTheBytes) {
  HeapPacketPool pool;
  Packet* p = pool.Alloc();
  Fill(p, "ab");
  p->next = pool.Alloc();
  p->nb_segs = 2;
  Fill(p->next, "cdef");
  p->next->pkt_len = 0;
  p->pkt_len = 6;
  EXPECT_NE(Pull(p, 4), nullptr);
  EXPECT_EQ(p->data_len, 4);
  EXPECT_EQ(Text(p), "abcdef");
  EXPECT_EQ(Pull(p, 7), nullptr);
  TrimTo(p, 5);
  EXPECT_EQ(Text(p), "abcde");
  TrimTo(p, 3);
  EXPECT_EQ(Text(p), "abc");
  pool.Free(p);
  EXPECT_EQ(pool.outstanding(), 0);
}

// Goal: nothing leaks, whatever the order of giving back. Method: random chains, shares, packets.
TEST(PacketPool, RandomUseEndsWithNothingOut) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    HeapPacketPool pool;
    std::vector<Chain> chains(8);
    std::vector<Packet*> packets(8, nullptr);
    for (int step = 0; step < 2000; ++step) {
      Chain& chain = chains[prng.Below(8)];
      Packet*& packet = packets[prng.Below(8)];
      switch (prng.Below(4)) {
        case 0:
          ASSERT_TRUE(AppendCopy(&pool, std::string(prng.Below(5000), 'z'), &chain));
          break;
        case 1:
          chain.RemovePrefix(prng.Below(chain.size() + 1));
          break;
        case 2: {
          if (packet != nullptr) pool.Free(packet);
          packet = pool.Alloc();
          const size_t n = prng.Below(chain.size() + 1);
          ASSERT_TRUE(pool.AppendBytes(packet, chain, chain.size() - n, n, 64));
          EXPECT_EQ(packet->pkt_len, n);
          break;
        }
        default:
          chain = chains[prng.Below(8)].Share(0, 0);
      }
    }
    for (Packet* packet : packets) pool.Free(packet);
    chains.clear();
    EXPECT_EQ(pool.outstanding(), 0);
  }
}

// Goal: pools that share have one sum, to its last segment, and each sees an equal part of it.
TEST(HeapPacketPool, PoolsOfOneStoreShareTheirBound) {
  HeapPacketStore store;
  store.Share({100, 10, 10}, 2);
  HeapPacketPool a({100, 10, 10}, &store), b({100, 10, 10}, &store);
  EXPECT_EQ(a.free_count(kSmall), 100u);
  std::vector<Packet*> taken;
  while (taken.size() < 192) taken.push_back(a.Alloc());  // three batches
  EXPECT_NE(taken.back(), nullptr) << "more than its own part, while the other needs none";
  EXPECT_EQ(b.free_count(kSmall), 4u);
  while (taken.size() < 200) taken.push_back(b.Alloc());
  EXPECT_NE(taken.back(), nullptr);
  EXPECT_EQ(a.Alloc(), nullptr);
  EXPECT_EQ(b.Alloc(), nullptr);
  for (Packet* p : taken) b.Free(p);  // the other's are as good
  EXPECT_EQ(a.outstanding() + b.outstanding(), 0);
}

TEST(PacketPool, CountsWhatIsFree) {
  HeapPacketPool pool(3);
  EXPECT_EQ(pool.count_max(kSmall), 3u);
  EXPECT_EQ(pool.free_count(kSmall), 3u);
  Packet* p = pool.Alloc();
  EXPECT_EQ(pool.free_count(kSmall), 2u);
  EXPECT_EQ(pool.free_count(kLarge), 3u);
  pool.Free(p);
  EXPECT_EQ(pool.free_count(kSmall), 3u);
  EXPECT_EQ(HeapPacketPool().free_count(kSmall), UINT32_MAX);
}

}  // namespace
}  // namespace meltemi::packet
