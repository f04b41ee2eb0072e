// Workers in threads enter and leave one cluster's limits: together they never pass one, use all of
// it, and leave nothing behind.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "dataplane/shared/locked_board.h"
#include "l7/cluster/cluster.h"

namespace meltemi::shared {
namespace {

constexpr uint32_t kWorkers = 4, kLimit = 3;

config::Cluster Limited(uint32_t limit) {
  config::Cluster config;
  config.name = "c";
  config.stable_id = 1;
  config.breaker.requests_max = limit;
  return config;
}

// Goal: everybody tries kLimit + 1 times and holds what it got until all have tried: all together
// have the limit, exactly.
TEST(Breaker, WorkersTogetherReachTheLimitAndNoMore) {
  LockedBoard board;
  for (const uint32_t limit : {1u, kLimit, kWorkers * (kLimit + 1) - 1}) {
    std::atomic<uint32_t> got = 0, tried = 0;
    std::vector<std::thread> workers;
    for (uint32_t i = 0; i < kWorkers; ++i) {
      workers.emplace_back([&, i] {
        cluster::Cluster cluster(&board);
        Prng prng(i);
        std::vector<ConnId> closing;
        cluster.Update(Limited(limit), prng, Instant(), &closing);
        uint32_t mine = 0;
        for (uint32_t k = 0; k < kLimit + 1; ++k) mine += cluster.rq_active.TryEnter() ? 1 : 0;
        got += mine;
        ++tried;
        while (tried < kWorkers) std::this_thread::yield();
        for (; mine > 0; --mine) cluster.rq_active.Leave();
      });
    }
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(got, limit);
  }
}

// Goal: nobody ever sees more than the limit inside, while configurations change under way and
// clusters go with requests that nobody ended.
TEST(Breaker, WorkersComeAndGo) {
  LockedBoard board;
  std::atomic<int> inside = 0, most = 0;
  std::vector<std::thread> workers;
  for (uint32_t i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&, i] {
      for (uint32_t round = 0; round < 50; ++round) {
        cluster::Cluster cluster(&board);
        Prng prng(i);
        std::vector<ConnId> closing;
        for (uint32_t k = 0; k < 100; ++k) {
          if (k % 10 == 0) cluster.Update(Limited(kLimit), prng, Instant(), &closing);
          if (!cluster.rq_active.TryEnter()) continue;
          const int now = ++inside;
          int seen = most;
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --inside;
          if (k < 99) cluster.rq_active.Leave();
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_LE(most, static_cast<int>(kLimit));
  cluster::NodeCluster* const node = board.JoinCluster(1);
  EXPECT_EQ(node->requests.cell.Load(), 0u);
  board.Leave(node);
}

}  // namespace
}  // namespace meltemi::shared
