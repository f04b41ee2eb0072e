// Reader: one map of a YAML document, read field by field, strictly. The first error sticks and
// names the path; Finish() adds "unknown field" for every key nobody asked for. That no key is
// there twice is for CheckTree (yaml_json.h) to see.
#ifndef MELTEMI_DATAPLANE_AGENT_YAML_READER_H_
#define MELTEMI_DATAPLANE_AGENT_YAML_READER_H_

#include <charconv>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "l7/base/text.h"
#include "yaml-cpp/yaml.h"

namespace meltemi::agent {

class Reader {
 public:
  Reader(YAML::Node node, std::string path, absl::Status* error)
      : node_(std::move(node)), path_(std::move(path)), error_(error) {
    if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) Fail("", "must be a map");
  }

  bool Has(const std::string& key) const { return node_.IsMap() && node_[key].IsDefined(); }

  // The child at `key`, marked as read; undefined when absent.
  YAML::Node Take(const std::string& key) {
    known_.insert(key);
    return node_.IsMap() ? node_[key] : YAML::Node(YAML::NodeType::Undefined);
  }
  Reader Child(const std::string& key) { return Reader(Take(key), Join(key), error_); }

  std::string Text(const std::string& key, const std::string& fallback = "") {
    const YAML::Node child = Take(key);
    if (!child.IsDefined() || child.IsNull()) return fallback;
    if (!child.IsScalar()) Fail(key, "must be a string");
    return child.IsScalar() ? child.Scalar() : fallback;
  }
  int64_t Int(const std::string& key, int64_t fallback, int64_t low, int64_t high) {
    const std::string text = Text(key);
    if (text.empty()) return fallback;
    int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value < low || value > high) {
      Fail(key, Cat("must be a whole number from ", low, " to ", high, ", not \"", text, "\""));
      return fallback;
    }
    return value;
  }
  bool Bool(const std::string& key, bool fallback) {
    const std::string text = Text(key);
    if (text.empty()) return fallback;
    if (text != "true" && text != "false") Fail(key, "must be true or false");
    return text == "true";
  }
  // f(element, path) for each element of the list at `key`.
  template <typename F>
  void ForEach(const std::string& key, F&& f) {
    const YAML::Node list = Take(key);
    if (!list.IsDefined() || list.IsNull()) return;
    if (!list.IsSequence()) return Fail(key, "must be a list");
    for (size_t i = 0; i < list.size(); ++i) f(list[i], Cat(Join(key), "[", i, "]"));
  }

  void Fail(const std::string& key, std::string_view what) {
    const std::string path = Join(key);
    if (!error_->ok()) return;
    *error_ = absl::InvalidArgumentError(Cat(path, path.empty() ? "" : ": ", what));
  }
  void Finish() {
    if (!node_.IsMap()) return;
    for (const auto& entry : node_) {
      if (known_.count(entry.first.Scalar()) == 0) Fail(entry.first.Scalar(), "unknown field");
    }
  }
  std::string Join(const std::string& key) const {
    if (key.empty()) return path_;
    return path_.empty() ? key : Cat(path_, ".", key);
  }
  absl::Status* error() { return error_; }

 private:
  YAML::Node node_;
  std::string path_;
  absl::Status* error_;
  std::set<std::string> known_;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_YAML_READER_H_
