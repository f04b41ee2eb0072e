// Goal: the shares of priorities are Envoy's. Method: the tables of its documentation (priority
// levels, panic threshold, degraded endpoints), where those and its code agree, and the edges.
#include "l7/cluster/levels.h"

#include <gtest/gtest.h>

#include <string>

namespace meltemi::cluster {
namespace {

// "healthy/degraded" of each level, "!" in panic.
std::string Share(const std::vector<Level>& levels, uint32_t panic_percent = 50,
                  uint32_t factor_percent = 140) {
  std::string text;
  for (const LevelLoad& load : ShareLoad(levels, panic_percent, factor_percent)) {
    if (!text.empty()) text += " ";
    text += std::to_string(load.healthy);
    if (load.degraded > 0) text += "/" + std::to_string(load.degraded);
    if (load.panic) text += "!";
  }
  return text;
}

// Levels of a hundred hosts each.
std::string ShareOfHealthy(const std::vector<size_t>& healthy, uint32_t panic_percent = 50) {
  std::vector<Level> levels;
  for (const size_t count : healthy) levels.push_back({.all = 100, .healthy = count});
  return Share(levels, panic_percent);
}

TEST(ShareLoad, SpillsAsEnvoysTablesSay) {
  const struct {
    std::vector<size_t> healthy;
    const char* want;
  } rows[] = {
      // P=1 is whole.
      {{100, 100}, "100 0"},
      {{72, 100}, "100 0"},
      {{71, 100}, "99 1"},
      {{50, 100}, "70 30"},
      {{25, 100}, "35 65"},
      {{0, 100}, "0 100"},
      // It is not.
      {{72, 72}, "100 0"},
      {{71, 71}, "99 1"},
      {{50, 50}, "70 30"},
      // Three.
      {{100, 100, 100}, "100 0 0"},
      {{72, 72, 100}, "100 0 0"},
      {{71, 71, 100}, "99 1 0"},
      {{50, 50, 100}, "70 30 0"},
      {{25, 100, 100}, "35 65 0"},
      {{25, 25, 100}, "35 35 30"},
  };
  for (const auto& row : rows) EXPECT_EQ(ShareOfHealthy(row.healthy), row.want);
}

// Where all together cannot take everything, shares are normalized. Envoy's code rounds down and
// gives the first what is left; its tables round: 36 36 28 and 7 93.
TEST(ShareLoad, NormalizesWhenAllAreShort) {
  EXPECT_EQ(ShareOfHealthy({25, 25}, 0), "50 50");
  EXPECT_EQ(ShareOfHealthy({25, 25, 20}, 0), "37 35 28");
  EXPECT_EQ(ShareOfHealthy({5, 65}, 0), "8 92");
  EXPECT_EQ(ShareOfHealthy({0, 1}, 0), "0 100");
  EXPECT_EQ(ShareOfHealthy({0, 0}, 0), "0 0");
  EXPECT_EQ(Share({{20, 4, 0}, {20, 6, 0}}, 0, 100), "40 60");  // "{20, 30}" of the page
}

TEST(ShareLoad, LevelsWithoutHosts) {
  EXPECT_EQ(Share({{0, 0, 0}, {100, 100, 0}}), "0 100");
  EXPECT_EQ(Share({{0, 0, 0}, {0, 0, 0}}), "0! 0!");
  EXPECT_EQ(Share({}), "");
}

TEST(ShareLoad, TheFactorMovesTheEdge) {
  const auto first = [](size_t healthy, uint32_t factor_percent) {
    return Share({{100, healthy, 0}, {100, 100, 0}}, 50, factor_percent);
  };
  EXPECT_EQ(first(100, 100), "100 0");
  EXPECT_EQ(first(99, 100), "99 1");
  EXPECT_EQ(first(51, 200), "100 0");
  EXPECT_EQ(first(50, 200), "100 0");
  EXPECT_EQ(first(49, 200), "98 2");
  EXPECT_EQ(first(1, UINT32_MAX), "100 0");
}

TEST(ShareLoad, DegradedHostsTakeWhatHealthyOnesLeave) {
  // Envoy's table; its last row is the share without a panic.
  EXPECT_EQ(Share({{100, 100, 0}}), "100");
  EXPECT_EQ(Share({{100, 71, 0}}), "100");
  EXPECT_EQ(Share({{100, 71, 29}}), "99/1");
  EXPECT_EQ(Share({{100, 25, 65}}), "35/65");
  EXPECT_EQ(Share({{100, 5, 0}}, 0), "100");
  // The example in Envoy's code: the first has 2 % more, from rounding.
  EXPECT_EQ(Share({{100, 10, 20}, {100, 20, 10}, {100, 10, 0}}, 0), "16/28 28/14 14");
  // Healthy ones of all levels come first.
  EXPECT_EQ(Share({{100, 30, 70}, {100, 20, 80}}), "42/30 28");
  EXPECT_EQ(Share({{100, 0, 100}}), "0/100");
}

TEST(ShareLoad, PanicIsExactAtItsThreshold) {
  EXPECT_EQ(ShareOfHealthy({51}), "100");
  EXPECT_EQ(ShareOfHealthy({50}), "100");
  EXPECT_EQ(ShareOfHealthy({49}), "100!");
  EXPECT_EQ(ShareOfHealthy({0}), "100!");
  EXPECT_EQ(Share({{100, 30, 20}}), "60/40");  // degraded ones count as available
  EXPECT_EQ(Share({{100, 30, 19}}), "100!");
  EXPECT_EQ(ShareOfHealthy({0}, 1), "100!");
  EXPECT_EQ(ShareOfHealthy({1}, 1), "100");
  EXPECT_EQ(ShareOfHealthy({0}, 0), "0");
  EXPECT_EQ(ShareOfHealthy({1}, 0), "100");
  EXPECT_EQ(ShareOfHealthy({71}, 100), "100!");
  EXPECT_EQ(ShareOfHealthy({72}, 100), "100");  // it can take everything
}

// Envoy's tables: nobody panics while others can take what a level cannot; else each that is below
// the threshold does; where all do, hosts are counted.
TEST(ShareLoad, PanicOfOneLevelAndOfAll) {
  EXPECT_EQ(ShareOfHealthy({25, 100}), "35 65");
  EXPECT_EQ(ShareOfHealthy({0, 100}), "0 100");
  EXPECT_EQ(ShareOfHealthy({25, 25}), "50! 50!");
  EXPECT_EQ(ShareOfHealthy({5, 65}), "8! 92");
  EXPECT_EQ(Share({{100, 5, 0}, {300, 30, 0}}), "25! 75!");
  EXPECT_EQ(Share({{1, 0, 0}, {2, 0, 0}}), "34! 66!");
}

}  // namespace
}  // namespace meltemi::cluster
