#include "control/pilot/model/yaml_writer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/pilot/model/yaml_reader.h"

namespace meltemi::control::pilot::model {
namespace {

// Aliases can repeat one long string many times.
constexpr size_t kTextBytesMax = 16 << 20;

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

// Words that mean the same plain in every place: names, numbers, durations, paths, addresses.
bool SafePlain(const std::string& text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && std::string("._/-+").find(c) == std::string::npos) return false;
  }
  return text.find("--") == std::string::npos && text != "-" && text != ".";
}

std::string Scalar(const YAML::Node& node) {
  if (!node.IsScalar()) return "null";
  const std::string& text = node.Scalar();
  const bool quoted = node.Tag() == "!";
  if (!quoted && SafePlain(text)) return text;
  // Quoted in the source but plainly a word: readable without quotes and still a string.
  if (quoted && SafePlain(text) && ((text[0] >= 'a' && text[0] <= 'z') || text[0] == '/') &&
      text != "true" && text != "false" && text != "null") {
    return text;
  }
  return Quote(text);
}

struct Writer {
  std::string out;
  int nodes_left = kNodesMax;

  void Value(const YAML::Node& node, int indent) {
    if (--nodes_left < 0 || out.size() > kTextBytesMax) return;
    if (node.IsMap() && node.size() > 0) {
      out += "\n";
      Map(node, indent + 2, true);
    } else if (node.IsSequence() && node.size() > 0) {
      out += "\n";
      List(node, indent);
    } else {
      absl::StrAppend(&out, " ",
                      node.IsMap()        ? "{}"
                      : node.IsSequence() ? "[]"
                                          : Scalar(node),
                      "\n");
    }
  }

  void Map(const YAML::Node& node, int indent, bool indent_first) {
    bool pad = indent_first;
    for (const auto& entry : node) {
      if (--nodes_left < 0 || out.size() > kTextBytesMax) return;
      if (pad) out.append(indent, ' ');
      pad = true;
      absl::StrAppend(&out, Scalar(entry.first), ":");
      Value(entry.second, indent);
    }
  }

  void List(const YAML::Node& node, int indent) {
    for (const auto& item : node) {
      if (--nodes_left < 0 || out.size() > kTextBytesMax) return;
      out.append(indent, ' ');
      out += "-";
      if (item.IsMap() && item.size() > 0) {
        out += " ";
        Map(item, indent + 2, false);
      } else {
        Value(item, indent + 2);
      }
    }
  }
};

}  // namespace

std::string WriteYaml(const YAML::Node& node) {
  Writer writer;
  if (node.IsMap() && node.size() > 0) {
    writer.Map(node, 0, true);
  } else {
    writer.Value(node, 0);
  }
  return writer.out;
}

}  // namespace meltemi::control::pilot::model
