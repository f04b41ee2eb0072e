// How strings and headers are matched: shared by routes, faults, CORS and access control. Values,
// immutable once compiled; evaluated by l7/route/match.h. Part of the Snapshot.
#ifndef MELTEMI_L7_CONFIG_MATCHERS_H_
#define MELTEMI_L7_CONFIG_MATCHERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "re2/re2.h"

namespace meltemi::config {

// envoy.type.matcher.v3.StringMatcher
struct StringMatch {
  enum class Kind : uint8_t { kExact, kPrefix, kSuffix, kContains, kRegex };
  Kind kind = Kind::kExact;
  bool ignore_case = false;  // then `value` is lower case; not applied to kRegex
  std::string value;
  std::unique_ptr<const RE2> regex;  // kRegex: full match
};

// envoy.config.route.v3.HeaderMatcher; also used for :method, :authority, :path, :scheme.
struct HeaderMatch {
  enum class Kind : uint8_t { kPresent, kString, kRange };
  std::string name;  // lower case
  Kind kind = Kind::kPresent;
  bool invert = false;                     // invert_match
  bool missing_is_empty = false;           // treat_missing_header_as_empty
  StringMatch string;                      // kString
  int64_t range_begin = 0, range_end = 0;  // kRange: [begin, end)
};

struct QueryMatch {  // QueryParameterMatcher
  std::string name;
  std::optional<StringMatch> value;  // absent: presence
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_MATCHERS_H_
