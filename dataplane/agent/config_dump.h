// ConfigDump: the resources of an AdsState as JSON, in the shape of Envoy's /config_dump
// (envoy.admin.v3).
//
// Owns nothing; pure. Called by the agent under its lock.
#ifndef MELTEMI_DATAPLANE_AGENT_CONFIG_DUMP_H_
#define MELTEMI_DATAPLANE_AGENT_CONFIG_DUMP_H_

#include <string>
#include <string_view>

#include "dataplane/agent/ads_state.h"
#include "l7/base/time.h"

namespace meltemi::agent {

// `bootstrap_json` is a JSON object or "".
std::string ConfigDumpJson(const AdsState& state, std::string_view bootstrap_json, WallClock clock);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_CONFIG_DUMP_H_
