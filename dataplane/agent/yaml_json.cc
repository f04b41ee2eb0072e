#include "dataplane/agent/yaml_json.h"

#include <cstdio>
#include <set>

#include "l7/base/text.h"
#include "re2/re2.h"

namespace meltemi::agent {
namespace {

void AppendQuoted(const std::string& text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out->append(escape);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

void Append(const YAML::Node& node, std::string* out) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      out->append("null");
      break;
    case YAML::NodeType::Scalar: {
      const std::string& text = node.Scalar();
      const bool plain = node.Tag() != "!";  // "!" marks a quoted scalar
      const bool typed =
          plain && (text == "true" || text == "false" ||
                    RE2::FullMatch(text, "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?"));
      if (typed) {
        out->append(text);
      } else if (plain && (text == "null" || text == "~" || text.empty())) {
        out->append("null");
      } else {
        AppendQuoted(text, out);
      }
      break;
    }
    case YAML::NodeType::Sequence: {
      out->push_back('[');
      bool first = true;
      for (const YAML::Node& element : node) {
        if (!first) out->push_back(',');
        first = false;
        Append(element, out);
      }
      out->push_back(']');
      break;
    }
    case YAML::NodeType::Map: {
      out->push_back('{');
      bool first = true;
      for (const auto& entry : node) {
        if (!first) out->push_back(',');
        first = false;
        AppendQuoted(entry.first.Scalar(), out);
        out->push_back(':');
        Append(entry.second, out);
      }
      out->push_back('}');
      break;
    }
  }
}

class TreeCheck {
 public:
  absl::Status Visit(const YAML::Node& node, const std::string& path, int depth) {
    if (--nodes_left_ < 0) return Bad("", Cat("more than ", kYamlNodesMax, " values"));
    if (depth > kYamlDepthMax) return Bad(path, Cat("more than ", kYamlDepthMax, " levels deep"));
    if (node.IsSequence()) {
      size_t i = 0;
      for (const YAML::Node& element : node) {
        const absl::Status status = Visit(element, Cat(path, "[", i++, "]"), depth + 1);
        if (!status.ok()) return status;
      }
    } else if (node.IsMap()) {
      std::set<std::string> keys;
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) return Bad(path, "a key that is not a string");
        const std::string& key = entry.first.Scalar();
        const std::string below = path.empty() ? key : Cat(path, ".", key);
        if (!keys.insert(key).second) return Bad(below, "is there twice");
        const absl::Status status = Visit(entry.second, below, depth + 1);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Bad(std::string_view path, std::string_view what) {
    return absl::InvalidArgumentError(path.empty() ? std::string(what) : Cat(path, ": ", what));
  }

  int nodes_left_ = kYamlNodesMax;
};

}  // namespace

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i++]);
    if (first < 0x80) continue;
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t code = first & (0x3fu >> more);
    for (int k = 0; k < more; ++k) {
      const auto next = static_cast<uint8_t>(text[i++]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    // Longer than need be, a surrogate, or past the last.
    const uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    if (code < least || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return false;
  }
  return true;
}

absl::Status CheckTree(const YAML::Node& root) { return TreeCheck().Visit(root, "", 0); }

std::string YamlToJson(const YAML::Node& node) {
  std::string out;
  Append(node, &out);
  return out;
}

}  // namespace meltemi::agent
