#include "l7/telemetry/civil_time.h"

#include <cstdio>

namespace meltemi::telemetry {
namespace {

struct Civil {
  int64_t year;
  int month, day, hour, minute, second, weekday;  // month 1..12, weekday 0 = Sunday
};

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Civil ToCivil(int64_t unix_seconds) {
  const int64_t days = FloorDivide(unix_seconds, 86'400);
  const int64_t rest = unix_seconds - days * 86'400;
  // Days since 0000-03-01, in eras of 400 years: the leap day ends a year that begins in March.
  const int64_t shifted = days + 719'468;
  const int64_t era = FloorDivide(shifted, 146'097);
  const int64_t of_era = shifted - era * 146'097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
  return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = static_cast<int>(day_of_year - (153 * march_month + 2) / 5 + 1),
          .hour = static_cast<int>(rest / 3600),
          .minute = static_cast<int>(rest / 60 % 60),
          .second = static_cast<int>(rest % 60),
          .weekday = static_cast<int>(((days + 4) % 7 + 7) % 7)};
}

}  // namespace

std::string HttpDate(int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil c = ToCivil(unix_seconds);
  char text[64];
  const int size = std::snprintf(text, sizeof(text), "%s, %02d %s %04lld %02d:%02d:%02d GMT",
                                 kDays[c.weekday], c.day, kMonths[c.month - 1],
                                 static_cast<long long>(c.year), c.hour, c.minute, c.second);
  return std::string(text, static_cast<size_t>(size));
}

std::string IsoMilliseconds(int64_t unix_nanos) {
  const int64_t seconds = FloorDivide(unix_nanos, 1'000'000'000);
  const Civil c = ToCivil(seconds);
  const int ms = static_cast<int>((unix_nanos - seconds * 1'000'000'000) / 1'000'000);
  char text[64];
  const int size =
      std::snprintf(text, sizeof(text), "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ",
                    static_cast<long long>(c.year), c.month, c.day, c.hour, c.minute, c.second, ms);
  return std::string(text, static_cast<size_t>(size));
}

}  // namespace meltemi::telemetry
