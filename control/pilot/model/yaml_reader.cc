#include "control/pilot/model/yaml_reader.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace meltemi::control::pilot::model {
namespace {

bool IsPlain(const YAML::Node& node) { return node.Tag() == "?" || node.Tag().empty(); }

// YAML 1.2 core schema: would a plain scalar be read as something else than a string?
bool LooksTyped(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "true" || text == "false") {
    return true;
  }
  const char first = text[0];
  if (!absl::ascii_isdigit(first) && first != '-' && first != '+' && first != '.') return false;
  double number;
  return absl::SimpleAtod(text, &number);
}

std::string JoinPath(const std::string& path, const std::string& name) {
  const bool plain = name.find_first_of(".[]\"/ ") == std::string::npos && !name.empty();
  if (!plain) return absl::StrCat(path, "[\"", name, "\"]");
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

const char* TypeName(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
      return "nothing";
    case YAML::NodeType::Null:
      return "null";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
  }
  return "nothing";
}

}  // namespace

void Report::Add(std::string path, std::string message) {
  ++problem_count_;
  if (problem_count_ > kProblemsPerObjectMax) return;
  problems_->push_back({file_, object_, std::move(path), std::move(message)});
}

bool Report::SpendNode() {
  if (nodes_left_ < 0) return false;
  if (--nodes_left_ >= 0) return true;
  Add("", absl::StrCat("larger than ", kNodesMax, " values"));
  return false;
}

MapReader::MapReader(const YAML::Node& node, std::string path, Report* report)
    : path_(std::move(path)), report_(report) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsMap()) {
    report_->Add(path_, absl::StrCat("must be a mapping, is ", TypeName(node)));
    return;
  }
  for (const auto& entry : node) {
    if (!report_->SpendNode()) return;
    if (!entry.first.IsScalar()) {
      report_->Add(path_, "field names must be strings");
      continue;
    }
    const std::string name = entry.first.Scalar();
    if (asked_.contains(name) || fields_.contains(name)) {
      report_->Add(Path(name), "given twice");
    }
    if (entry.second.IsNull()) {
      asked_.insert(name);  // "field:" with nothing behind it is an absent field
      continue;
    }
    fields_.emplace(name, entry.second);
  }
  asked_.clear();
}

MapReader::~MapReader() {
  if (accept_rest_) return;
  for (const auto& [name, node] : fields_) {
    if (!asked_.contains(name)) report_->Add(Path(name), "unknown field");
  }
}

std::string MapReader::Path(const std::string& name) const { return JoinPath(path_, name); }

YAML::Node MapReader::Take(const std::string& name) {
  asked_.insert(name);
  const auto it = fields_.find(name);
  return it == fields_.end() ? YAML::Node(YAML::NodeType::Undefined) : it->second;
}

std::optional<std::string> MapReader::Scalar(const std::string& name, const char* expected) {
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return std::nullopt;
  if (!node.IsScalar()) {
    Problem(name, absl::StrCat("must be ", expected, ", is ", TypeName(node)));
    return std::nullopt;
  }
  if (!IsPlain(node)) {
    Problem(name, absl::StrCat("must be ", expected, ", is the string \"", node.Scalar(), "\""));
    return std::nullopt;
  }
  return node.Scalar();
}

std::optional<std::string> ScalarString(const YAML::Node& node, const std::string& path,
                                        Report* report) {
  if (!node.IsScalar()) {
    report->Add(path, absl::StrCat("must be a string, is ", TypeName(node)));
    return std::nullopt;
  }
  if (IsPlain(node) && LooksTyped(node.Scalar())) {
    report->Add(path, absl::StrCat("must be a string: write \"", node.Scalar(), "\" in quotes"));
    return std::nullopt;
  }
  return node.Scalar();
}

std::optional<std::string> MapReader::String(const std::string& name) {
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return std::nullopt;
  return ScalarString(node, Path(name), report_);
}

std::string MapReader::StringOr(const std::string& name, std::string fallback) {
  return String(name).value_or(std::move(fallback));
}

std::string MapReader::RequiredString(const std::string& name) {
  if (!Has(name)) {
    Take(name);
    Problem(name, "required");
    return "";
  }
  std::optional<std::string> value = String(name);
  if (value && value->empty()) Problem(name, "must not be empty");
  return value.value_or("");
}

