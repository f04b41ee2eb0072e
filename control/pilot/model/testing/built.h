// What tests ask of the model: a text in, the objects, the model and the problems' texts out.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_TESTING_BUILT_H_
#define MELTEMI_CONTROL_PILOT_MODEL_TESTING_BUILT_H_

#include <optional>
#include <string>
#include <vector>

#include "control/pilot/model/model.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {

struct Built {
  Objects objects;
  std::optional<Model> model;
  std::vector<std::string> problems;
};

enum class Until { kParsed, kBuilt };

inline Built Build(const std::string& text, Until until = Until::kBuilt,
                   const std::string& file = "f.yaml") {
  Built out;
  Problems problems;
  ParseText(file, text, &out.objects, &problems);
  if (problems.empty() && until == Until::kBuilt) {
    out.model = BuildModel(out.objects, "cluster.local", &problems);
  }
  for (const Problem& problem : problems) out.problems.push_back(ToString(problem));
  return out;
}

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_TESTING_BUILT_H_
