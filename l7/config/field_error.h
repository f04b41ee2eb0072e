// Errors that name a field by its full path, built from the inside out: a leaf says what is wrong
// with one field, every caller on the way up puts its own step in front. Success costs nothing.
//
//   Invalid("weight", "must not be 0")                       "weight: must not be 0"
//   At("clusters[2]", Invalid("weight", "must not be 0"))    "clusters[2].weight: must not be 0"
//   At("clusters[2]", Invalid("", "unknown"))                "clusters[2]: unknown"
//
// Owns nothing. Called by the compiler and by readers of configuration files, on control threads.
#ifndef MELTEMI_L7_CONFIG_FIELD_ERROR_H_
#define MELTEMI_L7_CONFIG_FIELD_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "l7/base/text.h"

namespace meltemi::config {

inline absl::Status Invalid(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(Cat(field, ": ", what));
}

inline absl::Status At(std::string_view step, const absl::Status& inner) {
  const bool at_node = !inner.message().empty() && inner.message().front() == ':';
  return absl::Status(inner.code(), Cat(step, at_node ? "" : ".", inner.message()));
}

inline std::string Indexed(std::string_view field, int index) {
  return Cat(field, "[", index, "]");
}

}  // namespace meltemi::config

// Leaves the function with the error of `expression`, the step of the path in front. The step is
// evaluated only then.
#define RETURN_IF_ERROR_AT(step, expression)                      \
  do {                                                            \
    if (absl::Status status_at = (expression); !status_at.ok()) { \
      return ::meltemi::config::At(step, status_at);              \
    }                                                             \
  } while (false)

#define RETURN_IF_ERROR(expression)                                 \
  do {                                                              \
    if (absl::Status status_now = (expression); !status_now.ok()) { \
      return status_now;                                            \
    }                                                               \
  } while (false)

#define MELTEMI_CONCAT_INNER(a, b) a##b
#define MELTEMI_CONCAT(a, b) MELTEMI_CONCAT_INNER(a, b)

// target = the value of `expression`, or leaves with its error, the step in front.
#define ASSIGN_OR_RETURN_AT(target, step, expression)                               \
  auto MELTEMI_CONCAT(result_, __LINE__) = (expression);                            \
  if (!MELTEMI_CONCAT(result_, __LINE__).ok()) {                                    \
    return ::meltemi::config::At(step, MELTEMI_CONCAT(result_, __LINE__).status()); \
  }                                                                                 \
  target = *std::move(MELTEMI_CONCAT(result_, __LINE__))

#endif  // MELTEMI_L7_CONFIG_FIELD_ERROR_H_
