// What rules ask of requests and connections, as YAML. Private to control/pilot/model.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_PARSE_MATCH_H_
#define MELTEMI_CONTROL_PILOT_MODEL_PARSE_MATCH_H_

#include <string>
#include <vector>

#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {

bool ValidRegex(const std::string& regex, std::string* error);
bool ValidHeaderName(const std::string& name);
StringMatch ReadStringMatch(MapReader& map);
// `gateways`, as they are called elsewhere: "mesh", or "namespace/name".
std::vector<std::string> ReadGateways(MapReader& map, const std::string& ns);
HttpMatch ReadHttpMatch(MapReader& map, const std::string& ns);
// Of `tcp`, and of `tls`, which goes by SNI.
L4Match ReadL4Match(MapReader& map, const std::string& ns, bool tls);

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_PARSE_MATCH_H_
