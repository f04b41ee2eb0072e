#include "l7/engine/grpc.h"

#include <algorithm>
#include <cstdint>

#include "l7/base/text.h"

namespace meltemi::engine {
namespace {

constexpr int64_t kDigitsMax = 8;
constexpr int64_t kValueMax = 99'999'999;

// In nanoseconds; 0: no unit.
int64_t UnitOf(char c) {
  switch (c) {
    case 'H':
      return int64_t{3'600'000'000'000};
    case 'M':
      return int64_t{60'000'000'000};
    case 'S':
      return int64_t{1'000'000'000};
    case 'm':
      return 1'000'000;
    case 'u':
      return 1'000;
    case 'n':
      return 1;
    default:
      return 0;
  }
}

}  // namespace

bool IsGrpc(const http::RequestHead& head) {
  std::string_view type = head.headers.Get(http::Known::kContentType);
  constexpr std::string_view kGrpc = "application/grpc";
  if (!type.starts_with(kGrpc)) return false;
  type.remove_prefix(kGrpc.size());
  return type.empty() || type.front() == '+' || type.front() == ';';
}

std::optional<Duration> ParseGrpcTimeout(std::string_view value) {
  if (value.size() < 2 || value.size() > kDigitsMax + 1) return std::nullopt;
  const int64_t unit = UnitOf(value.back());
  value.remove_suffix(1);
  int64_t number = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  if (unit == 0) return std::nullopt;
  constexpr int64_t kMost = INT64_MAX / 4;  // added to a time, it is still one
  if (number > kMost / unit) return Duration::Nanos(kMost);
  constexpr int64_t kMillisecond = 1'000'000;
  const int64_t nanos = number * unit;
  return Duration::Nanos((nanos + kMillisecond - 1) / kMillisecond * kMillisecond);
}

std::string GrpcTimeoutText(Duration timeout) {
  int64_t value = std::max<int64_t>(timeout.millis(), 1);
  const struct {
    int64_t factor;
    char unit;
  } units[] = {{1, 'm'}, {1000, 'S'}, {60, 'M'}, {60, 'H'}};
  char unit = 'm';
  for (const auto& step : units) {
    value /= step.factor;
    unit = step.unit;
    if (value <= kValueMax) break;
  }
  return Cat(std::min(value, kValueMax), unit);
}

}  // namespace meltemi::engine
