// Kind Secret. Its values are read and never repeated: not in problems, not in what is shown.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

// Not MapReader::StringMap: its problems quote what they complain about.
std::map<std::string, std::string> Values(MapReader& root, const std::string& name) {
  std::map<std::string, std::string> out;
  root.EachEntry(name,
                 [&](const std::string& key, const YAML::Node& value, const std::string& path) {
                   if (value.IsScalar()) {
                     out[key] = value.Scalar();
                   } else {
                     root.report().Add(path, "must be a string");
                   }
                 });
  return out;
}

}  // namespace

void ParseSecret(MapReader& root, const Meta& meta, Objects* objects) {
  Secret out{.meta = meta};
  for (const auto& [key, value] : Values(root, "data")) {
    std::string decoded;
    if (absl::Base64Unescape(value, &decoded)) {
      out.data[key] = std::move(decoded);
    } else {
      root.Problem("data", absl::StrCat("\"", key, "\" is not base64"));
    }
  }
  // As Kubernetes: what is written plainly wins.
  for (auto& [key, value] : Values(root, "stringData")) out.data[key] = value;
  root.Accept({"type", "immutable"});
  objects->secrets.push_back(std::move(out));
}

YAML::Node ShownSecret(const YAML::Node& node) {
  YAML::Node shown = YAML::Clone(node);
  // kubectl writes the whole object into an annotation.
  YAML::Node metadata = shown["metadata"];
  YAML::Node annotations;
  if (metadata.IsMap()) annotations = metadata["annotations"];
  for (YAML::Node map : {shown["data"], shown["stringData"], annotations}) {
    if (!map.IsMap()) continue;
    for (auto entry : map) entry.second = "[redacted]";
  }
  return shown;
}

}  // namespace meltemi::control::pilot::model
