#include "l7/base/slice.h"

#include <string>

#include "gtest/gtest.h"
#include "l7/base/handle.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/base/ring.h"
#include "l7/base/slot_map.h"

namespace meltemi {
namespace {

Chain Make(HeapBufferPool* pool, std::string_view text) {
  Chain chain;
  EXPECT_TRUE(AppendCopy(pool, text, &chain));
  return chain;
}

TEST(Slice, CountsItsBuffer) {
  HeapBufferPool pool;
  Slice a = pool.Allocate(10);
  Slice b = a.Sub(2, 3);
  EXPECT_EQ(a.buffer()->refs, 2u);
  Slice c = std::move(a);
  EXPECT_EQ(c.buffer()->refs, 2u);
  c = Slice();
  EXPECT_EQ(pool.outstanding(), 1u);
  b = Slice();
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(Chain, TakePrefixSplitsInsideASlice) {
  HeapBufferPool pool(4);
  Chain chain = Make(&pool, "abcdefghij");
  EXPECT_EQ(chain.slice_count(), 3u);
  Chain head = chain.TakePrefix(6);
  EXPECT_EQ(head.ToString(), "abcdef");
  EXPECT_EQ(chain.ToString(), "ghij");
  chain.Append(std::move(head));
  EXPECT_EQ(chain.ToString(), "ghijabcdef");
}

TEST(Chain, TakePrefixMovesWholeSlices) {
  // Goal: slices that leave whole are the same views, counted as before; none is made but at a cut.
  HeapBufferPool pool(4);
  Chain chain = Make(&pool, "abcdefghij");
  const uint8_t* first = chain.front().data();
  Chain head = chain.TakePrefix(8);
  EXPECT_EQ(head.front().data(), first);
  EXPECT_EQ(head.front().buffer()->refs, 1u);
  EXPECT_EQ(head.slice_count(), 2u);
  EXPECT_TRUE(chain.one_slice());
  EXPECT_EQ(chain.ToString(), "ij");
  head.Append(std::move(chain));
  EXPECT_EQ(head.ToString(), "abcdefghij");
  EXPECT_TRUE(chain.empty());
}

TEST(Chain, RemoveSuffixAtEveryCut) {
  for (size_t n = 0; n <= 10; ++n) {
    HeapBufferPool pool(4);
    Chain chain = Make(&pool, "abcdefghij");
    chain.RemoveSuffix(n);
    EXPECT_EQ(chain.ToString(), std::string("abcdefghij").substr(0, 10 - n));
    chain.Append(Make(&pool, "xyz"));
    EXPECT_EQ(chain.ToString(), std::string("abcdefghij").substr(0, 10 - n) + "xyz");
  }
}

TEST(Chain, WidenFrontTakesInTheRoomAround) {
  // Goal: all the room there is before and behind.
  HeapBufferPool pool(100);
  Chain chain = Make(&pool, "abcdefghij");
  chain.RemovePrefix(3);
  chain.RemoveSuffix(2);
  EXPECT_EQ(chain.front().front_room(), 3u);
  EXPECT_EQ(chain.front().back_room(), 2u);
  chain.WidenFront(3, 2);
  EXPECT_EQ(chain.ToString(), "abcdefghij");
  EXPECT_EQ(chain.size(), 10u);
}

TEST(Chain, AppendCopyFailsWholeWhenThePoolIsExhausted) {
  HeapBufferPool pool(4, 2);
  Chain chain;
  EXPECT_FALSE(AppendCopy(&pool, "123456789", &chain));
  EXPECT_TRUE(chain.empty());
  EXPECT_EQ(pool.outstanding(), 0u);
  EXPECT_TRUE(AppendCopy(&pool, "12345678", &chain));
}

// Goal: a Chain behaves as a string. Method: random operations on both, fixed seeds.
TEST(Chain, AgreesWithAString) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Prng prng(seed);
    HeapBufferPool pool(7);
    Chain chain;
    std::string model;
    for (int step = 0; step < 500; ++step) {
      const std::string text(prng.Below(20), static_cast<char>('a' + prng.Below(26)));
      const size_t n = prng.Below(model.size() + 1);
      const size_t m = prng.Below(model.size() - n + 1);
      switch (prng.Below(7)) {
        case 0:
        case 1:
          chain.Append(Make(&pool, text));
          model += text;
          break;
        case 6:
          chain.RemoveSuffix(n);
          model.resize(model.size() - n);
          break;
        case 2:
          chain.RemovePrefix(n);
          model.erase(0, n);
          break;
        case 3: {
          Chain taken = chain.TakePrefix(n);
          EXPECT_EQ(taken.ToString(), model.substr(0, n));
          model.erase(0, n);
          break;
        }
        case 4:
          EXPECT_EQ(chain.Share(n, m).ToString(), model.substr(n, m));
          break;
        default: {
          std::string copy(m, 0);
          chain.CopyTo(n, m, reinterpret_cast<uint8_t*>(copy.data()));
          EXPECT_EQ(copy, model.substr(n, m));
        }
      }
      ASSERT_EQ(chain.size(), model.size());
      ASSERT_EQ(chain.ToString(), model);
    }
    chain.Clear();
    EXPECT_EQ(pool.outstanding(), 0u);
  }
}

TEST(SlotMap, StaleHandlesAreNotFound) {
  SlotMap<std::string, TcpId> map(3);
  const TcpId a = map.Emplace("a");
  EXPECT_EQ(map[a], "a");
  map.Erase(a);
  const TcpId b = map.Emplace("b");
  EXPECT_EQ(a.slot, b.slot);
  EXPECT_EQ(map.Find(a), nullptr);
  EXPECT_EQ(*map.Find(b), "b");
  EXPECT_EQ(map.Find(TcpId{}), nullptr);
  EXPECT_EQ(map.Find(TcpId{900, 1}), nullptr);
}

TEST(SlotMap, EndsAtItsCapacity) {
  SlotMap<int, TcpId> map(2);
  EXPECT_TRUE(map.Emplace(1).valid());
  const TcpId second = map.Emplace(2);
  EXPECT_TRUE(second.valid());
  EXPECT_FALSE(map.Emplace(3).valid());
  map.Erase(second);
  EXPECT_TRUE(map.Emplace(3).valid());
}

TEST(Ring, IsFirstInFirstOutAndBounded) {
  Ring<int> ring(2);
  EXPECT_TRUE(ring.Push(1));
  EXPECT_TRUE(ring.Push(2));
  EXPECT_FALSE(ring.Push(3));
  EXPECT_EQ(ring.Pop(), 1);
  EXPECT_TRUE(ring.Push(3));
  EXPECT_EQ(ring.Pop(), 2);
  EXPECT_EQ(ring.Pop(), 3);
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace meltemi
