#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace meltemi::load {
namespace {

constexpr int kBits = 7;        // 128 buckets in each power of two
constexpr int kValueBits = 40;  // 2^40 ns
constexpr size_t kBucketCount = size_t{kValueBits - kBits + 1} << kBits;
constexpr uint64_t kValueMax = (uint64_t{1} << kValueBits) - 1;

size_t BucketOf(uint64_t value) {
  value = std::min(value, kValueMax);
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kBits + 1));
  return (static_cast<size_t>(shift) << kBits) + (value >> shift);
}

// The largest value that counts in the bucket.
int64_t EndOf(size_t bucket) {
  if (bucket < (size_t{2} << kBits)) return static_cast<int64_t>(bucket);
  const auto shift = static_cast<int>(bucket >> kBits) - 1;
  const uint64_t low = (bucket - (static_cast<size_t>(shift) << kBits)) << shift;
  return static_cast<int64_t>(low + (uint64_t{1} << shift) - 1);
}

}  // namespace

Histogram::Histogram() : counts_(kBucketCount) {}

void Histogram::Record(Duration d) {
  const int64_t nanos = std::max<int64_t>(0, d.nanos());
  ++counts_[BucketOf(static_cast<uint64_t>(nanos))];
  ++count_;
  max_ = std::max(max_, nanos);
  min_ = std::min(min_, nanos);
  sum_ += static_cast<double>(nanos);
}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
  sum_ += other.sum_;
}

void Histogram::Clear() { *this = Histogram(); }

Duration Histogram::mean() const {
  if (count_ == 0) return Duration();
  return Duration::Nanos(static_cast<int64_t>(sum_ / static_cast<double>(count_)));
}

Duration Histogram::Percentile(double quantile) const {
  if (count_ == 0) return Duration();
  const double exact = std::ceil(quantile * static_cast<double>(count_));
  const auto rank = std::clamp<uint64_t>(static_cast<uint64_t>(exact), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBucketCount; ++i) {
    seen += counts_[i];
    if (seen >= rank) return Duration::Nanos(std::min(EndOf(i), max_));
  }
  return max();
}

std::vector<Histogram::Bucket> Histogram::NonEmpty() const {
  std::vector<Bucket> out;
  for (size_t i = 0; i < kBucketCount; ++i) {
    if (counts_[i] > 0) out.push_back({Duration::Nanos(EndOf(i)), counts_[i]});
  }
  return out;
}

}  // namespace meltemi::load
