// The registry folder as values: file names and texts in, objects and models out, and what has to
// be written or removed to apply or delete objects. Pure: watcher.h does the reading and the
// writing.
#ifndef MELTEMI_CONTROL_PILOT_REGISTRY_FILE_STORE_H_
#define MELTEMI_CONTROL_PILOT_REGISTRY_FILE_STORE_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "control/pilot/model/model.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::registry {

using Files = std::map<std::string, std::string>;  // name -> text

struct Compiled {
  model::Objects objects;
  std::optional<model::Model> model;  // absent when there are problems
  model::Problems problems;
};

// Everything is read and one model is built of it, or none.
Compiled Compile(const Files& files, const std::string& domain);

struct ObjectName {
  std::string kind;
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectName&) const = default;
};

enum class Outcome { kCreated, kChanged, kUnchanged };

struct Plan {
  Files write;
  std::set<std::string> secret;  // of these: those that only their owner may read
  std::set<std::string> remove;
  std::vector<std::pair<ObjectName, Outcome>> results;
  model::Problems problems;           // when there are any, nothing is to be done
  std::optional<model::Model> model;  // of PlanApply: what will be in force
};

// `given`: the operator's files, by the names problems are reported under.
Plan PlanApply(const Files& now, const std::vector<std::pair<std::string, std::string>>& given,
               const std::string& domain);
Plan PlanDelete(const Files& now, const std::vector<ObjectName>& names, const std::string& domain);

// "virtualservice.default.reviews.yaml"
std::string FileFor(const ObjectName& name);
// Files of the folder that are read: *.yaml, *.yml, *.json, not hidden.
bool IsObjectFile(const std::string& name);

// Gathers bursts of file events: work is due `quiet` after the last event, `longest` after the
// first at the latest.
class Debouncer {
 public:
  Debouncer(absl::Duration quiet, absl::Duration longest) : quiet_(quiet), longest_(longest) {}
  void Event(absl::Time now);
  // When to act; InfiniteFuture: nothing is pending.
  absl::Time due() const;
  void Done() { first_ = last_ = absl::InfiniteFuture(); }

 private:
  absl::Duration quiet_;
  absl::Duration longest_;
  absl::Time first_ = absl::InfiniteFuture();
  absl::Time last_ = absl::InfiniteFuture();
};

}  // namespace meltemi::control::pilot::registry

#endif  // MELTEMI_CONTROL_PILOT_REGISTRY_FILE_STORE_H_
