// Strict reading of one YAML mapping: every field is asked for by name, and what was never asked
// for is reported as unknown, with its full path, when the reader goes out of scope. A field of the
// wrong type or out of range is reported where it stands and reads as absent, so one pass finds
// every problem of an object. Used by the object parsers only, on the thread of whoever parses.
// Bounded by kListItemsMax per list and kNodesMax per document: YAML aliases can make a small file
// a huge tree.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_YAML_READER_H_
#define MELTEMI_CONTROL_PILOT_MODEL_YAML_READER_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "control/pilot/model/problem.h"
#include "yaml-cpp/yaml.h"

namespace meltemi::control::pilot::model {

inline constexpr int kListItemsMax = 10'000;
inline constexpr int kNodesMax = 500'000;
inline constexpr int kProblemsPerObjectMax = 100;

// Where the problems of one object go.
class Report {
 public:
  Report(std::string file, std::string object, Problems* problems)
      : file_(std::move(file)), object_(std::move(object)), problems_(problems) {}

  void Add(std::string path, std::string message);
  void set_object(std::string object) { object_ = std::move(object); }
  // Counts one visited node; false (reported once) when the document's budget is used up.
  bool SpendNode();
  int problem_count() const { return problem_count_; }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::string object_;
  Problems* problems_;
  int problem_count_ = 0;
  int nodes_left_ = kNodesMax;
};

class MapReader {
 public:
  // `node` may be absent (reads as empty) or must be a mapping. `report` outlives the reader.
  MapReader(const YAML::Node& node, std::string path, Report* report);
  ~MapReader();
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;

  // Present and not null.
  bool Has(const std::string& name) const { return fields_.contains(name); }
  // The path of a field of this mapping.
  std::string Path(const std::string& name) const;
  const std::string& path() const { return path_; }
  Report& report() { return *report_; }
  void Problem(const std::string& name, std::string message) { report_->Add(Path(name), message); }

  // Marks the field as known and gives its node (an undefined node when absent).
  YAML::Node Take(const std::string& name);
  std::optional<std::string> String(const std::string& name);
  std::string StringOr(const std::string& name, std::string fallback);
  std::string RequiredString(const std::string& name);
  std::optional<int64_t> Int(const std::string& name, int64_t min, int64_t max);
  std::optional<double> Double(const std::string& name, double min, double max);
  std::optional<bool> Bool(const std::string& name);
  std::optional<absl::Duration> Duration(const std::string& name, absl::Duration min);
  std::vector<std::string> StringList(const std::string& name);
  std::map<std::string, std::string> StringMap(const std::string& name);
  // One of `names`; the index of the one found.
  std::optional<int> Enum(const std::string& name, const std::vector<std::string>& names);

  // Calls `read` with the nested mapping when the field is present.
  bool In(const std::string& name, const std::function<void(MapReader&)>& read);
  // Calls `read` with each element (a mapping) of the list `name`; the number of elements.
  int Each(const std::string& name, const std::function<void(MapReader&)>& read);
  // Calls `read` with each key and value of the mapping `name`.
  void EachEntry(const std::string& name,
                 const std::function<void(const std::string& key, const YAML::Node& value,
                                          const std::string& path)>& read);

  // Fields of the API that are real but not implemented: refused by name, never ignored.
  void NotYet(std::initializer_list<const char*> names);
  // Fields of the API that carry nothing the mesh acts upon.
  void Accept(std::initializer_list<const char*> names);
  // This mapping is written by Kubernetes, not by the operator: fields not asked for are fine.
  void AcceptRest() { accept_rest_ = true; }

 private:
  std::optional<std::string> Scalar(const std::string& name, const char* expected);

  std::string path_;
  Report* report_;
  std::map<std::string, YAML::Node> fields_;
  std::set<std::string> asked_;
  bool accept_rest_ = false;
};

// The scalar as a string, or nothing (reported) when YAML reads it as another type.
std::optional<std::string> ScalarString(const YAML::Node& node, const std::string& path,
                                        Report* report);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_YAML_READER_H_