std::optional<int64_t> MapReader::Int(const std::string& name, int64_t min, int64_t max) {
  const std::optional<std::string> text = Scalar(name, "a whole number");
  if (!text) return std::nullopt;
  int64_t value = 0;
  if (!absl::SimpleAtoi(*text, &value)) {
    Problem(name, absl::StrCat("must be a whole number, is ", *text));
    return std::nullopt;
  }
  if (value < min) {
    Problem(name, absl::StrCat("must be >= ", min));
    return std::nullopt;
  }
  if (value > max) {
    Problem(name, absl::StrCat("must be <= ", max));
    return std::nullopt;
  }
  return value;
}

std::optional<double> MapReader::Double(const std::string& name, double min, double max) {
  const std::optional<std::string> text = Scalar(name, "a number");
  if (!text) return std::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(*text, &value) || !std::isfinite(value)) {
    Problem(name, absl::StrCat("must be a number, is ", *text));
    return std::nullopt;
  }
  if (value < min || value > max) {
    Problem(name, absl::StrCat("must be between ", min, " and ", max));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> MapReader::Bool(const std::string& name) {
  const std::optional<std::string> text = Scalar(name, "true or false");
  if (!text) return std::nullopt;
  if (*text == "true") return true;
  if (*text == "false") return false;
  Problem(name, absl::StrCat("must be true or false, is ", *text));
  return std::nullopt;
}

std::optional<absl::Duration> MapReader::Duration(const std::string& name, absl::Duration min) {
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return std::nullopt;
  absl::Duration value;
  if (!node.IsScalar() || !absl::ParseDuration(node.Scalar(), &value) ||
      value == absl::InfiniteDuration() || value == -absl::InfiniteDuration()) {
    Problem(name, "must be a duration such as 1.5s, 200ms or 1h");
    return std::nullopt;
  }
  if (value < min) {
    Problem(name, absl::StrCat("must be >= ", absl::FormatDuration(min)));
    return std::nullopt;
  }
  // Ten years: google.protobuf.Duration has room for it, timers do too.
  if (value > absl::Hours(87600)) {
    Problem(name, "must be <= 87600h");
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> MapReader::StringList(const std::string& name) {
  std::vector<std::string> out;
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return out;
  if (!node.IsSequence()) {
    Problem(name, absl::StrCat("must be a list, is ", TypeName(node)));
    return out;
  }
  int index = 0;
  for (const auto& item : node) {
    if (index >= kListItemsMax || !report_->SpendNode()) {
      Problem(name, absl::StrCat("more than ", kListItemsMax, " items"));
      return out;
    }
    const std::string path = absl::StrCat(Path(name), "[", index++, "]");
    if (auto value = ScalarString(item, path, report_)) out.push_back(*std::move(value));
  }
  return out;
}

std::map<std::string, std::string> MapReader::StringMap(const std::string& name) {
  std::map<std::string, std::string> out;
  EachEntry(name, [&](const std::string& key, const YAML::Node& value, const std::string& path) {
    if (auto text = ScalarString(value, path, report_)) out[key] = *std::move(text);
  });
  return out;
}

std::optional<int> MapReader::Enum(const std::string& name, const std::vector<std::string>& names) {
  const std::optional<std::string> value = String(name);
  if (!value) return std::nullopt;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == *value) return static_cast<int>(i);
  }
  Problem(name, absl::StrCat("must be one of ", absl::StrJoin(names, ", ")));
  return std::nullopt;
}

bool MapReader::In(const std::string& name, const std::function<void(MapReader&)>& read) {
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return false;
  if (!report_->SpendNode()) return false;
  MapReader nested(node, Path(name), report_);
  read(nested);
  return true;
}

int MapReader::Each(const std::string& name, const std::function<void(MapReader&)>& read) {
  const YAML::Node node = Take(name);
  if (!node.IsDefined()) return 0;
  if (!node.IsSequence()) {
    Problem(name, absl::StrCat("must be a list, is ", TypeName(node)));
    return 0;
  }
  int index = 0;
  for (const auto& item : node) {
    if (index >= kListItemsMax || !report_->SpendNode()) {
      Problem(name, absl::StrCat("more than ", kListItemsMax, " items"));
      return index;
    }
    MapReader nested(item, absl::StrCat(Path(name), "[", index++, "]"), report_);
    read(nested);
  }
  return index;
}

void MapReader::EachEntry(
    const std::string& name,
    const std::function<void(const std::string&, const YAML::Node&, const std::string&)>& read) {
  In(name, [&](MapReader& map) {
    for (const auto& [key, value] : map.fields_) {
      map.asked_.insert(key);
      read(key, value, map.Path(key));
    }
  });
}

void MapReader::NotYet(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (Take(name).IsDefined()) Problem(name, "not supported yet");
  }
}

void MapReader::Accept(std::initializer_list<const char*> names) {
  for (const char* name : names) Take(name);
}

}  // namespace meltemi::control::pilot::model
