#include "l7/cluster/levels.h"

#include <algorithm>

namespace meltemi::cluster {
namespace {

struct Availability {
  uint32_t healthy = 0, degraded = 0;
};

uint32_t PercentOf(size_t well, size_t all, uint32_t factor_percent) {
  if (all == 0) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(100, uint64_t{factor_percent} * well / all));
}

bool TooFew(const Level& level, uint32_t panic_percent) {
  const size_t well = level.healthy + level.degraded;
  return level.all == 0 ? panic_percent > 0 : well * 100 / level.all < panic_percent;
}

// All levels panic: nobody knows who is well, so each host is as good as any.
void ShareByHosts(std::span<const Level> levels, std::vector<LevelLoad>* loads) {
  size_t all = 0;
  for (const Level& level : levels) all += level.all;
  if (all == 0) return;
  uint32_t left = 100;
  LevelLoad* first = nullptr;
  for (size_t i = 0; i < levels.size(); ++i) {
    LevelLoad& load = (*loads)[i];
    load.degraded = 0;
    load.healthy = static_cast<uint32_t>(100 * levels[i].all / all);
    left -= load.healthy;
    if (first == nullptr && levels[i].all > 0) first = &load;
  }
  first->healthy += left;
}

}  // namespace

std::vector<LevelLoad> ShareLoad(std::span<const Level> levels, uint32_t panic_percent,
                                 uint32_t factor_percent) {
  std::vector<LevelLoad> loads(levels.size());
  std::vector<Availability> available;
  uint32_t total = 0;
  for (const Level& level : levels) {
    available.push_back({.healthy = PercentOf(level.healthy, level.all, factor_percent),
                         .degraded = PercentOf(level.degraded, level.all, factor_percent)});
    total += available.back().healthy + available.back().degraded;
  }
  total = std::min(total, 100u);
  uint32_t left = 100;
  uint32_t* first = nullptr;  // gets what rounding leaves
  const auto give = [&](uint32_t availability, uint32_t* load) {
    if (availability == 0) return;
    *load = std::min(left, availability * 100 / total);
    left -= *load;
    if (first == nullptr) first = load;
  };
  for (size_t i = 0; i < levels.size(); ++i) give(available[i].healthy, &loads[i].healthy);
  for (size_t i = 0; i < levels.size(); ++i) give(available[i].degraded, &loads[i].degraded);
  if (first != nullptr) *first += left;
  // Whoever can take everything is not in panic, however few of one level are left.
  if (total >= 100 || panic_percent == 0) return loads;
  bool everywhere = true;
  for (size_t i = 0; i < levels.size(); ++i) {
    loads[i].panic = TooFew(levels[i], panic_percent);
    everywhere = everywhere && loads[i].panic;
  }
  if (everywhere) ShareByHosts(levels, &loads);
  return loads;
}

}  // namespace meltemi::cluster
