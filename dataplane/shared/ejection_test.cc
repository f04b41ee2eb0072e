// Workers in threads report what hosts have answered: nothing they count is lost or counted twice,
// together they never eject more than the share, and what is ejected is known to all.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "dataplane/shared/locked_board.h"
#include "l7/cluster/cluster.h"

namespace meltemi::shared {
namespace {

constexpr uint32_t kWorkers = 4, kHosts = 10, kRounds = 20'000;

config::Cluster Watched() {
  config::Cluster config;
  config.name = "c";
  config.stable_id = 1;
  config.outlier.emplace();
  for (uint32_t i = 0; i < kHosts; ++i) {
    config::Endpoint endpoint;
    endpoint.address = {IpAddr::V4(0x0a000000 + i), 80};
    endpoint.stable_id = i + 1;
    config.endpoints.push_back(endpoint);
  }
  return config;
}

struct Workers {
  explicit Workers(const config::Cluster& config) {
    for (uint32_t i = 0; i < kWorkers; ++i) {
      clusters.push_back(std::make_unique<cluster::Cluster>(&board));
      clusters.back()->Update(config, prng, Instant(), &closing);
    }
  }
  template <typename Work>
  void Run(Work work) {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kWorkers; ++i) {
      threads.emplace_back([&, i] {
        Prng own(i);
        work(*clusters[i], own);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  LockedBoard board;
  Prng prng{1};
  std::vector<ConnId> closing;
  std::vector<std::unique_ptr<cluster::Cluster>> clusters;
};

// Goal: of N errors without a success between them, every threshold-th is told to exactly one.
TEST(Ejection, EveryErrorAndEveryStreakIsCountedOnce) {
  config::Cluster config = Watched();
  config.outlier->consecutive_5xx = 7;
  config.outlier->enforcing_5xx = 0;
  Workers workers(config);
  workers.Run([](cluster::Cluster& cluster, Prng& prng) {
    cluster::Host* const host = cluster.hosts()[3].get();
    for (uint32_t i = 0; i < kRounds; ++i) {
      cluster.Report(host, cluster::Outcome::kServerError, prng, Instant());
    }
  });
  uint64_t detected = 0;
  for (const auto& cluster : workers.clusters) detected += cluster->outlier_stats.detected[0];
  EXPECT_EQ(detected, uint64_t{kWorkers} * kRounds / 7);
  const cluster::HostOutlier& outlier = workers.clusters[0]->hosts()[3]->node->outlier;
  EXPECT_EQ(outlier.answers.of[0].failed.Load(), kWorkers * kRounds);
  EXPECT_EQ(outlier.answers.of[0].succeeded.Load(), 0u);
}

// Goal: all hosts are bad at all workers at once, and one of these lets hosts come back: there are
// never more out than the share, and at the end exactly those that have the flag.
TEST(Ejection, WorkersTogetherReachTheShareAndNoMore) {
  config::Cluster config = Watched();
  config.outlier->consecutive_5xx = 1;
  config.outlier->ejection_percent_max = 30;
  config.outlier->base_ejection_time = config.outlier->interval = Duration::Millis(1);
  Workers workers(config);
  std::atomic<size_t> most = 0;
  workers.Run([&](cluster::Cluster& cluster, Prng& prng) {
    const bool looks = &cluster == workers.clusters[0].get();
    Instant now;
    std::vector<ConnId> closing;
    for (uint32_t i = 0; i < kRounds; ++i) {
      cluster::Host* const host = cluster.hosts()[prng.Below(kHosts)].get();
      cluster.Report(host, cluster::Outcome::kServerError, prng, now);
      const size_t out = cluster.ejected_count();
      size_t seen = most.load();
      while (seen < out && !most.compare_exchange_weak(seen, out)) {
      }
      cluster.Follow(now, &closing);
      now = now + Duration::Micros(100);
      if (looks) cluster.LookAgain(prng, now);
    }
  });
  EXPECT_EQ(most.load(), 3u);
  uint64_t enforced = 0, overflow = 0;
  for (const auto& cluster : workers.clusters) {
    cluster->Follow(Instant(), &workers.closing);
    size_t flagged = 0;
    for (const auto& host : cluster->hosts()) {
      flagged += (host->flags & cluster::kFailedOutlierCheck) != 0;
      EXPECT_EQ(host->flags & cluster::kBeingEjected, 0u);
    }
    EXPECT_EQ(flagged, cluster->ejected_count());
    enforced += cluster->outlier_stats.enforced_total;
    overflow += cluster->outlier_stats.overflow;
  }
  EXPECT_GT(enforced, 3u);
  EXPECT_GT(overflow, 0u);
}

// Goal: workers change to a configuration without detection one after the other, while others still
// eject, and back: nothing is left on the board, and nobody counts what is gone.
TEST(Ejection, ConfigurationsComeAndGo) {
  config::Cluster config = Watched();
  config.outlier->consecutive_5xx = 1;
  config.outlier->ejection_percent_max = 100;
  config::Cluster without = config;
  without.outlier.reset();
  config::Cluster fewer = config;
  fewer.endpoints.resize(kHosts / 2);
  Workers workers(config);
  const config::Cluster* const configs[] = {&config, &without, &fewer};
  workers.Run([&](cluster::Cluster& cluster, Prng& prng) {
    std::vector<ConnId> closing;
    for (uint32_t i = 0; i < 300; ++i) {
      cluster.Update(*configs[prng.Below(3)], prng, Instant(), &closing);
      cluster.Sweep();
      for (size_t k = 0; k < cluster.member_count(); ++k) {
        cluster.Report(cluster.hosts()[k].get(), cluster::Outcome::kServerError, prng, Instant());
      }
      cluster.Follow(Instant(), &closing);
    }
  });
  for (const auto& cluster : workers.clusters) {
    cluster->Update(without, workers.prng, Instant(), &workers.closing);
  }
  for (const auto& cluster : workers.clusters) {
    cluster->Update(config, workers.prng, Instant(), &workers.closing);
    EXPECT_EQ(cluster->ejected_count(), 0u);
    for (size_t k = 0; k < cluster->member_count(); ++k) EXPECT_EQ(cluster->hosts()[k]->flags, 0u);
  }
}

}  // namespace
}  // namespace meltemi::shared
