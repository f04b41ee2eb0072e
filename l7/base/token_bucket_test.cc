// Goal: no token too many and none too few, at the edges of time and count, also between threads.
// Method: virtual time, a nanosecond before, at and after; threads that take all there is.
#include "l7/base/token_bucket.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace meltemi {
namespace {

constexpr Instant kStart = Instant::FromNanos(1'000'000'007);

int TakeAll(SharedTokens* bucket, Instant now) {
  int count = 0;
  while (bucket->Take(now).taken) ++count;
  return count;
}

TEST(SharedTokens, BeginFullAndEnd) {
  SharedTokens bucket({.tokens_max = 3, .fill_interval = Duration::Seconds(1)}, kStart);
  for (const uint32_t left : {2u, 1u, 0u}) {
    const auto answer = bucket.Take(kStart);
    EXPECT_TRUE(answer.taken);
    EXPECT_EQ(answer.left, left);
  }
  EXPECT_FALSE(bucket.Take(kStart).taken);
}

TEST(SharedTokens, ComeAtTheEndOfEachInterval) {
  SharedTokens bucket(
      {.tokens_max = 10, .tokens_per_fill = 4, .fill_interval = Duration::Seconds(1)}, kStart);
  EXPECT_EQ(TakeAll(&bucket, kStart), 10);
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Nanos(999'999'999)), 0);
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Seconds(1)), 4);
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Nanos(1'999'999'999)), 0);
  // Of two intervals at once, and the next one is not late because of it.
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Nanos(3'500'000'000)), 8);
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Nanos(3'999'999'999)), 0);
  EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Seconds(4)), 4);
}

TEST(SharedTokens, AreNeverMoreThanTheBucketHolds) {
  for (const uint32_t per_fill : {4u, 5u, 6u, 4'000'000'000u}) {
    SharedTokens bucket(
        {.tokens_max = 5, .tokens_per_fill = per_fill, .fill_interval = Duration::Millis(50)},
        kStart);
    EXPECT_EQ(TakeAll(&bucket, kStart), 5);
    EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Millis(50)), per_fill == 4 ? 4 : 5);
    EXPECT_EQ(TakeAll(&bucket, kStart + Duration::Seconds(86'400)), 5);
  }
}

TEST(SharedTokens, DoNotComeToAWorkerThatIsBehind) {
  SharedTokens bucket({.tokens_max = 1, .fill_interval = Duration::Seconds(1)}, kStart);
  EXPECT_TRUE(bucket.Take(kStart - Duration::Seconds(5)).taken);
  EXPECT_TRUE(bucket.Take(kStart + Duration::Seconds(2)).taken);
  EXPECT_FALSE(bucket.Take(kStart + Duration::Seconds(1)).taken);
  EXPECT_FALSE(bucket.Take(kStart + Duration::Seconds(2)).taken);
  EXPECT_TRUE(bucket.Take(kStart + Duration::Seconds(3)).taken);
}

TEST(SharedTokens, KnowWhenTheNextCome) {
  SharedTokens bucket({.tokens_max = 1, .fill_interval = Duration::Seconds(60)}, kStart);
  EXPECT_EQ(bucket.UntilFill(kStart), Duration::Seconds(60));
  EXPECT_EQ(bucket.UntilFill(kStart + Duration::Seconds(59)), Duration::Seconds(1));
  EXPECT_EQ(bucket.UntilFill(kStart + Duration::Seconds(60)), Duration::Seconds(60));
}

TEST(SharedTokens, AreExactBetweenThreads) {
  SharedTokens bucket({.tokens_max = 100'000, .fill_interval = Duration::Seconds(1)}, kStart);
  std::vector<int> taken(4);
  std::vector<std::thread> threads;
  for (int& mine : taken) {
    threads.emplace_back([&bucket, &mine] { mine = TakeAll(&bucket, kStart); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken[0] + taken[1] + taken[2] + taken[3], 100'000);
}

}  // namespace
}  // namespace meltemi
