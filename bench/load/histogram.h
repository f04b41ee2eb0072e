// Histogram: counts of durations in buckets that are linear within a power of two and logarithmic
// across them (as HDR histograms are), so that every percentile is right to less than 0.8 % from
// a nanosecond to 18 minutes at a fixed 35 KB.
//
//   bucket(v) = v                              v < 2^8
//             = s * 2^7 + (v >> s)             else, s = bit_width(v) - 8
//
// Owns its counts. Pure; one thread. Bound: longer durations count in the last bucket; max() is
// exact all the same.
#ifndef MELTEMI_BENCH_LOAD_HISTOGRAM_H_
#define MELTEMI_BENCH_LOAD_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "l7/base/time.h"

namespace meltemi::load {

class Histogram {
 public:
  Histogram();

  void Record(Duration d);  // a negative one counts as zero
  void Add(const Histogram& other);
  void Clear();

  uint64_t count() const { return count_; }
  Duration max() const { return Duration::Nanos(max_); }
  Duration min() const { return Duration::Nanos(count_ == 0 ? 0 : min_); }
  Duration mean() const;
  // The smallest bucket end that at least `quantile` of all durations do not exceed; 0 < quantile
  // <= 1. Zero when nothing was recorded.
  Duration Percentile(double quantile) const;

  struct Bucket {
    Duration upto;  // inclusive
    uint64_t count = 0;
  };
  std::vector<Bucket> NonEmpty() const;  // in order

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
  int64_t min_ = INT64_MAX;
  double sum_ = 0;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_HISTOGRAM_H_
