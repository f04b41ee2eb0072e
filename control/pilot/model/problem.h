// What is wrong with an operator's object, in the words an operator needs: the file, the object,
// the full path of the field, and why. Pure values; made by the parser and the cross-object checks,
// shown by the registry, the Control API and the CLI. Knows no YAML, no protobuf, no clock.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_PROBLEM_H_
#define MELTEMI_CONTROL_PILOT_MODEL_PROBLEM_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::model {

struct Problem {
  std::string file;     // as given to the parser; empty when the object came over the wire
  std::string object;   // "VirtualService default/reviews"; empty when not even that could be read
  std::string path;     // "spec.http[0].route[1].weight"; empty when the whole object is meant
  std::string message;  // "must be >= 0"

  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

// "reviews.yaml: VirtualService default/reviews: spec.http[0].route[1].weight: must be >= 0"
inline std::string ToString(const Problem& problem) {
  std::string out;
  for (const std::string* part : {&problem.file, &problem.object, &problem.path}) {
    if (!part->empty()) absl::StrAppend(&out, *part, ": ");
  }
  return absl::StrCat(out, problem.message);
}

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_PROBLEM_H_
