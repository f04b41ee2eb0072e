#include "dataplane/agent/yaml_json.h"

#include <cstdio>

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

}  // namespace

std::string YamlToJson(const YAML::Node& node) {
  std::string out;
  Append(node, &out);
  return out;
}

}  // namespace meltemi::agent
