// YAML to JSON text, so that one strict parser (protobuf's) reads both. Scalars that look like
// numbers or booleans (YAML 1.2 core schema) become such; quoted ones stay strings.
#ifndef MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_
#define MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_

#include <string>

#include "yaml-cpp/yaml.h"

namespace meltemi::agent {

std::string YamlToJson(const YAML::Node& node);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_YAML_JSON_H_
