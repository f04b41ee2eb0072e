// What every object has: where it stands and what it is called. Pure values.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_META_H_
#define MELTEMI_CONTROL_PILOT_MODEL_META_H_

#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::model {

using Labels = std::map<std::string, std::string>;

struct Meta {
  std::string file;
  std::string kind;
  std::string ns;
  std::string name;
  Labels labels;
  std::string created;  // creationTimestamp; empty: from a file

  std::string Object() const { return absl::StrCat(kind, " ", ns, "/", name); }
};

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_META_H_
