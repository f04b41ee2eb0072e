// Dates from Unix time, as text: RFC 9110 5.6.7 for headers, ISO 8601 for logs. UTC only.
//
// Pure functions on any thread; the Gregorian calendar by the days-from-civil method.
#ifndef MELTEMI_L7_TELEMETRY_CIVIL_TIME_H_
#define MELTEMI_L7_TELEMETRY_CIVIL_TIME_H_

#include <cstdint>
#include <string>

namespace meltemi::telemetry {

std::string HttpDate(int64_t unix_seconds);       // "Sun, 06 Nov 1994 08:49:37 GMT"
std::string IsoMilliseconds(int64_t unix_nanos);  // "1994-11-06T08:49:37.123Z"

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_CIVIL_TIME_H_
