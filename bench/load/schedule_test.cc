#include "bench/load/schedule.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace meltemi::load {
namespace {

constexpr Instant kStart = Instant::FromNanos(1'000'000);

std::vector<int64_t> Take(Schedule schedule, int count) {
  std::vector<int64_t> out;
  for (int i = 0; i < count; ++i) {
    out.push_back((schedule.next() - kStart).nanos());
    schedule.Advance();
  }
  return out;
}

TEST(Schedule, ConstantIsEvenlySpacedFromTheStart) {
  EXPECT_EQ((std::vector<int64_t>{0, 250'000, 500'000, 750'000}),
            Take(Schedule(Arrival::kConstant, 4000, kStart, 1), 4));
}

// Goal: a rate whose gap is no whole number of nanoseconds keeps its rate for hours.
TEST(Schedule, ConstantDoesNotDrift) {
  const auto times = Take(Schedule(Arrival::kConstant, 30'000, kStart, 1), 3'000'001);
  EXPECT_NEAR(100e9, static_cast<double>(times.back()), 2.0);
}

TEST(Schedule, PoissonIsTheSameForTheSameSeedOnly) {
  const auto a = Take(Schedule(Arrival::kPoisson, 1000, kStart, 5), 100);
  EXPECT_EQ(a, Take(Schedule(Arrival::kPoisson, 1000, kStart, 5), 100));
  EXPECT_NE(a, Take(Schedule(Arrival::kPoisson, 1000, kStart, 6), 100));
}

// Goal: gaps are exponential. Method: mean and standard deviation of 200,000 gaps are both 1/rate
// (five standard errors), and the share above 1/rate is 1/e.
TEST(Schedule, PoissonGapsAreExponential) {
  constexpr int kCount = 200'000;
  const auto times = Take(Schedule(Arrival::kPoisson, 10'000, kStart, 42), kCount + 1);
  double sum = 0, squares = 0;
  int above = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto gap = static_cast<double>(times[i + 1] - times[i]);
    EXPECT_GE(gap, 0.0);
    sum += gap;
    squares += gap * gap;
    above += gap > 100'000;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(100'000, mean, 5 * 100'000 / std::sqrt(kCount));
  EXPECT_NEAR(100'000, std::sqrt(squares / kCount - mean * mean), 2'500);
  EXPECT_NEAR(std::exp(-1.0), static_cast<double>(above) / kCount, 0.006);
}

}  // namespace
}  // namespace meltemi::load
