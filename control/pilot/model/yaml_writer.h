// Writes a YAML tree back as text so that reading it gives the same tree, quoted strings staying
// strings (yaml-cpp's own emitter drops the quotes of "1"). Pure. Bounded by kNodesMax: past it the
// text ends, which the reader's own budget has refused before.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_YAML_WRITER_H_
#define MELTEMI_CONTROL_PILOT_MODEL_YAML_WRITER_H_

#include <string>

#include "yaml-cpp/yaml.h"

namespace meltemi::control::pilot::model {

std::string WriteYaml(const YAML::Node& node);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_YAML_WRITER_H_
