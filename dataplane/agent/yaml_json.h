// YAML to JSON text, so that one strict parser (protobuf's) reads both. Scalars that look like
// numbers or booleans (YAML 1.2 core schema) become such; quoted ones stay strings.
#ifndef MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_
#define MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "yaml-cpp/yaml.h"

namespace meltemi::agent {

inline constexpr int kYamlNodesMax = 500'000;
inline constexpr int kYamlDepthMax = 64;

// RFC 3629: what protobuf's strings must be, or the peer refuses the message that has them.
bool IsUtf8(std::string_view text);

// What a document must be before anything here walks over it: at most kYamlNodesMax nodes,
// kYamlDepthMax deep (aliases can make a small file a huge tree, or a circle), its keys scalars and
// none of them twice in a map. The error names the path.
absl::Status CheckTree(const YAML::Node& root);

// `node` is of a document that CheckTree found good.
std::string YamlToJson(const YAML::Node& node);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_
